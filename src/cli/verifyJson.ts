/** What a verification found, as data. */
import { toHex } from '../bytes.ts';
import { formatHashPart } from '../storePath.ts';
import type { DamageSubject } from '../verify/damage.ts';
import type { VerifyResult } from './verifyText.ts';

/** The object of `--json`. */
export function verifyJson({ damages, counts, isRepair, deep }: VerifyResult): object {
  return {
    deep,
    ...counts,
    damages: damages.map(({ subject, error, records, affected, failure }) => ({
      ...subjectJson(subject),
      error: error.toJSON(),
      records,
      paths: affected.map(({ storePath, key }) => ({
        path: storePath,
        closureDigest: key.closureDigest,
      })),
      ...(isRepair ? { repaired: failure === undefined, failure: failure?.toJSON() ?? null } : {}),
    })),
  };
}

function subjectJson(subject: DamageSubject): object {
  const { type: kind } = subject;
  switch (subject.type) {
    case 'pack':
    case 'packHeader':
    case 'packEnd':
      return { kind, pack: subject.number };
    case 'chunk':
    case 'directory':
    case 'blob':
      return { kind, digest: subject.digest };
    case 'pathInfo':
    case 'claim':
    case 'content':
    case 'relations': {
      const { digest, closureDigest } = subject.key;
      return { kind, hashPart: formatHashPart(digest), closureDigest };
    }
    case 'extraFile':
      return { kind, file: subject.path };
    case 'current':
      return { kind, hashPart: formatHashPart(subject.digest) };
    case 'staleRow': {
      const { row } = subject;
      switch (row.table) {
        case 'closure':
          return { kind, table: row.table, closureDigest: row.closureDigest };
        case 'referrer': {
          const { digest, closureDigest } = row.referrer;
          return { kind, table: row.table, hashPart: formatHashPart(digest), closureDigest };
        }
        case 'nar':
          return { kind, table: row.table, narHash: toHex(row.narHash) };
      }
    }
  }
}
