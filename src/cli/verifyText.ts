/** What a verification found, for people. */
import type { DamageSubject } from '../verify/damage.ts';
import type { RepairedDamage } from '../verify/repairStore.ts';
import type { VerifyCounts } from '../verify/verifyStore.ts';
import { errorLine } from './errorLine.ts';
import { counted, formatBytes } from './format.ts';
import { damagedText } from './verifyDisplay.ts';

/** Affected paths that are shown of each thing; `--json` has all. */
const SHOWN_PATHS = 10;

/** What is to be told. */
export interface VerifyResult {
  readonly damages: readonly RepairedDamage[];
  readonly counts: VerifyCounts;
  readonly isRepair: boolean;
  readonly deep: boolean;
}

/** The whole report. */
export function verifyText({ damages, counts, isRepair, deep }: VerifyResult): string {
  const lines = damages.flatMap((damage) => damageLines(damage, isRepair));
  const left = damages.filter(({ failure }) => failure !== undefined);
  const checked = deep
    ? `${counted(counts.paths, 'path')}, ${counted(counts.recordsHashed, 'record')} and ${formatBytes(counts.narBytesHashed)} of NAR hashed`
    : `${counted(counts.paths, 'path')}; contents were not read, --deep does`;
  const verdict = damages.length === 0 ? 'nothing is damaged' : damagedText(damages.length);
  const repaired = `, ${damages.length - left.length} repaired`;
  lines.push(`${checked}: ${verdict}${isRepair && damages.length > 0 ? repaired : ''}`);
  if (!isRepair && left.length > 0) lines.push('narthex verify --repair puts right what it can');
  return `${lines.join('\n')}\n`;
}

function damageLines(damage: RepairedDamage, isRepair: boolean): string[] {
  const { error, affected, records, failure, subject } = damage;
  const what = records > 1 ? ` (${counted(records, 'record')})` : '';
  const word = failure === undefined ? 'repaired' : 'damaged';
  const lines = [`${word}: ${subjectName(subject)}${what}: ${errorLine(error)}`];
  if (isRepair && failure !== undefined && failure !== error) {
    lines.push(`  not repaired: ${errorLine(failure)}`);
  }
  for (const { storePath } of affected.slice(0, SHOWN_PATHS)) lines.push(`  in ${storePath}`);
  const hidden = affected.length - SHOWN_PATHS;
  if (hidden > 0) lines.push(`  and ${counted(hidden, 'more path')}`);
  return lines;
}

const NAMES: Readonly<Record<DamageSubject['type'], string>> = {
  pack: 'pack',
  packHeader: 'pack',
  packEnd: 'index',
  chunk: 'chunk',
  directory: 'directory',
  blob: 'blob',
  pathInfo: 'PathInfo',
  claim: 'claim',
  content: 'content',
  relations: 'index',
  staleRow: 'index',
  extraFile: 'extra file',
  current: 'current view',
};

function subjectName(subject: DamageSubject): string {
  if (subject.type === 'extraFile') return `${NAMES[subject.type]} ${subject.path}`;
  return NAMES[subject.type];
}
