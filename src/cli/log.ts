/** `narthex log`: the build log of a path. */
import type { Store } from '../composition/openStore.ts';
import { NarthexError } from '../errors.ts';
import type { StorePath, StorePathQuery } from '../storePath.ts';
import { type Command, ExitCode } from './command.ts';
import { onePathOf, STORE_HELP, STORE_OPTION } from './options.ts';
import { writeAll } from './output.ts';
import { openForReading, requirePath } from './stored.ts';

/** The command. */
export const log: Command = {
  name: 'log',
  summary: 'write the build log of a store path to standard output',
  usage: 'PATH',
  help: [
    '  PATH          a derivation (.drv), or what it built: store path, base name or hash part',
    STORE_HELP,
    '',
    'Logs come with narthex mirror --extra logs, or are uploaded (nix store copy-log).',
  ].join('\n'),
  options: STORE_OPTION,

  async run(context, values, positionals) {
    const query = onePathOf(positionals);
    const { signal, stdout } = context;
    await using store = await openForReading(values, context);
    const derivation = await derivationOf(store, query);
    const file = await store.extraFiles.get({ kind: 'log', derivation }, { signal });
    if (file === undefined) {
      const { absolute } = derivation;
      const message = `no log of ${absolute} is kept; narthex mirror --extra logs brings it in`;
      throw new NarthexError('LOG_NOT_FOUND', message, { storePath: absolute });
    }
    const contents = await store.blobs.read(file.digest, { signal });
    if (contents === undefined) {
      throw new NarthexError('BLOB_MISSING', `the log of ${derivation} is gone`, {
        storePath: derivation.absolute,
        digest: String(file.digest),
      });
    }
    await writeAll(stdout, contents);
    return ExitCode.Done;
  },
};

/** A derivation is itself, whether it is here or not; all else tells its own. */
async function derivationOf(store: Store, query: StorePathQuery): Promise<StorePath> {
  if (query.storePath?.isDerivation === true) return query.storePath;
  const { storePath, claim } = await requirePath(store, query);
  if (storePath.isDerivation) return storePath;
  const { deriver } = claim;
  if (deriver?.isDerivation === true) return deriver;
  const { absolute } = storePath;
  const message = `it is not known what built ${absolute}; name its derivation`;
  throw new NarthexError('LOG_NOT_FOUND', message, { storePath: absolute });
}
