/** Where caches disagree, for people. */
import type { Agreement, CachedContent, PathDivergence } from '../audit/divergence.ts';
import type { DivergenceTally, SilenceCount } from '../audit/divergenceTally.ts';
import { errorLine } from './errorLine.ts';
import { counted } from './format.ts';

/** The lines about a path on which caches disagree; nothing about others. */
export function divergenceText({ agreement, contents, storePath }: PathDivergence): string {
  if (agreement !== 'differ' && agreement !== 'referencesDiffer') return '';
  const remark = agreement === 'differ' ? '' : ': the same bytes, other references';
  return `${storePath?.absolute}${remark}\n${contents.map(contentLines).join('')}`;
}

function contentLines({ narHash, caches }: CachedContent): string {
  return caches
    .map(({ url, signedBy }) => {
      const signers = signedBy.join(', ') || 'nobody';
      return `  ${narHash.toNixbase32()}  ${url} (signed by ${signers})\n`;
    })
    .join('');
}

const AGREEMENT_TEXTS: Readonly<Record<Agreement, string>> = {
  agree: 'the same wherever they are',
  differ: 'not the same everywhere',
  referencesDiffer: 'the same but for their references',
  alone: 'at one cache only',
  nowhere: 'at no cache',
};
/** Every key of the record above, in its order. */
const AGREEMENTS: readonly Agreement[] = [
  'agree',
  'differ',
  'referencesDiffer',
  'alone',
  'nowhere',
];

/** The sums. */
export function tallyText(tally: DivergenceTally): string {
  const { paths, agreements, silent, notReproducible } = tally;
  const parts = AGREEMENTS.filter((agreement) => agreements[agreement] > 0).map(
    (agreement) => `${agreements[agreement]} ${AGREEMENT_TEXTS[agreement]}`,
  );
  const lines = [
    `${counted(paths, 'path')} at ${counted(silent.size, 'cache')}${parts.length > 0 ? ': ' : ''}${parts.join(', ')}`,
    ...Array.from(silent).flatMap(([url, count]) => silenceLines(url, count)),
  ];
  if (notReproducible.length > 0) {
    lines.push('not reproducible, or not the same build:');
    for (const { name, differing, compared } of notReproducible) {
      lines.push(`  ${name} (${differing} of ${counted(compared, 'path')})`);
    }
  }
  return `${lines.join('\n')}\n`;
}

function silenceLines(url: string, count: SilenceCount): string[] {
  const { absent, unreachable, unverified, error } = count;
  const parts = [
    ...(absent > 0 ? [`${absent} not there`] : []),
    ...(unreachable > 0 ? [`${unreachable} could not be asked about`] : []),
    ...(unverified > 0 ? [`${unverified} not verified`] : []),
  ];
  if (parts.length === 0) return [];
  const why = error === undefined ? [] : [`    ${errorLine(error)}`];
  return [`  ${url}: ${parts.join(', ')}`, ...why];
}
