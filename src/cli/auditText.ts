/** An audit for people. What is wrong is told in full, what is only for information is cut short. */
import type { AuditReport, ClosureAudit } from '../audit/audit.ts';
import {
  type ClosureVerdict,
  COMPARISON_OUTCOMES,
  type Comparison,
  type ComparisonOutcome,
  type Testimony,
} from '../audit/comparison.ts';
import { edgesOf, type PathAudit } from '../audit/pathAudit.ts';
import type { Evidence, PathInfo } from '../pathinfo/pathInfo.ts';
import type { PublicKey } from '../signature.ts';
import { errorLine } from './errorLine.ts';
import { counted, formatBytes } from './format.ts';

/** Lines of a kind that are shown of what is only for information. */
const SHOWN_LINES = 20;

/** What the text has to know besides the report. */
export interface AuditTextOptions {
  /** Whether contents were read. */
  readonly contents: boolean;
  readonly trustedKeys: readonly PublicKey[];
}

/** The whole report. */
export function auditText(report: AuditReport, options: AuditTextOptions): string {
  const { paths, closures, testimonies } = report;
  const lines = [
    ...storedLines(paths, options),
    ...testimonies.flatMap((testimony) => testimonyLines(testimony, paths)),
    ...closures.flatMap((closure) => closureLines(closure, testimonies)),
    ...(testimonies.length === 0
      ? ['nobody was asked whether these paths belong together; --against CACHE asks']
      : []),
  ];
  return `${lines.join('\n')}\n`;
}

function storedLines(paths: readonly PathAudit[], options: AuditTextOptions): string[] {
  const bytes = paths.reduce((sum, { pathInfo }) => sum + pathInfo.claim.narSize, 0);
  const wrong = paths.filter(({ faults }) => faults.length > 0);
  const checked = options.contents
    ? 'NARs, signatures and content addresses verify'
    : 'signatures verify; contents were not read';
  const verdict = wrong.length === 0 ? checked : `${wrong.length} with something wrong`;
  return [
    `${counted(paths.length, 'path')}, ${formatBytes(bytes)} of NAR: ${verdict}`,
    ...wrong.flatMap(({ pathInfo, faults }) =>
      faults.map((fault) => `  wrong: ${aboutPath(pathInfo, errorLine(fault))}`),
    ),
    `  verified by ${verifiersText(paths, options.trustedKeys)}`,
    ...edgeLines(paths, 'mixed', 'which is of another world', Number.POSITIVE_INFINITY),
    ...edgeLines(paths, 'unchecked', 'which was compared with no cache', SHOWN_LINES),
    ...occurrenceLines(paths),
  ];
}

/** Errors about blobs and directories do not know of which path they are. */
function aboutPath({ storePath }: PathInfo, line: string): string {
  return line.includes(storePath.absolute) ? line : `${storePath.absolute}: ${line}`;
}

function verifiersText(paths: readonly PathAudit[], trustedKeys: readonly PublicKey[]): string {
  const trusted = new Set(trustedKeys.map(String));
  const verifiers = Map.groupBy(paths, ({ pathInfo: { claim } }) => {
    const { verification } = claim;
    switch (verification.by) {
      case 'key': {
        const [name] = verification.publicKey.split(':');
        return trusted.has(verification.publicKey)
          ? `key ${name}`
          : `key ${name}, which is not among the trusted ones now`;
      }
      case 'ca':
        return 'content address';
      case 'uploader':
        return `uploader ${verification.uploader}`;
      case 'nobody':
        return 'nobody';
    }
  });
  return Array.from(verifiers, ([name, some]) => `${name} (${some.length})`).join(', ');
}

function edgeLines(
  paths: readonly PathAudit[],
  evidence: Evidence,
  remark: string,
  shown: number,
): string[] {
  const lines = paths.flatMap(({ pathInfo }) =>
    edgesOf(pathInfo, evidence).map(
      (name) => `  ${evidence}: ${pathInfo.storePath.absolute} refers to ${name}, ${remark}`,
    ),
  );
  return cut(lines, shown);
}

