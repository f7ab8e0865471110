import { request } from 'undici';
import { expect, test } from 'vitest';
import { pinnedClosurePath } from '../../src/cacheRoutes/pinnedClosureRoutes.ts';
import { serveStore } from '../../src/composition/serveStore.ts';
import { parseNarInfo } from '../../src/narinfo/parse.ts';
import { pathInfoOf } from '../contracts/pathInfos.ts';
import { temporaryStore } from '../store/temporaryStore.ts';

test('the current view is at /, and each variant under its closure digest', async () => {
  await using temporary = await temporaryStore();
  const { store } = temporary;
  const variants = ['first', 'second'].map((content) => pathInfoOf({ name: 'path', content }));
  const [first, second] = await store.pathInfos.putAll(variants);
  if (first === undefined || second === undefined) throw new Error('nothing was put');
  await using server = await serveStore(store, {});
  const file = `${first.storePath.hashPart}.narinfo`;
  const narHashAt = async (base: string) => {
    const { statusCode, body } = await request(`${server.url}${base}/${file}`);
    expect(statusCode).toBe(200);
    return parseNarInfo(await body.bytes()).narHash.toNixbase32();
  };
  const [firstHash, secondHash] = [first, second].map(({ claim }) => claim.narHash.toNixbase32());
  expect(firstHash).not.toBe(secondHash);
  expect(await narHashAt('')).toBe(firstHash);
  expect(await narHashAt(pinnedClosurePath(first.closureDigest))).toBe(firstHash);
  expect(await narHashAt(pinnedClosurePath(second.closureDigest))).toBe(secondHash);
});
