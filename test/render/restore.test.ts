import {
  chmod,
  symlink as makeSymlink,
  mkdir,
  readdir,
  readFile,
  rename,
  stat,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { utf8 } from '../../src/bytes.ts';
import { Digest } from '../../src/castore/digest.ts';
import { Directory } from '../../src/castore/directory.ts';
import { FileNode } from '../../src/castore/node.ts';
import { DEFAULT_LIMITS } from '../../src/limits.ts';
import { restore } from '../../src/render/restore.ts';
import { readFileTree } from '../support/fileTree.ts';
import {
  directory,
  executable,
  file,
  fileTreeOf,
  type SyntheticTree,
  symlink,
} from '../support/syntheticTree.ts';
import { temporaryDirectory } from '../support/temporaryDirectory.ts';
import { arbitraryTree } from './arbitraryTree.ts';
import { memoryServices, putDirectory, putDoublingDag, putTree } from './castoreTree.ts';

const TREES: readonly (readonly [name: string, tree: SyntheticTree])[] = [
  ['a file', file('hello')],
  ['an empty file', file('')],
  ['an executable', executable('#!/bin/sh\n')],
  ['a dangling symlink', symlink('../nowhere')],
  ['an empty directory', directory()],
  [
    'a symlink out of the tree and a name that would follow it',
    directory({ a: symlink('/'), b: directory({ a: file('x') }) }),
  ],
  [
    'names that are not UTF-8',
    directory([
      [Uint8Array.of(0xff, 0xfe), directory([[Uint8Array.of(0x80), symlink(Uint8Array.of(0xfd))]])],
    ]),
  ],
  ['contents longer than any buffer', file(Buffer.alloc(1_000_000, 'x'))],
];

describe('restore', () => {
  test.each(TREES)('%s', async (_, tree) => {
    await using parent = await temporaryDirectory('restore');
    const services = memoryServices();
    const target = join(parent.path, 'target');
    await restore(await putTree(services, tree), target, services);
    expect(await readFileTree(target)).toEqual(fileTreeOf(tree));
    expect(await readdir(parent.path)).toEqual(['target']);
  });

  test('random trees', async () => {
    await using parent = await temporaryDirectory('restore');
    let run = 0;
    await fc.assert(
      fc.asyncProperty(arbitraryTree, async (tree) => {
        const services = memoryServices();
        const target = join(parent.path, String(run++));
        await restore(await putTree(services, tree), target, services);
        expect(await readFileTree(target)).toEqual(fileTreeOf(tree));
      }),
      { numRuns: 50 },
    );
  });

  test('modes are those of new files: the umask is heeded, the owner may write', async () => {
    await using parent = await temporaryDirectory('restore');
    const services = memoryServices();
    const node = await putTree(services, directory({ a: file(''), b: executable('') }));
    const target = join(parent.path, 'target');
    await restore(node, target, services);
    await mkdir(join(parent.path, 'directory'));
    await writeFile(join(parent.path, 'file'), '');
    const mode = async (...path: string[]) => (await stat(join(parent.path, ...path))).mode;
    expect(await mode('target')).toBe(await mode('directory'));
    expect(await mode('target', 'a')).toBe(await mode('file'));
    expect((await mode('target', 'b')) & 0o777).toBe((await mode('directory')) & 0o777);
  });

  test('a target given as bytes, with slashes at its end', async () => {
    await using parent = await temporaryDirectory('restore');
    const services = memoryServices();
    const name = Uint8Array.of(0xff);
    const target = Buffer.concat([utf8(`${parent.path}/`), name, utf8('//')]);
    await restore(await putTree(services, file('x')), target, services);
    expect(await readdir(parent.path, { encoding: 'buffer' })).toEqual([Buffer.from(name)]);
  });
});

describe('restore leaves alone what is there', () => {
  test.each([
    ['a file', (path: string) => writeFile(path, 'mine')],
    ['an empty directory', (path: string) => mkdir(path)],
    ['a dangling symlink', (path: string) => makeSymlink('nowhere', path)],
  ])('%s', async (_, make) => {
    await using parent = await temporaryDirectory('restore');
    const services = memoryServices();
    const target = join(parent.path, 'target');
    await make(target);
    const before = await readFileTree(parent.path);
    const node = await putTree(services, directory({ a: file('theirs') }));
    await expect(restore(node, target, services)).rejects.toMatchObject({
      code: 'RESTORE_FAILED',
      facts: { target, systemCode: 'EEXIST' },
    });
    expect(await readFileTree(parent.path)).toEqual(before);
  });
});

describe('restore leaves nothing behind when it fails', () => {
  test('a missing blob, after other files were written', async () => {
    await using parent = await temporaryDirectory('restore');
    const services = memoryServices();
    const absent = Digest.of(utf8('nobody wrote this'));
    const node = await putDirectory(services.directoryService, [
      [utf8('a'), await putTree(services, directory([[Uint8Array.of(0xff), file('x')]]))],
      [utf8('gone'), new FileNode(absent, 3, false)],
    ]);
    await expect(restore(node, join(parent.path, 'target'), services)).rejects.toMatchObject({
      code: 'BLOB_MISSING',
      facts: { path: '/gone' },
    });
    expect(await readdir(parent.path)).toEqual([]);
  });

  test('a path that is too long for the file system', async () => {
    await using parent = await temporaryDirectory('restore');
    const services = memoryServices();
    let tree = directory();
    for (let level = 0; level < 20; level++) tree = directory([['n'.repeat(255), tree]]);
    const target = join(parent.path, 'target');
    await expect(restore(await putTree(services, tree), target, services)).rejects.toMatchObject({
      code: 'RESTORE_FAILED',
      facts: { target, systemCode: 'ENAMETOOLONG' },
    });
    expect(await readdir(parent.path)).toEqual([]);
  });

  test('an abort', async () => {
    await using parent = await temporaryDirectory('restore');
    const services = memoryServices();
    const node = await putTree(services, directory({ a: file('x'), b: file('y') }));
    const controller = new AbortController();
    const reason = new Error('enough');
    const blobService = {
      async read(...args: Parameters<typeof services.blobService.read>) {
        controller.abort(reason);
        return services.blobService.read(args[0]);
      },
    };
    const restoring = restore(node, join(parent.path, 'target'), {
      ...services,
      blobService,
      signal: controller.signal,
    });
    await expect(restoring).rejects.toBe(reason);
    expect(await readdir(parent.path)).toEqual([]);
  });

  test('a tree beyond the limits is refused before anything is written', async () => {
    await using parent = await temporaryDirectory('restore');
    await chmod(parent.path, 0o500);
    const services = memoryServices();
    const node = await putDoublingDag(services, 10);
    const limits = { ...DEFAULT_LIMITS, narEntries: 1000 };
    await expect(
      restore(node, join(parent.path, 'target'), { ...services, limits }),
    ).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED', facts: { limit: 'narEntries' } });
    expect(await readdir(parent.path)).toEqual([]);
  });

  test('a directory to lie in that is not there', async () => {
    await using parent = await temporaryDirectory('restore');
    const services = memoryServices();
    const target = join(parent.path, 'missing', 'target');
    await expect(
      restore(await putTree(services, file('x')), target, services),
    ).rejects.toMatchObject({ code: 'RESTORE_FAILED', facts: { systemCode: 'ENOENT' } });
  });
});

describe('restore stays where it is told to write', () => {
  /** Restores a tree; `meddle` is called between its first file and the rest. */
  async function meddledWith(
    parent: string,
    tree: SyntheticTree,
    meddle: (temporary: string) => Promise<void>,
  ): Promise<unknown> {
    const services = memoryServices();
    const node = await putTree(services, tree);
    let meddled = false;
    const blobService = {
      async read(...args: Parameters<typeof services.blobService.read>) {
        if (!meddled) {
          meddled = true;
          const [name = ''] = (await readdir(parent)).filter((one) => one.startsWith('.narthex'));
          await meddle(join(parent, name));
        }
        return services.blobService.read(args[0]);
      },
    };
    const restoring = restore(node, join(parent, 'target'), { ...services, blobService });
    return await restoring.catch((error: unknown) => error);
  }

  const TREE = directory({ a: file('x'), b: directory({ passwd: file('evil') }), c: file('y') });

  test.runIf(process.platform === 'linux')(
    'when a symlink is put in the place of what it works in',
    async () => {
      await using parent = await temporaryDirectory('restore');
      await using victim = await temporaryDirectory('victim');
      await mkdir(join(victim.path, 'root'));
      const outcome = await meddledWith(parent.path, TREE, async (temporary) => {
        await rename(temporary, `${temporary}-away`);
        await makeSymlink(victim.path, temporary);
      });
      expect(outcome).toMatchObject({ code: 'RESTORE_FAILED' });
      expect(await readdir(victim.path, { recursive: true })).toEqual(['root']);
    },
  );

  test('when a symlink is put at the target meanwhile', async () => {
    await using parent = await temporaryDirectory('restore');
    await using victim = await temporaryDirectory('victim');
    const outcome = await meddledWith(parent.path, TREE, () =>
      makeSymlink(victim.path, join(parent.path, 'target')),
    );
    expect(outcome).toMatchObject({ code: 'RESTORE_FAILED', facts: { systemCode: 'EEXIST' } });
    expect(await readdir(victim.path)).toEqual([]);
    expect(await readdir(parent.path)).toEqual(['target']);
  });

  test('and nobody else may look at it before it is complete', async () => {
    await using parent = await temporaryDirectory('restore');
    let mode = 0;
    await meddledWith(parent.path, TREE, async (temporary) => {
      mode = (await stat(temporary)).mode & 0o777;
    });
    expect(mode).toBe(0o700);
  });

  test.each(['..', '.', '', 'a/b', '/etc/passwd', 'a\0b'])(
    'for no directory holds the name %j',
    async (name) => {
      const services = memoryServices();
      const node = await putTree(services, file('x'));
      await expect(
        putDirectory(services.directoryService, [[utf8(name), node]]),
      ).rejects.toMatchObject({ code: 'NODE_INVALID' });
    },
  );
});

test.each([
  ['a symlink and a directory', symlink('/tmp'), directory({ x: file('x') })],
  ['a symlink and a file', symlink('/tmp/x'), file('x')],
  ['two directories', directory({ x: file('x') }), directory({ y: file('y') })],
  ['a file and a file', file('x'), file('y')],
])('two names that a file system takes for one: %s', async (_, first, second) => {
  await using parent = await temporaryDirectory('restore');
  const services = memoryServices();
  const nodes = [await putTree(services, first), await putTree(services, second)];
  const root = await putTree(services, directory({ a: first, b: second }));
  if (root.type !== 'directory') throw new Error('it is one');
  // what `A` and `a` are to a file system without regard to case, the same name is to every one: no
  // Directory holds a name twice, so this one is put together past its constructor
  const entries = nodes.map((node) => ({ name: utf8('a'), node }));
  const folded: Directory = Object.assign(Object.create(Directory.prototype), { entries, size: 3 });
  const directoryService = {
    get: async (...args: Parameters<typeof services.directoryService.get>) =>
      args[0].equals(root.digest) ? folded : services.directoryService.get(...args),
  };
  const restoring = restore(root, join(parent.path, 'target'), { ...services, directoryService });
  await expect(restoring).rejects.toMatchObject({
    code: 'RESTORE_FAILED',
    facts: { systemCode: 'EEXIST', path: '/a' },
  });
  expect(await readdir(parent.path)).toEqual([]);
});

test('contents are complete', async () => {
  await using parent = await temporaryDirectory('restore');
  const services = memoryServices();
  const target = join(parent.path, 'target');
  await restore(await putTree(services, file('hello')), target, services);
  expect(await readFile(target, 'utf8')).toBe('hello');
});
