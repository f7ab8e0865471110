import {
  chmod,
  symlink as makeSymlink,
  mkdir,
  readdir,
  readFile,
  stat,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { utf8 } from '../../src/bytes.ts';
import { Digest } from '../../src/castore/digest.ts';
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

test('contents are complete', async () => {
  await using parent = await temporaryDirectory('restore');
  const services = memoryServices();
  const target = join(parent.path, 'target');
  await restore(await putTree(services, file('hello')), target, services);
  expect(await readFile(target, 'utf8')).toBe('hello');
});