function occurrenceLines(paths: readonly PathAudit[]): string[] {
  const undeclared = paths.flatMap(({ pathInfo, occurrences }) =>
    (occurrences?.undeclared ?? []).map(
      ({ baseName }) =>
        `  note: ${pathInfo.storePath.absolute} holds the hash part of ${baseName}, which is no reference of it`,
    ),
  );
  const absent = paths.flatMap(({ pathInfo, occurrences }) =>
    (occurrences?.absent ?? []).map(
      ({ baseName }) =>
        `  note: ${pathInfo.storePath.absolute} refers to ${baseName}, whose hash part it does not hold`,
    ),
  );
  return [...cut(undeclared, SHOWN_LINES), ...cut(absent, SHOWN_LINES)];
}

const OUTCOME_TEXTS: Readonly<Record<ComparisonOutcome, string>> = {
  same: 'same',
  signedDifferently: 'same but signed by others',
  absent: 'absent',
  unreachable: 'unreachable',
  unverified: 'not verified',
  differs: 'different',
};

function testimonyLines(testimony: Testimony, paths: readonly PathAudit[]): string[] {
  const compared = paths.map(({ pathInfo }) => ({ pathInfo, said: testimony.of(pathInfo) }));
  const byOutcome = Map.groupBy(compared, ({ said }) => said.outcome);
  const counts = COMPARISON_OUTCOMES.flatMap((outcome) => {
    const some = byOutcome.get(outcome);
    return some === undefined ? [] : [`${some.length} ${OUTCOME_TEXTS[outcome]}`];
  });
  const linesOf = (outcome: ComparisonOutcome, shown: number) =>
    cut(
      (byOutcome.get(outcome) ?? []).map(
        ({ pathInfo, said }) => `  ${outcome}: ${comparisonText(pathInfo, said)}`,
      ),
      shown,
    );
  return [
    `${testimony.upstream}: ${counts.join(', ')}`,
    ...linesOf('differs', Number.POSITIVE_INFINITY),
    ...linesOf('unverified', SHOWN_LINES),
    ...linesOf('unreachable', 1), // one reason is like the other
    ...linesOf('absent', SHOWN_LINES),
  ];
}

function comparisonText(pathInfo: PathInfo, { found, error }: Comparison): string {
  const { storePath, claim } = pathInfo;
  if (error !== undefined) return aboutPath(pathInfo, errorLine(error));
  if (found === undefined) return storePath.absolute;
  const { narHash, signatures } = found.narInfo;
  if (narHash.equals(claim.narHash)) return `${storePath.absolute}: it has other references there`;
  const signers = [...new Set(signatures.map(({ keyName }) => keyName))].join(', ') || 'nobody';
  return `${storePath.absolute}: ${narHash.toNixbase32()} there (signed by ${signers}), ${claim.narHash.toNixbase32()} here`;
}

/** What an upstream says of a closure; the path that decides it stands where there is one. */
function verdictText({ outcome, decidedBy }: ClosureVerdict): string {
  const path = decidedBy?.absolute;
  switch (outcome) {
    case 'same':
      return 'has the same closure';
    case 'differs':
      return `has another closure: ${path} is different`;
    case 'absent':
      return `does not have all of it: ${path} is absent`;
    case 'unreachable':
      return `could not be asked about all of it, as about ${path}`;
    case 'unverified':
      return `says nothing that verifies about all of it, as about ${path}`;
  }
}

function closureLines(closure: ClosureAudit, testimonies: readonly Testimony[]): string[] {
  const { root, members, incoherences, agreed, mixed } = closure;
  const coherent = incoherences.length === 0 ? 'coherent' : 'not coherent';
  const lines = [
    `closure of ${root.storePath.absolute}, ${counted(members.length, 'path')}: ${coherent}`,
  ];
  for (const { variants } of incoherences) {
    const contents = variants.map(({ claim }) => claim.narHash.toNixbase32()).join(', ');
    lines.push(
      `  wrong: it holds several contents of ${variants[0]?.storePath.absolute}: ${contents}`,
    );
  }
  for (const testimony of testimonies) {
    const verdict = testimony.verdictOn(root);
    if (verdict !== undefined) lines.push(`  ${testimony.upstream} ${verdictText(verdict)}`);
  }
  if (agreed === false) lines.push('  no upstream agrees with the whole closure');
  if (mixed) {
    lines.push('  each path is as some upstream has it: the closure is mixed from several worlds');
  }
  return lines;
}

function cut(lines: readonly string[], shown: number): string[] {
  if (lines.length <= shown) return [...lines];
  return [...lines.slice(0, shown), `  and ${lines.length - shown} more of these; --json has all`];
}
