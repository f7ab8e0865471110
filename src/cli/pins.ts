/** `narthex pins`: what is kept from being collected. */
import type { Store } from '../composition/openStore.ts';
import type { Pin } from '../store/storePinService.ts';
import { formatHashPart } from '../storePath.ts';
import { type Command, ExitCode } from './command.ts';
import { noArguments, STORE_HELP, STORE_OPTION } from './options.ts';
import { openForReading } from './stored.ts';
import { shortDigest } from './storedVariants.ts';

/** The command. */
export const pins: Command = {
  name: 'pins',
  summary: 'list what is pinned',
  usage: '[--json]',
  help: [STORE_HELP, '  --json        an array of objects'].join('\n'),
  options: STORE_OPTION,

  async run(context, values, positionals) {
    noArguments(positionals);
    await using store = await openForReading(values, context);
    const all: { readonly pin: Pin; readonly path: string }[] = [];
    for await (const pin of store.pins.list(context)) {
      all.push({ pin, path: await pathOf(store, pin) });
    }
    if (values['json'] === true) {
      const data = all.map(({ pin: { name, closureDigest, pinnedAt }, path }) => ({
        name,
        path,
        closureDigest,
        pinnedAt: new Date(pinnedAt).toISOString(),
      }));
      context.stdout.write(`${JSON.stringify(data, undefined, 2)}\n`);
      return ExitCode.Done;
    }
    for (const { pin, path } of all) {
      const name = path.endsWith(`/${pin.name}`) ? '' : `  ${pin.name}`;
      context.stdout.write(`${shortDigest(pin.closureDigest)}  ${path}${name}\n`);
    }
    return ExitCode.Done;
  },
};

async function pathOf(store: Store, { digest, closureDigest }: Pin): Promise<string> {
  const pathInfo = await store.pathInfos.getVariant(digest, closureDigest);
  return pathInfo?.storePath.absolute ?? formatHashPart(digest);
}
