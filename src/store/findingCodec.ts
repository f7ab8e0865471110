/**
 * Findings as values of the index.
 *
 *     record     = version, optional referrer, reference, optional differing path,
 *                  our side, our closure digest (32 bytes), their side,
 *                  upstream (text), first seen, last seen (milliseconds since 1970)
 *     side       = NarHash (text, sha256:<nixbase32>), list of key names that signed it (text)
 *     store path = digest (20 bytes), name
 *     optional   = 0 | 1, what there is
 *
 * Numbers are varints (recordBytes.ts). The key has its own rule (pathinfo/keptFinding.ts) and repeats
 * parts of this for the sake of order.
 */
import { DIGEST_BYTES, Digest } from '../castore/digest.ts';
import { NarthexError } from '../errors.ts';
import { Hash } from '../hash.ts';
import type { FindingSide, KeptFinding } from '../pathinfo/finding.ts';
import { STORE_PATH_DIGEST_BYTES, StorePath } from '../storePath.ts';
import { FieldReader, FieldWriter } from './recordBytes.ts';

const RECORD_VERSION = 1;
const OPTIONAL = [false, true] as const;

/** Encodes a finding. */
export function encodeFinding(finding: KeptFinding): Uint8Array {
  const writer = new FieldWriter().uint(RECORD_VERSION);
  writeOptionalPath(writer, finding.referrer);
  writePath(writer, finding.reference);
  writeOptionalPath(writer, finding.differing);
  writeSide(writer, finding.ours);
  writer.fixed(finding.ourClosureDigest.bytes);
  writeSide(writer, finding.theirs);
  return writer.text(finding.upstream).uint(finding.firstSeen).uint(finding.lastSeen).finish();
}

/** @throws STORE_INVALID with what is wrong as its cause */
export function decodeFinding(record: Uint8Array): KeptFinding {
  try {
    const reader = new FieldReader(record);
    const version = reader.uint();
    if (version !== RECORD_VERSION) throw reader.error(`version ${version} is unknown`);
    const finding: KeptFinding = {
      referrer: readOptionalPath(reader),
      reference: readPath(reader),
      differing: readOptionalPath(reader),
      ours: readSide(reader),
      ourClosureDigest: new Digest(reader.fixed(DIGEST_BYTES)),
      theirs: readSide(reader),
      upstream: reader.text(),
      firstSeen: reader.uint(),
      lastSeen: reader.uint(),
    };
    reader.end();
    return finding;
  } catch (error) {
    throw new NarthexError('STORE_INVALID', 'a finding in the index is damaged', {}, error);
  }
}

function writePath(writer: FieldWriter, storePath: StorePath): void {
  writer.fixed(storePath.digest).text(storePath.name);
}

function readPath(reader: FieldReader): StorePath {
  return StorePath.of(reader.fixed(STORE_PATH_DIGEST_BYTES), reader.text());
}

function writeOptionalPath(writer: FieldWriter, storePath: StorePath | undefined): void {
  writer.uint(storePath === undefined ? 0 : 1);
  if (storePath !== undefined) writePath(writer, storePath);
}

function readOptionalPath(reader: FieldReader): StorePath | undefined {
  return reader.choice(OPTIONAL) ? readPath(reader) : undefined;
}

function writeSide(writer: FieldWriter, { narHash, signedBy }: FindingSide): void {
  writer.text(narHash.toNixbase32()).uint(signedBy.length);
  for (const keyName of signedBy) writer.text(keyName);
}

function readSide(reader: FieldReader): FindingSide {
  return { narHash: Hash.parse(reader.text()), signedBy: reader.list(() => reader.text()) };
}
