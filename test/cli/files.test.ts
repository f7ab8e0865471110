/** `narthex ls`, `cat`, `nar` and `restore`: what lies in store paths, byte for byte. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { JsonBytes } from '../../src/bytes.ts';
import { fixtureCli, type TemporaryCli } from '../support/cli.ts';
import { eachOf } from '../support/eachOf.ts';
import { type FileTree, readFileTree } from '../support/fileTree.ts';
import { fixtureCache } from '../support/fixtureCache.ts';
import { sha256Field } from '../support/nixbase32.ts';

let cli: TemporaryCli;
beforeAll(async () => {
  cli = await fixtureCli();
});
afterAll(() => cli[Symbol.asyncDispose]());

const pathOf = (name: string) => fixtureCache.path(name).storePath;
const ODD_NAMES = pathOf('odd-names-1.0');
const ODD_NODES = pathOf('odd-nodes-1.0');
const SYMLINK = pathOf('single-symlink');
const FILE = pathOf('single-file');
const NOT_THERE = `/nix/store/${'0'.repeat(32)}-not-there`;

/** What lies at a place of a path of the fixture. */
function treeAt(storePath: string, ...names: string[]): FileTree {
  let tree = fixtureCache.paths.find((path) => path.storePath === storePath)?.tree;
  for (const name of names) {
    if (tree?.type !== 'directory') break;
    tree = tree.entries.find(([entry]) => entry === name)?.[1];
  }
  if (tree === undefined) throw new Error(`the fixture has no ${storePath}/${names.join('/')}`);
  return tree;
}

/** What `ls --json` says of an entry; sizes of directories and digests are not in the fixture. */
function listed(name: JsonBytes, tree: FileTree): object {
  if (tree.type === 'symlink') return { name, type: 'symlink', target: tree.target };
  const digest = expect.stringMatching(/^blake3-/);
  if (tree.type === 'directory')
    return { name, type: 'directory', digest, size: expect.any(Number) };
  return { name, type: 'file', digest, size: tree.size, executable: tree.executable };
}

describe('ls', () => {
  test.each([
    ['names that are not UTF-8', 'not-utf8'],
    ['names that terminals and shells take for something else', 'text'],
    ['names that objects have already', 'javascript'],
    ['names that sort otherwise in UTF-16', 'unicode'],
    ['words of the NAR grammar', 'grammar'],
  ])('%s: --json has all entries as they are', async (_, folder) => {
    const { exitCode, stdout } = await cli.run(['ls', '--json', `${ODD_NAMES}/${folder}`]);
    const tree = treeAt(ODD_NAMES, folder);
    if (tree.type !== 'directory') throw new Error('not a directory');
    expect({ exitCode, entries: JSON.parse(stdout) }).toEqual({
      exitCode: 0,
      entries: tree.entries.map(([name, entry]) => listed(name, entry)),
    });
  });

  test('names are one line each, whatever is in them', async () => {
    const { stdout } = await cli.run(['ls', `${ODD_NAMES}/not-utf8`]);
    expect(stdout.split('\n')).toEqual(expect.arrayContaining(['caf\\xe9', 'dir\\xfe', '\\xff']));
    const { stdout: text } = await cli.run(['ls', `${ODD_NAMES}/text`]);
    expect(text.split('\n')).toEqual(
      expect.arrayContaining(['line\\x0abreak', 'escape\\x1b[31m', '\\x5cn', ' space first']),
    );
  });

  test('-l: types, sizes, targets', async () => {
    const { stdout } = await cli.run(['ls', '-l', ODD_NODES]);
    expect(stdout.split('\n')).toEqual(
      expect.arrayContaining([
        'd           61 deep/',
        '-            0 empty',
        '-       300000 zeros',
        'd            0 nothing/',
      ]),
    );
    const { stdout: executables } = await cli.run(['ls', '--long', `${ODD_NODES}/executable`]);
    expect(executables).toMatch(/^x +\d+ \S/m);
  });

  test.each<[what: string, place: string, lines: string[]]>([
    ['a file as the whole path', FILE, [`-           14 ${FILE}`]],
    ['a symlink as the whole path', SYMLINK, [`l              ${SYMLINK} -> ${FILE}`]],
    ['a file inside', `${ODD_NODES}/empty`, [`-            0 ${ODD_NODES}/empty`]],
    ['an empty directory', pathOf('empty-directory'), []],
    ['slashes and dots that say nothing', `${ODD_NODES}//./nothing/`, []],
  ])('%s', async (_, place, lines) => {
    const { exitCode, stdout } = await cli.run(['ls', '-l', place]);
    expect({ exitCode, lines: stdout.split('\n').slice(0, -1) }).toEqual({ exitCode: 0, lines });
  });

  test.each<[what: string, place: string, error: string]>([
    [
      'no path',
      NOT_THERE,
      `${NOT_THERE} is not in the store; narthex mirror brings it in [PATH_NOT_FOUND]`,
    ],
    ['no file', `${ODD_NODES}/no/such`, `there is no ${ODD_NODES}/no [FILE_NOT_FOUND]`],
    ['no way up', `${ODD_NODES}/deep/..`, `there is no ${ODD_NODES}/deep/.. [FILE_NOT_FOUND]`],
    ['in a file', `${FILE}/x`, `${FILE} is a file [NOT_A_DIRECTORY]`],
    [
      'through a symlink',
      `${SYMLINK}/x`,
      `${SYMLINK} is a symlink to ${FILE}, which is not followed [NOT_A_DIRECTORY]`,
    ],
  ])('%s', async (_, place, error) => {
    const { exitCode, stdout, stderr } = await cli.run(['ls', place]);
    expect({ exitCode, stdout, stderr }).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: `narthex: ${error}\n`,
    });
  });
});

