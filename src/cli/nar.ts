/** `narthex nar`: the NAR of a path. */
import { renderNar } from '../render/renderNar.ts';
import { type Command, ExitCode } from './command.ts';
import { onePathOf, STORE_HELP, STORE_OPTION } from './options.ts';
import { writeAll } from './output.ts';
import { openForReading, requirePath } from './stored.ts';

/** The command. */
export const nar: Command = {
  name: 'nar',
  summary: 'write the NAR of a store path to standard output',
  usage: 'PATH',
  help: ['  PATH          store path, base name or hash part', STORE_HELP].join('\n'),
  options: STORE_OPTION,

  async run(context, values, positionals) {
    const path = onePathOf(positionals);
    await using store = await openForReading(values, context);
    const { node } = await requirePath(store, path);
    const pieces = renderNar(node, {
      blobService: store.blobs,
      directoryService: store.directories,
      signal: context.signal,
      // each is written before the next is asked for
      lentPieces: true,
    });
    await writeAll(context.stdout, pieces);
    return ExitCode.Done;
  },
};
