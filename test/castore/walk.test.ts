import { expect, test } from 'vitest';
import { utf8 } from '../../src/bytes.ts';
import { Digest } from '../../src/castore/digest.ts';
import { Directory } from '../../src/castore/directory.ts';
import { MemoryDirectoryService } from '../../src/castore/memoryDirectoryService.ts';
import { DirectoryNode, SymlinkNode } from '../../src/castore/node.ts';
import { walkDirectories } from '../../src/castore/walk.ts';
import { itemsOf } from '../contracts/collect.ts';
import { directoryOf, putDirectories } from '../contracts/directoryServiceContract.ts';

/** A directory, above it one that holds it twice, and so on: renders to 2^levels files. */
function doubling(levels: number): Directory[] {
  const directories = [directoryOf({ leaf: new SymlinkNode(utf8('x')) })];
  for (let level = 0; level < levels; level++) {
    const below = directories.at(-1);
    if (below === undefined) break;
    // true sizes would pass 2^53
    const node = new DirectoryNode(below.digest, 1);
    directories.push(directoryOf({ a: node, b: node }));
  }
  return directories;
}

test('a DAG that renders to 2^64 files is walked once', async () => {
  const service = new MemoryDirectoryService();
  const directories = doubling(64);
  await putDirectories(service, directories);
  const root = directories.at(-1)?.digest ?? Digest.of(utf8(''));
  const walked = await itemsOf(walkDirectories(service, root));
  expect(walked.map(({ digest }) => digest.hex)).toEqual(
    directories.map(({ digest }) => digest.hex).reverse(),
  );
});

test('a tree 20,000 deep is walked without recursion', async () => {
  const service = new MemoryDirectoryService();
  let directory = new Directory([]);
  await using putter = service.openPut();
  await putter.put(directory);
  for (let depth = 0; depth < 20_000; depth++) {
    directory = directoryOf({ d: directory.node });
    await putter.put(directory);
  }
  await putter.close();
  expect(await itemsOf(walkDirectories(service, directory.digest))).toHaveLength(20_001);
});

test('a missing directory is an error with its referrer, a missing root is nothing', async () => {
  const leaf = directoryOf({});
  const root = directoryOf({ leaf: leaf.node });
  const only = { get: async (digest: Digest) => (digest.equals(root.digest) ? root : undefined) };
  expect(await itemsOf(walkDirectories(only, leaf.digest))).toEqual([]);
  await expect(itemsOf(walkDirectories(only, root.digest))).rejects.toMatchObject({
    code: 'DIRECTORY_MISSING',
    facts: { digest: String(leaf.digest), referrer: String(root.digest) },
  });
});

test('stops between directories when it is aborted', async () => {
  const service = new MemoryDirectoryService();
  const directories = doubling(5);
  await putDirectories(service, directories);
  const abort = new AbortController();
  const root = directories.at(-1)?.digest ?? Digest.of(utf8(''));
  let walked = 0;
  const walking = async () => {
    for await (const _ of walkDirectories(service, root, { signal: abort.signal })) {
      if (++walked === 2) abort.abort(new Error('enough'));
    }
  };
  await expect(walking()).rejects.toThrow('enough');
  expect(walked).toBe(2);
});
