/** `narthex compress`: what lies at rest, harder than when it came. */
import { compressingOptions } from '../composition/compressingStore.ts';
import { type CompressionReport, DEFAULT_REST_LEVEL } from '../store/gc/compressPacks.ts';
import { MAX_COMPRESSION_LEVEL } from '../store/recordEncoding.ts';
import { WorkerPool } from '../workers/workerPool.ts';
import { type Command, ExitCode } from './command.ts';
import { errorLine } from './errorLine.ts';
import { counted, formatBytes } from './format.ts';
import { count, levelOf, noArguments, STORE_HELP, STORE_OPTION } from './options.ts';
import { openForChanging } from './stored.ts';

/** The command. */
export const compress: Command = {
  name: 'compress',
  summary: 'compress harder what lies in the store, and give the space back',
  usage: '[--level N] [--threads N] [--json]',
  help: [
    `  --level N     of zstd, 1 to ${MAX_COMPRESSION_LEVEL} (default: ${DEFAULT_REST_LEVEL})`,
    '  --threads N   threads that compress (default: one for each processor); with 0 the program has',
    '                only one',
    STORE_HELP,
    '  --json        an object; sizes in bytes',
    '',
    'What lies uncompressed or at a lower level is compressed; the rest is left alone, also what did not',
    'shrink when it was tried. mirror, serve and gc may go on meanwhile. What a process that is running',
    'brought in within the last hour or so is left to another time. It can be interrupted, and goes on',
    'when it is run again.',
  ].join('\n'),
  options: { ...STORE_OPTION, level: { type: 'string' }, threads: { type: 'string' } },

  async run(context, values, positionals) {
    noArguments(positionals);
    const { stdout, stderr, signal } = context;
    const level = levelOf(values, 'level');
    // the last to be closed: the store may still need them
    await using workers = new WorkerPool({ threads: count(values, 'threads', 0) });
    await using store = await openForChanging(
      values,
      context,
      compressingOptions(workers, undefined),
    );
    const report = await store.compress({ level, signal });
    if (values['json'] === true) {
      stdout.write(`${JSON.stringify(report, undefined, 2)}\n`);
    } else {
      stdout.write(text(report));
      for (const error of report.damagedPacks) stderr.write(`narthex: ${errorLine(error)}\n`);
    }
    return report.damagedPacks.length > 0 ? ExitCode.Findings : ExitCode.Done;
  },
};

function text(report: CompressionReport): string {
  const { level, compressedPacks, packsInUse, storedBytes, storedBytesBefore } = report;
  const freed = Math.max(0, storedBytesBefore - storedBytes);
  return [
    `${counted(compressedPacks, 'pack')} compressed at level ${level}`,
    ...(packsInUse > 0 ? [`${counted(packsInUse, 'pack')} in use, left to another time`] : []),
    `${formatBytes(freed)} given back, ${formatBytes(storedBytes)} on disk`,
    '',
  ].join('\n');
}
