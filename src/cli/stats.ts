/** `narthex stats`: how much is there, and what it takes. */
import { NO_COMPRESSION } from '../store/recordEncoding.ts';
import type { StoreStats } from '../store/storeStats.ts';
import { type Command, ExitCode } from './command.ts';
import { formatBytes } from './format.ts';
import { noArguments, STORE_HELP, STORE_OPTION } from './options.ts';
import { openForReading } from './stored.ts';

/** The command. */
export const stats: Command = {
  name: 'stats',
  summary: 'tell how much the store holds and what it takes on disk',
  usage: '[--json]',
  help: [STORE_HELP, '  --json        an object; sizes in bytes; docs/store.md has the names'].join(
    '\n',
  ),
  options: STORE_OPTION,

  async run(context, values, positionals) {
    noArguments(positionals);
    await using store = await openForReading(values, context);
    const numbers = await store.stats();
    if (values['json'] === true) {
      context.stdout.write(
        `${JSON.stringify({ ...numbers, ratios: ratiosOf(numbers) }, undefined, 2)}\n`,
      );
      return ExitCode.Done;
    }
    const rows = rowsOf(numbers);
    const width = Math.max(...rows.map(([name]) => name.length));
    for (const [name, value] of rows) context.stdout.write(`${name.padEnd(width)}  ${value}\n`);
    return ExitCode.Done;
  },
};

function rowsOf(numbers: StoreStats): (readonly [name: string, value: string])[] {
  const { narBytes, uniqueBytes, storedBytes, raw, compressed, levels } = numbers;
  const { uniqueToNar, storedToNar, storedToUnique } = ratiosOf(numbers);
  return [
    ['store paths', String(numbers.paths)],
    ['variants', String(numbers.variants)],
    ['NARs', formatBytes(narBytes)],
    ['unique', `${formatBytes(uniqueBytes)} (${percent(uniqueToNar)} of the NARs)`],
    [
      'on disk',
      `${formatBytes(storedBytes)} (${percent(storedToNar)} of the NARs, ${percent(storedToUnique)} of unique)`,
    ],
    ['  in packs', formatBytes(numbers.packBytes)],
    ['  in the index', formatBytes(numbers.indexBytes)],
    ['compressed', `${formatBytes(compressed.bytes)} in ${formatBytes(compressed.encodedBytes)}`],
    ['as it is', formatBytes(raw.bytes)],
    ...levels.map(
      ({ level, bytes, encodedBytes }) =>
        [`  ${levelText(level)}`, `${formatBytes(bytes)} in ${formatBytes(encodedBytes)}`] as const,
    ),
    ['chunks', String(numbers.chunks)],
    ['directories', String(numbers.directories)],
    ['packs', String(numbers.packs)],
  ];
}

/** How hard some packs are compressed. */
function levelText(level: number | null): string {
  if (level === null) return 'level not known';
  return level === NO_COMPRESSION ? 'not compressed yet' : `at level ${level}`;
}

/** Of what would be divided by zero there is none. */
function ratiosOf({ narBytes, uniqueBytes, storedBytes }: StoreStats) {
  const ratio = (bytes: number, whole: number) => (whole === 0 ? null : bytes / whole);
  return {
    uniqueToNar: ratio(uniqueBytes, narBytes),
    storedToUnique: ratio(storedBytes, uniqueBytes),
    storedToNar: ratio(storedBytes, narBytes),
  };
}

function percent(ratio: number | null): string {
  return ratio === null ? 'none' : `${Math.round(100 * ratio)}%`;
}