describe('restore', () => {
  let target: string;
  beforeAll(async () => {
    target = join(cli.directory, 'restored');
    await mkdir(target);
    const runs = await eachOf(fixtureCache.closure, (path) =>
      cli.run(['restore', path, restoredAt(path)]),
    );
    for (const { exitCode, stdout, stderr } of runs) {
      expect({ exitCode, stdout, stderr }).toEqual({ exitCode: 0, stdout: '', stderr: '' });
    }
  });
  const restoredAt = (path: string) => join(target, path.slice('/nix/store/'.length));

  test.each(fixtureCache.paths)('$storePath', async ({ storePath, tree }) => {
    expect(await readFileTree(restoredAt(storePath))).toEqual(tree);
  });

  test('what is inside a path', async () => {
    const directory = join(cli.directory, 'not-utf8');
    await cli.run(['restore', `${ODD_NAMES}/not-utf8`, 'not-utf8']);
    expect(await readFileTree(directory)).toEqual(treeAt(ODD_NAMES, 'not-utf8'));
    const file = join(cli.directory, 'caf');
    await cli.run(['restore', `${ODD_NAMES}/not-utf8/caf\\xe9`, file]);
    expect(await readFileTree(file)).toMatchObject({ type: 'regular', size: 5 });
  });

  test('nothing that is there is touched', async () => {
    const file = join(cli.directory, 'mine');
    await writeFile(file, 'mine');
    const before = await readdir(cli.directory);
    const { exitCode, stderr } = await cli.run(['restore', FILE, file]);
    expect({ exitCode, stderr }).toEqual({
      exitCode: 1,
      stderr: `narthex: ${file} could not be written: something is there already [RESTORE_FAILED]\n`,
    });
    expect(await readFile(file, 'utf8')).toBe('mine');
    expect(await readdir(cli.directory)).toEqual(before);
  });

  test('a directory that is not there is not made', async () => {
    const { exitCode, stderr } = await cli.run(['restore', FILE, 'no/such']);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/ENOENT.* \[RESTORE_FAILED\]\n$/);
  });

  describe('cat', () => {
    test.each(['not-utf8', 'text', 'javascript', 'unicode', 'grammar'])(
      'takes every name of %s as ls prints it',
      async (folder) => {
        const { stdout } = await cli.run(['ls', '-l', `${ODD_NAMES}/${folder}`]);
        const lines = stdout.split('\n').filter((line) => line.startsWith('-'));
        const names = lines.map((line) => line.slice('-            0 '.length));
        const files = await readdir(join(restoredAt(ODD_NAMES), folder), {
          encoding: 'buffer',
          withFileTypes: true,
        });
        const contents = files
          .filter((entry) => entry.isFile())
          .map(({ name }) => name)
          .sort(Buffer.compare)
          .map((name) =>
            readFile(Buffer.concat([Buffer.from(`${restoredAt(ODD_NAMES)}/${folder}/`), name])),
          );
        const printed = await cli.run([
          'cat',
          ...names.map((name) => `${ODD_NAMES}/${folder}/${name}`),
        ]);
        expect(printed.exitCode).toBe(0);
        expect(names.length).toBeGreaterThan(5);
        expect(printed.stdoutBytes.equals(Buffer.concat(await Promise.all(contents)))).toBe(true);
      },
    );

    test('a file of many chunks, twice', async () => {
      const large = pathOf('large-1.0');
      const [file = ''] = (
        await readdir(restoredAt(large), { recursive: true, withFileTypes: true })
      )
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(restoredAt(large).length));
      const expected = await readFile(restoredAt(large) + file);
      expect(expected.length).toBeGreaterThan(600_000);
      const { stdoutBytes } = await cli.run(['cat', large + file, large + file]);
      expect(stdoutBytes.equals(Buffer.concat([expected, expected]))).toBe(true);
    });
  });
});

describe('cat', () => {
  test.each<[what: string, place: string, error: string]>([
    ['a directory', `${ODD_NODES}/deep`, `${ODD_NODES}/deep is a directory [NOT_A_FILE]`],
    [
      'a symlink',
      SYMLINK,
      `${SYMLINK} is a symlink to ${FILE}, which is not followed [NOT_A_FILE]`,
    ],
    ['no file', `${FILE}x`, `${FILE}x is not in the store, but ${FILE} is [PATH_NOT_FOUND]`],
  ])('%s', async (_, place, error) => {
    const { exitCode, stdout, stderr } = await cli.run(['cat', place]);
    expect({ exitCode, stdout, stderr }).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: `narthex: ${error}\n`,
    });
  });

  test('writes what comes before the one that fails', async () => {
    const { exitCode, stdout } = await cli.run(['cat', FILE, `${ODD_NODES}/no`]);
    expect(exitCode).toBe(1);
    expect(stdout).toBe('a single file\n');
  });
});

describe('nar', () => {
  test('the NAR of every path hashes to its NarHash', async () => {
    const runs = await eachOf(fixtureCache.closure, (path) => cli.run(['nar', path]));
    const hashes = runs.map(({ stdoutBytes }) => sha256Field(stdoutBytes));
    expect(hashes).toEqual(fixtureCache.paths.map(({ narHash }) => narHash));
  });
});
