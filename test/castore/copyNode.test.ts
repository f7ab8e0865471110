/** Copies bring exactly what is lacking, and nothing that is not what it should be. */
import { describe, expect, test } from 'vitest';
import { utf8 } from '../../src/bytes.ts';
import { copyNode } from '../../src/castore/copyNode.ts';
import { Digest } from '../../src/castore/digest.ts';
import { Directory, type DirectoryEntry } from '../../src/castore/directory.ts';
import { DirectoryNode, FileNode, SymlinkNode } from '../../src/castore/node.ts';
import { writeBlob } from '../contracts/blobServiceContract.ts';
import { itemsOf } from '../contracts/collect.ts';
import { noise } from '../contracts/sampleBytes.ts';
import { ProbedBlobService, ProbedDirectoryService } from './combinators/members.ts';

const castore = () => ({
  blobService: new ProbedBlobService(),
  directoryService: new ProbedDirectoryService(),
});

async function put(to: ReturnType<typeof castore>, entries: DirectoryEntry[]): Promise<Directory> {
  const directory = new Directory(entries);
  await using putter = to.directoryService.openPut();
  await putter.put(directory);
  await putter.close();
  return directory;
}

async function tree() {
  const from = castore();
  const digest = await writeBlob(from.blobService, noise(50_000));
  const file = new FileNode(digest, 50_000, false);
  const leaf = await put(from, [
    { name: utf8('file'), node: file },
    { name: utf8('link'), node: new SymlinkNode(utf8('file')) },
  ]);
  const root = await put(from, [
    { name: utf8('a'), node: leaf.node },
    { name: utf8('b'), node: leaf.node },
    { name: utf8('again'), node: file },
  ]);
  return { from, root, leaf, file };
}

