/** `narthex unpin`: lets a path be collected again. */
import { isNarthexError, NarthexError } from '../errors.ts';
import { excerpt } from '../excerpt.ts';
import type { Pin } from '../store/storePinService.ts';
import { parseStorePathQuery, type StorePathQuery } from '../storePath.ts';
import { type Command, ExitCode } from './command.ts';
import { counted } from './format.ts';
import { STORE_HELP, STORE_OPTION } from './options.ts';
import { openForChanging } from './stored.ts';

/** The command. */
export const unpin: Command = {
  name: 'unpin',
  summary: 'let pinned paths be collected again',
  usage: '[--json] NAME|PATH…',
  help: [
    '  NAME          the name of a pin',
    '  PATH          store path, base name or hash part: all pins of it, whatever their names',
    STORE_HELP,
    '  --json        an array of the names that were removed',
  ].join('\n'),
  options: STORE_OPTION,

  async run(context, values, positionals) {
    if (positionals.length === 0) throw new NarthexError('USAGE', 'no pin is given');
    await using store = await openForChanging(values, context);
    const pins = await Array.fromAsync(store.pins.list(context));
    // all are looked up before any is removed
    const names = new Set(positionals.flatMap((given) => namesOf(pins, given)));
    for (const name of names) await store.pins.remove(name, context);
    if (values['json'] === true) {
      context.stdout.write(`${JSON.stringify([...names], undefined, 2)}\n`);
    } else {
      context.stdout.write(`${counted(names.size, 'pin')} removed: ${[...names].join(', ')}\n`);
    }
    return ExitCode.Done;
  },
};

/** @throws USAGE there is none */
function namesOf(pins: readonly Pin[], given: string): string[] {
  const named = pins.filter(({ name }) => name === given);
  const path = named.length > 0 ? undefined : pathOf(given);
  const found =
    path === undefined
      ? named
      : pins.filter(({ digest }) => Buffer.compare(digest, path.digest) === 0);
  if (found.length > 0) return found.map(({ name }) => name);
  const message = `there is no pin '${excerpt(given)}', nor one of such a path; see: narthex pins`;
  throw new NarthexError('USAGE', message, { actual: excerpt(given) });
}

function pathOf(given: string): StorePathQuery | undefined {
  try {
    return parseStorePathQuery(given);
  } catch (error) {
    if (isNarthexError(error, 'STORE_PATH_INVALID')) return undefined; // a name, then
    throw error;
  }
}
