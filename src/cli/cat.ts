/** `narthex cat`: the contents of a file of a path. */
import { displayBytes } from '../bytes.ts';
import type { DirectoryNode, SymlinkNode } from '../castore/node.ts';
import { NarthexError } from '../errors.ts';
import { type Command, ExitCode } from './command.ts';
import { parsePlace, STORE_HELP, STORE_OPTION } from './options.ts';
import { writeAll } from './output.ts';
import { openForReading, requirePlace } from './stored.ts';

/** The command. */
export const cat: Command = {
  name: 'cat',
  summary: 'write the contents of files of store paths to standard output',
  usage: 'PATH[/NAME…]…',
  help: [
    '  PATH          store path, base name or hash part',
    '  NAME          names as ls shows them: bytes that are not UTF-8 as \\xNN',
    STORE_HELP,
  ].join('\n'),
  options: STORE_OPTION,

  async run(context, values, positionals) {
    if (positionals.length === 0) throw new NarthexError('USAGE', 'no file is given');
    const places = positionals.map(parsePlace);
    const { signal, stdout } = context;
    await using store = await openForReading(values, context);
    for (const place of places) {
      const { node, shown } = await requirePlace(store, place, signal);
      if (node.type !== 'file') throw notAFile(shown, node);
      const contents = await store.blobs.read(node.digest, { signal });
      if (contents === undefined) {
        throw new NarthexError('BLOB_MISSING', `${shown}: its contents are gone`, {
          path: shown,
          digest: String(node.digest),
        });
      }
      await writeAll(stdout, contents);
    }
    return ExitCode.Done;
  },
};

function notAFile(path: string, node: DirectoryNode | SymlinkNode): NarthexError {
  const target = node.type === 'symlink' ? displayBytes(node.target) : undefined;
  const leads = target === undefined ? '' : ` to ${target}, which is not followed`;
  const message = `${path} is a ${node.type}${leads}`;
  return new NarthexError('NOT_A_FILE', message, { path, actual: node.type, target });
}
