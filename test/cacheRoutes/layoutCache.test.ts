import { expect, test } from 'vitest';
import { LayoutCache } from '../../src/cacheRoutes/layoutCache.ts';
import type { Digest } from '../../src/castore/digest.ts';
import { memoryServices, putTree } from '../render/castoreTree.ts';
import { directory, file, nested } from '../support/syntheticTree.ts';

async function countingCache(maxDirectories: number) {
  const services = memoryServices();
  let gets = 0;
  const source = {
    get(digest: Digest) {
      gets += 1;
      return services.directoryService.get(digest);
    },
  };
  const cache = new LayoutCache(source, undefined, maxDirectories);
  return { services, cache, gets: () => gets };
}

test('a layout is made once', async () => {
  const { services, cache, gets } = await countingCache(10);
  const node = await putTree(services, nested(3, file('x')));
  const layout = await cache.layoutOf(node);
  expect(gets()).toBe(3);
  expect(await cache.layoutOf(node)).toBe(layout);
  expect(gets()).toBe(3);
});

test('the one that was not used for longest goes first', async () => {
  const { services, cache } = await countingCache(5);
  const a = await putTree(services, nested(2, file('a')));
  const b = await putTree(services, nested(2, file('b')));
  const c = await putTree(services, nested(2, file('c')));
  const [layoutA, layoutB] = [await cache.layoutOf(a), await cache.layoutOf(b)];
  await cache.layoutOf(a);
  await cache.layoutOf(c);
  expect(await cache.layoutOf(a)).toBe(layoutA);
  expect(await cache.layoutOf(b)).not.toBe(layoutB);
});

test('one that is larger than the cache is made and not kept', async () => {
  const { services, cache } = await countingCache(5);
  const node = await putTree(services, nested(6, file('x')));
  const layout = await cache.layoutOf(node);
  expect(await cache.layoutOf(node)).not.toBe(layout);
});

test('files need none', async () => {
  const { services, cache, gets } = await countingCache(5);
  const layout = await cache.layoutOf(await putTree(services, file('x')));
  expect(layout.entryCount).toBe(1);
  expect(gets()).toBe(0);
  expect((await cache.layoutOf(await putTree(services, directory()))).entryCount).toBe(1);
});
