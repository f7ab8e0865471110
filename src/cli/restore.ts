/** `narthex restore`: a path as files. */
import { NarthexError } from '../errors.ts';
import { restore as restoreNode } from '../render/restore.ts';
import { type Command, ExitCode } from './command.ts';
import { parsePlace, STORE_HELP, STORE_OPTION } from './options.ts';
import { openForReading, requirePlace } from './stored.ts';

/** The command. */
export const restore: Command = {
  name: 'restore',
  summary: 'write a store path, or something inside it, to the file system',
  usage: 'PATH[/NAME…] TARGET',
  help: [
    '  PATH          store path, base name or hash part',
    '  NAME          names as ls shows them: bytes that are not UTF-8 as \\xNN',
    '  TARGET        where it goes; nothing may be there yet',
    STORE_HELP,
  ].join('\n'),
  options: STORE_OPTION,

  async run(context, values, positionals) {
    const [argument, target, ...others] = positionals;
    if (argument === undefined || target === undefined || others.length > 0) {
      throw new NarthexError('USAGE', 'a store path and a target are needed');
    }
    const place = parsePlace(argument);
    await using store = await openForReading(values, context);
    const { node } = await requirePlace(store, place, context.signal);
    await restoreNode(node, target, {
      blobService: store.blobs,
      directoryService: store.directories,
      signal: context.signal,
    });
    return ExitCode.Done;
  },
};
