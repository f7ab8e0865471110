/** `narthex pin`: keeps a path from being collected. */
import { NarthexError } from '../errors.ts';
import { type Command, ExitCode } from './command.ts';
import { parsePlace, STORE_HELP, STORE_OPTION, text } from './options.ts';
import { openForChanging, requireVariant } from './stored.ts';
import { shortDigest } from './storedVariants.ts';

/** The command. */
export const pin: Command = {
  name: 'pin',
  summary: 'keep a path and all it refers to from being collected',
  usage: '[--name NAME] [--json] PATH[@CLOSUREDIGEST]',
  help: [
    '  PATH          store path, base name or hash part; with @ and a closure digest, or at least its',
    '                first 8 hexadecimal digits, that variant, else the current one',
    '  --name NAME   the name of the pin (default: the base name); a pin of that name is moved',
    STORE_HELP,
    '  --json        the pin as an object',
    '',
    'The pin is of the variant that is current now, also if another one becomes current later.',
  ].join('\n'),
  options: { ...STORE_OPTION, name: { type: 'string' } },

  async run(context, values, positionals) {
    const [only, ...others] = positionals;
    if (only === undefined || others.length > 0) {
      throw new NarthexError('USAGE', `one path is needed, ${positionals.length} are given`);
    }
    const place = parsePlace(only);
    if (place.names.length > 0) {
      throw new NarthexError('USAGE', 'a whole path is pinned, not a file in it');
    }
    await using store = await openForChanging(values, context);
    const { storePath, closureDigest } = await requireVariant(store, place, context.signal);
    const name = text(values, 'name') ?? storePath.baseName;
    const { digest } = storePath;
    const before = await store.pins.put(name, { digest, closureDigest }, Date.now());
    if (values['json'] === true) {
      const data = { name, path: storePath.absolute, closureDigest };
      context.stdout.write(`${JSON.stringify(data, undefined, 2)}\n`);
    } else {
      const moved = before === undefined ? '' : ', which was the name of another pin before';
      const isSame = before?.closureDigest.equals(closureDigest) === true;
      context.stdout.write(
        `${storePath.absolute} (${shortDigest(closureDigest)}) is pinned as ${name}${isSame ? '' : moved}\n`,
      );
    }
    return ExitCode.Done;
  },
};
