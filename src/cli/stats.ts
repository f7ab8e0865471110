/** `narthex stats`: how much is there, and what it takes. */
import { type Command, ExitCode } from './command.ts';
import { formatBytes } from './format.ts';
import { noArguments, STORE_HELP, STORE_OPTION } from './options.ts';
import { openForReading } from './stored.ts';

/** The command. */
export const stats: Command = {
  name: 'stats',
  summary: 'tell how much the store holds and what it takes on disk',
  usage: '[--json]',
  help: [STORE_HELP, '  --json        an object; sizes in bytes'].join('\n'),
  options: STORE_OPTION,

  async run(context, values, positionals) {
    noArguments(positionals);
    await using store = await openForReading(values, context);
    const numbers = await store.stats();
    if (values['json'] === true) {
      context.stdout.write(`${JSON.stringify(numbers, undefined, 2)}\n`);
      return ExitCode.Done;
    }
    const { narBytes, uniqueBytes, storedBytes } = numbers;
    const rows = [
      ['store paths', String(numbers.paths)],
      ['variants', String(numbers.variants)],
      ['NARs', formatBytes(narBytes)],
      ['unique', `${formatBytes(uniqueBytes)}${shareOf(uniqueBytes, narBytes)}`],
      ['on disk', `${formatBytes(storedBytes)}${shareOf(storedBytes, narBytes)}`],
      ['chunks', String(numbers.chunks)],
      ['directories', String(numbers.directories)],
      ['packs', String(numbers.packs)],
    ] as const;
    const width = Math.max(...rows.map(([name]) => name.length));
    for (const [name, value] of rows) context.stdout.write(`${name.padEnd(width)}  ${value}\n`);
    return ExitCode.Done;
  },
};

function shareOf(bytes: number, narBytes: number): string {
  return narBytes === 0 ? '' : ` (${Math.round((100 * bytes) / narBytes)}% of the NARs)`;
}
