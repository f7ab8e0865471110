/** `narthex gc`: removes what nobody needs. */
import type { CollectionReport } from '../store/gc/collectGarbage.ts';
import { formatHashPart } from '../storePath.ts';
import { type Command, ExitCode } from './command.ts';
import { errorLine } from './errorLine.ts';
import { counted, formatBytes } from './format.ts';
import { noArguments, STORE_HELP, STORE_OPTION } from './options.ts';
import { duration, size } from './quantities.ts';
import { openForChanging, openForReading } from './stored.ts';

/** The command. */
export const gc: Command = {
  name: 'gc',
  summary: 'remove what nobody needs, and give its space back',
  usage: '[--older-than DURATION] [--max-size SIZE] [--dry-run] [--json]',
  help: [
    '  --older-than DURATION  current paths that were not used for so long are not kept for their own',
    '                sake; units s, m, h, d, w: 30d',
    '  --max-size SIZE  keep as many paths as fit, those used last; units k, M, G, T (powers of 1000)',
    '                and Ki, Mi, Gi, Ti: 50G',
    '  --dry-run     only tell what would be removed',
    STORE_HELP,
    '  --json        an object; sizes in bytes',
    '',
    'Kept are pinned variants (narthex pin), current variants unless --older-than or --max-size gives',
    'them up, and all that these refer to. Without either option only this goes: variants',
    'that are neither current nor pinned, and what an interrupted mirror has left. A path is used when',
    'it is mirrored, served or asked for by a process that may write; uses are noted to the hour.',
    'mirror and serve may go on meanwhile, verify --repair may not. What they work on is kept. The',
    'index keeps its size, and uses the space again.',
  ].join('\n'),
  options: {
    ...STORE_OPTION,
    'older-than': { type: 'string' },
    'max-size': { type: 'string' },
    'dry-run': { type: 'boolean' },
  },

  async run(context, values, positionals) {
    noArguments(positionals);
    const { stdout, stderr, signal } = context;
    const olderThanMs = duration(values, 'older-than');
    const maxBytes = size(values, 'max-size');
    const dryRun = values['dry-run'] === true;
    await using store = dryRun
      ? await openForReading(values, context)
      : await openForChanging(values, context);
    const report = await store.collectGarbage({ olderThanMs, maxBytes, dryRun, signal });
    if (values['json'] === true) {
      stdout.write(`${JSON.stringify(json(report), undefined, 2)}\n`);
    } else {
      stdout.write(text(report));
      for (const error of report.damagedPacks) stderr.write(`narthex: ${errorLine(error)}\n`);
    }
    return report.damagedPacks.length > 0 ? ExitCode.Findings : ExitCode.Done;
  },
};

function json({ removedVariants, damagedPacks, ...counts }: CollectionReport) {
  return {
    ...counts,
    removedVariants: removedVariants.map(({ digest, closureDigest }) => ({
      hashPart: formatHashPart(digest),
      closureDigest,
    })),
    damagedPacks,
  };
}

function text(report: CollectionReport): string {
  const { storedBytes, storedBytesBefore, removedVariants, keptVariants } = report;
  const freed = Math.max(0, storedBytesBefore - storedBytes);
  const would = report.dryRun ? ' would be' : '';
  return [
    `${counted(removedVariants.length, 'variant')}${would} removed, ${keptVariants} kept`,
    `${report.chunks} chunks and ${report.directories} directories${would} removed`,
    `${counted(report.removedPacks, 'pack')}${would} removed, ${report.rewrittenPacks} rewritten`,
    `${formatBytes(freed)}${would} given back, ${formatBytes(storedBytes)} on disk${report.dryRun ? ' then' : ''}`,
    '',
  ].join('\n');
}
