/** `narthex ls`: what lies in a directory of a path. */
import { displayBytes, EMPTY, jsonOfBytes } from '../bytes.ts';
import type { DirectoryEntry } from '../castore/directory.ts';
import type { Node } from '../castore/node.ts';
import { NarthexError } from '../errors.ts';
import { type Command, ExitCode } from './command.ts';
import { parsePlace, STORE_HELP, STORE_OPTION } from './options.ts';
import { nodeJson } from './pathInfoJson.ts';
import { openForReading, requirePlace } from './stored.ts';

/** The command. */
export const ls: Command = {
  name: 'ls',
  summary: 'list what lies in a store path, or in a directory of it',
  usage: '[--long] [--json] PATH[/NAME…]',
  help: [
    '  PATH          store path, base name or hash part',
    '  NAME          names as ls shows them: bytes that are not UTF-8 as \\xNN',
    '  --long, -l    with type (x: executable), size (of a directory all that is in it, counted)',
    '                and the targets of symlinks',
    STORE_HELP,
    '  --json        an array of objects; names that are not UTF-8 as {"base64": …}',
  ].join('\n'),
  options: { ...STORE_OPTION, long: { type: 'boolean', short: 'l' } },

  async run(context, values, positionals) {
    const [argument, ...others] = positionals;
    if (argument === undefined || others.length > 0) {
      throw new NarthexError('USAGE', `one place is needed, ${positionals.length} are given`);
    }
    const place = parsePlace(argument);
    await using store = await openForReading(values, context);
    const { node, shown } = await requirePlace(store, place, context.signal);
    let entries: readonly DirectoryEntry[] = [{ name: EMPTY, node }];
    if (node.type === 'directory') {
      const directory = await store.directories.get(node.digest, { signal: context.signal });
      if (directory === undefined) {
        throw new NarthexError('DIRECTORY_MISSING', `${shown}: its directory is gone`, {
          digest: String(node.digest),
        });
      }
      entries = directory.entries;
    }
    const { stdout } = context;
    if (values['json'] === true) {
      const json = entries.map((entry) => ({
        name: jsonOfBytes(entry.name),
        ...nodeJson(entry.node),
      }));
      stdout.write(`${JSON.stringify(json, undefined, 2)}\n`);
      return ExitCode.Done;
    }
    for (const entry of entries) {
      const name = entry.name.length === 0 ? shown : displayBytes(entry.name);
      stdout.write(values['long'] === true ? longLine(name, entry.node) : `${name}\n`);
    }
    return ExitCode.Done;
  },
};

const SIZE_WIDTH = 12;

function longLine(name: string, node: Node): string {
  switch (node.type) {
    case 'directory':
      return `d ${String(node.size).padStart(SIZE_WIDTH)} ${name}/\n`;
    case 'file':
      return `${node.executable ? 'x' : '-'} ${String(node.size).padStart(SIZE_WIDTH)} ${name}\n`;
    case 'symlink':
      return `l ${' '.repeat(SIZE_WIDTH)} ${name} -> ${displayBytes(node.target)}\n`;
  }
}