describe('copyNode', () => {
  test('copies a tree', async () => {
    const { from, root, file } = await tree();
    const to = castore();
    await copyNode(root.node, { from, to });
    expect(await itemsOf(to.directoryService.getRecursive(root.digest))).toHaveLength(2);
    expect(await to.blobService.has(file.digest)).toBe(true);
  });

  test('copies a file, and a symlink that needs nothing', async () => {
    const { from, file } = await tree();
    const to = castore();
    await copyNode(file, { from, to });
    expect(await to.blobService.has(file.digest)).toBe(true);
    await copyNode(new SymlinkNode(utf8('x')), { from, to });
  });

  test('brings blobs below directories that are there already', async () => {
    const { from, root, leaf, file } = await tree();
    const to = castore();
    await put(to, [...leaf.entries]);
    await copyNode(root.node, { from, to });
    expect(await to.blobService.has(file.digest)).toBe(true);
  });

  test('asks for nothing that is there', async () => {
    const { from, root } = await tree();
    const to = castore();
    await copyNode(root.node, { from, to });
    const before = from.blobService.questions + from.directoryService.questions;
    await copyNode(root.node, { from, to });
    expect(from.blobService.questions + from.directoryService.questions).toBe(before);
  });

  test('goes through 64 directories that render to 2^64 files once each', async () => {
    const from = castore();
    let node = (await put(from, [])).node;
    for (let i = 0; i < 50; i++) {
      const twice = await put(from, [
        { name: utf8('a'), node },
        { name: utf8('b'), node },
      ]);
      node = twice.node;
    }
    const to = castore();
    await copyNode(node, { from, to });
    expect(await itemsOf(to.directoryService.getRecursive(node.digest))).toHaveLength(51);
    expect(from.directoryService.questions).toBeLessThan(200);
  });

  test.each([
    [
      'a missing blob',
      'BLOB_MISSING',
      (file: FileNode) => new FileNode(Digest.of(utf8('?')), 1, file.executable),
    ],
    [
      'a file that is longer than its node says',
      'NODE_INVALID',
      (file: FileNode) => new FileNode(file.digest, 49_999, false),
    ],
    [
      'a file that is shorter',
      'NODE_INVALID',
      (file: FileNode) => new FileNode(file.digest, 50_001, false),
    ],
  ])('refuses %s', async (_, code, lie) => {
    const { from, file } = await tree();
    const root = await put(from, [{ name: utf8('file'), node: lie(file) }]);
    const to = castore();
    await expect(copyNode(root.node, { from, to })).rejects.toMatchObject({ code });
    expect(await to.directoryService.get(root.digest)).toBeUndefined();
  });

  test('refuses directories of another size than their parents or the node say', async () => {
    const { from, leaf } = await tree();
    const lying = new DirectoryNode(leaf.digest, leaf.size + 1);
    const root = await put(from, [{ name: utf8('a'), node: lying }]);
    const to = castore();
    await expect(copyNode(root.node, { from, to })).rejects.toMatchObject({
      code: 'DIRECTORY_INVALID',
      facts: { field: 'size' },
    });
    await expect(copyNode(lying, { from, to })).rejects.toMatchObject({ code: 'NODE_INVALID' });
    expect(await to.directoryService.get(leaf.digest)).toBeUndefined();
  });

  test('refuses a directory that is met again under another size', async () => {
    const { from, leaf } = await tree();
    const root = await put(from, [
      { name: utf8('a'), node: leaf.node },
      { name: utf8('b'), node: new DirectoryNode(leaf.digest, leaf.size + 1) },
    ]);
    const to = castore();
    await expect(copyNode(root.node, { from, to })).rejects.toMatchObject({
      code: 'DIRECTORY_INVALID',
      facts: { field: 'size' },
    });
    expect(await to.directoryService.get(root.digest)).toBeUndefined();
  });

  test('takes no more than it may', async () => {
    const { from, root, leaf, file } = await tree();
    const needed = 50_000 + root.encode().length + leaf.encode().length;
    const to = castore();
    await expect(copyNode(root.node, { from, to, maxBytes: needed - 1 })).rejects.toMatchObject({
      code: 'LIMIT_EXCEEDED',
      facts: { limit: 'maxBytes' },
    });
    expect(from.blobService.questions).toBe(0);
    await copyNode(root.node, { from, to, maxBytes: needed });
    expect(await to.blobService.has(file.digest)).toBe(true);
    await copyNode(root.node, { from, to, maxBytes: 0 });
  });

  test('copies so many blobs at once as it may, and gives up the others after a failure', async () => {
    const from = castore();
    const files = Array.from({ length: 20 }, (_, i) => noise(100, i));
    const entries: DirectoryEntry[] = [];
    for (const [i, bytes] of files.entries()) {
      const node = new FileNode(await writeBlob(from.blobService, bytes), 100, false);
      entries.push({ name: utf8(`file ${i}`), node });
    }
    const root = await put(from, entries);
    const started = Promise.withResolvers<void>();
    let reads = 0;
    let given = 0;
    from.blobService.read = async (_digest, { signal } = {}) => {
      reads++;
      if (reads === 1) {
        await started.promise;
        throw new Error('gone');
      }
      if (reads === 3) started.resolve();
      // a peer that never answers
      await new Promise((_resolve, reject) => {
        signal?.addEventListener('abort', () => {
          given++;
          reject(signal.reason);
        });
      });
      return undefined;
    };
    const copying = copyNode(root.node, { from, to: castore(), blobsInFlight: 3 });
    await expect(copying).rejects.toThrow('gone');
    expect([reads, given]).toEqual([3, 2]);
  });

  test('rejects with the reason of an abort', async () => {
    const { from, root } = await tree();
    const abort = new AbortController();
    const reason = new Error('no longer wanted');
    from.blobService.read = async () => {
      abort.abort(reason);
      throw new Error('aborted inside');
    };
    const { signal } = abort;
    await expect(copyNode(root.node, { from, to: castore(), signal })).rejects.toBe(reason);
  });

  test('refuses another blob, and another directory, than was asked for', async () => {
    const { from, root } = await tree();
    const { read } = from.blobService;
    from.blobService.read = async () =>
      (async function* () {
        yield noise(50_000, 3);
      })();
    await expect(copyNode(root.node, { from, to: castore() })).rejects.toMatchObject({
      code: 'DIGEST_MISMATCH',
    });
    from.blobService.read = read;
    from.directoryService.get = async () => new Directory([]);
    await expect(copyNode(root.node, { from, to: castore() })).rejects.toMatchObject({
      code: 'DIGEST_MISMATCH',
    });
  });

  test('says what is missing', async () => {
    const node = new DirectoryNode(Digest.of(utf8('?')), 1);
    await expect(copyNode(node, { from: castore(), to: castore() })).rejects.toMatchObject({
      code: 'DIRECTORY_MISSING',
    });
  });
});
