/** Side by side with real Nix: what it dumps, and what it accepts. */
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { displayBytes } from '../../src/bytes.ts';
import { readNar, writeNar } from '../../src/nar/events.ts';
import { describeWithNix, isolatedNix } from '../support/realNix.ts';
import {
  directory,
  encodeNar,
  executable,
  file,
  symlink as link,
  unsortedDirectory,
} from '../support/syntheticTree.ts';
import { temporaryDirectory } from '../support/temporaryDirectory.ts';
import { traceNar } from './trace.ts';

/** Names that trap parsers: `/` joins them to paths, so they must be bytes all along. */
const ODD = directory([
  [')', file('paren')],
  ['(', directory([['type', executable('#!/bin/sh\n')]])],
  ['__proto__', file('')],
  ['dangling', link('/nowhere/at all')],
  ['empty', directory()],
  ['node', directory([['node', directory([['node', file('x'.repeat(10_000))]])]])],
  ['\ue000', file('below in bytes, above in UTF-16')],
  ['\u{1f980}', link('é')],
  [Uint8Array.of(0x80), file(Uint8Array.of(0, 1, 2, 255))],
  [Uint8Array.of(0xff, 0xfe), link(Uint8Array.of(0xed, 0xa0, 0x80))],
]);

/** Runs a shell line with Nix's commands; `$1` and so on are `args`. */
const shell = (line: string, ...args: string[]) => ['-euc', line, 'sh', ...args];

describeWithNix('real Nix', () => {
  it('dumps a tree as the trace says', async () => {
    await using nix = await isolatedNix();
    await using temporary = await temporaryDirectory();
    const tree = join(temporary.path, 'tree');
    await mkdir(join(tree, 'bin'), { recursive: true });
    await writeFile(join(tree, 'bin', 'run'), '#!/bin/sh\n', { mode: 0o755 });
    await writeFile(join(tree, 'README'), 'read me');
    await writeFile(join(tree, 'a'), '');
    await symlink('../README', join(tree, 'bin', 'readme'));
    const dumped = join(temporary.path, 'nar');
    await nix.run(shell('nix-store --dump "$1" > "$2"', tree, dumped), { program: 'sh' });
    expect(traceNar(await readFile(dumped))).toEqual({
      lines: [
        'directory ""',
        'file "README" 7',
        'data "read me"',
        'fileEnd',
        'file "a" 0',
        'fileEnd',
        'directory "bin"',
        'symlink "readme" -> "../README"',
        'file "run" 10 executable',
        'data "#!/bin/sh\\x0a"',
        'fileEnd',
        'directoryEnd',
        'directoryEnd',
      ],
      error: undefined,
    });
  });

  it('restores what we write, and dumps it again as the same bytes', async () => {
    await using nix = await isolatedNix();
    await using temporary = await temporaryDirectory();
    const inside = (name: string) => join(temporary.path, name);
    const [nar, tree, again] = [inside('nar'), inside('tree'), inside('again')];
    const parts = await Array.fromAsync(writeNar(readNar(ReadableStream.from([encodeNar(ODD)]))));
    await writeFile(nar, Buffer.concat(parts));
    const line = 'nix-store --restore "$2" < "$1"; nix-store --dump "$2" > "$3"';
    await nix.run(shell(line, nar, tree, again), { program: 'sh' });
    expect(displayBytes(await readFile(again))).toBe(displayBytes(encodeNar(ODD)));
  });

  // names out of order are missing here: Nix 2.8 forgets the previous name and takes them, 2.36 does not
  // biome-ignore format: a row a line
  it.each([
    ['a name twice', unsortedDirectory([['a', file('')], ['a', file('')]])],
    ['a slash in a name', unsortedDirectory([['a/b', file('')]])],
    ['the name ..', unsortedDirectory([['..', file('')]])],
    ['an empty name', unsortedDirectory([['', file('')]])],
    ['the name .', unsortedDirectory([['.', file('')]])],
  ])('refuses, as we do, %s', async (_name, tree) => {
    await using nix = await isolatedNix();
    await using temporary = await temporaryDirectory();
    const nar = join(temporary.path, 'nar');
    await writeFile(nar, encodeNar(tree));
    const restore = shell('nix-store --restore "$2" < "$1"', nar, join(temporary.path, 'tree'));
    expect((await nix.run(restore, { program: 'sh', mayFail: true })).status).not.toBe(0);
    expect(traceNar(encodeNar(tree)).error?.code).toBe('NAR_INVALID');
  });
});
