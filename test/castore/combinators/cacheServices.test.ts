/** What is particular to caches: what comes from far is near afterwards, whole or not at all. */
import { describe, expect, test } from 'vitest';
import { utf8 } from '../../../src/bytes.ts';
import { CacheBlobService } from '../../../src/castore/combinators/cacheBlobService.ts';
import { CacheDirectoryService } from '../../../src/castore/combinators/cacheDirectoryService.ts';
import { Digest } from '../../../src/castore/digest.ts';
import { Directory } from '../../../src/castore/directory.ts';
import { writeBlob } from '../../contracts/blobServiceContract.ts';
import { bytesOf, itemsOf } from '../../contracts/collect.ts';
import { noise } from '../../contracts/sampleBytes.ts';
import { outage, ProbedBlobService, ProbedDirectoryService } from './members.ts';

describe('CacheBlobService', () => {
  const open = () => {
    const near = new ProbedBlobService();
    const far = new ProbedBlobService();
    return { near, far, cache: new CacheBlobService({ near, far }) };
  };

  test('has near what was read to its end, and asks far no more', async () => {
    const { near, far, cache } = open();
    const bytes = noise(300_000);
    const digest = await writeBlob(far, bytes);
    expect(Buffer.compare(await bytesOf(await cache.read(digest)), bytes)).toBe(0);
    expect(await near.has(digest)).toBe(true);
    far.failure = outage('far');
    expect(Buffer.compare(await bytesOf(await cache.read(digest)), bytes)).toBe(0);
  });

  test('has not near what was left or failed in the middle', async () => {
    const { near, far, cache } = open();
    const digest = await writeBlob(far, noise(300_000));
    for await (const _ of (await cache.read(digest)) ?? []) break;
    expect(await near.has(digest)).toBe(false);
    far.readFailsAfter = 10;
    await expect(bytesOf(await cache.read(digest))).rejects.toMatchObject({
      code: 'UPSTREAM_FAILED',
    });
    expect(await near.has(digest)).toBe(false);
  });

  test('reads a part through', async () => {
    const { near, far, cache } = open();
    const bytes = noise(1000);
    const digest = await writeBlob(far, bytes);
    const part = await bytesOf(await cache.read(digest, { offset: 10, length: 5 }));
    expect(part).toEqual(bytes.subarray(10, 15));
    expect(await near.has(digest)).toBe(false);
  });

  test('takes the failure of far for no absence', async () => {
    const { far, cache } = open();
    far.failure = outage('far');
    const digest = Digest.of(utf8('x'));
    await expect(cache.has(digest)).rejects.toBe(far.failure);
    await expect(cache.read(digest)).rejects.toBe(far.failure);
    await expect(cache.stat(digest)).rejects.toBe(far.failure);
  });

  test('writes to near only', async () => {
    const { near, far, cache } = open();
    const digest = await writeBlob(cache, noise(10));
    expect(await near.has(digest)).toBe(true);
    expect(await far.has(digest)).toBe(false);
  });
});

describe('CacheDirectoryService', () => {
  const leaf = new Directory([]);
  const middle = new Directory([{ name: utf8('leaf'), node: leaf.node }]);
  const root = new Directory([
    { name: utf8('a'), node: middle.node },
    { name: utf8('b'), node: middle.node },
    { name: utf8('c'), node: leaf.node },
  ]);
  const open = async () => {
    const near = new ProbedDirectoryService();
    const far = new ProbedDirectoryService();
    await using putter = far.openPut();
    for (const directory of [leaf, middle, root]) await putter.put(directory);
    await putter.close();
    return { near, far, cache: new CacheDirectoryService({ near, far }) };
  };

  test('brings a directory near with all that is below it', async () => {
    const { near, far, cache } = await open();
    expect((await cache.get(root.digest))?.digest.hex).toBe(root.digest.hex);
    far.failure = outage('far');
    expect(await itemsOf(near.getRecursive(root.digest))).toHaveLength(3);
    expect(await itemsOf(cache.getRecursive(root.digest))).toHaveLength(3);
  });

  test('brings nothing near whose children cannot be had', async () => {
    const { near, far, cache } = await open();
    const get = far.get.bind(far);
    far.get = async (digest, options) =>
      digest.equals(leaf.digest) ? undefined : await get(digest, options);
    await expect(cache.get(root.digest)).rejects.toMatchObject({ code: 'DIRECTORY_MISSING' });
    expect(await near.get(root.digest)).toBeUndefined();
    expect(await near.get(middle.digest)).toBeUndefined();
  });

  test('brings near what a put refers to', async () => {
    const { near, cache } = await open();
    const above = new Directory([{ name: utf8('root'), node: root.node }]);
    await using putter = cache.openPut();
    await putter.put(above);
    await putter.close();
    expect(await itemsOf(near.getRecursive(above.digest))).toHaveLength(4);
  });
});
