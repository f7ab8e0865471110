/** What is particular to a cache: whole closures come near, once, and only absence is remembered. */
import { describe, expect, test } from 'vitest';
import { NarthexError } from '../../../src/errors.ts';
import type { CopyContent } from '../../../src/pathinfo/combinators/bringClosure.ts';
import { CachePathInfoService } from '../../../src/pathinfo/combinators/cachePathInfoService.ts';
import { MemoryPathInfoService } from '../../../src/pathinfo/memoryPathInfoService.ts';
import type { PathInfo } from '../../../src/pathinfo/pathInfo.ts';
import {
  IngestContext,
  type PathInfoOptions,
  type PathInfoService,
} from '../../../src/pathinfo/pathInfoService.ts';
import { itemsOf } from '../../contracts/collect.ts';
import { pathInfoOf, plain, storePathOf } from '../../contracts/pathInfos.ts';
import { ProbedPathInfoService } from './members.ts';

const libc = pathInfoOf({ name: 'libc', selfReferring: true });
const zlib = pathInfoOf({ name: 'zlib', references: [libc] });
const png = pathInfoOf({ name: 'png', references: [zlib, libc] });
const app = pathInfoOf({ name: 'app', references: [png, zlib], selfReferring: true });
const CLOSURE = [libc, zlib, png, app];

interface Setting {
  readonly negativeTtlMs?: number;
  readonly far?: readonly PathInfo[];
  readonly copyContent?: CopyContent;
}

async function setUp({ negativeTtlMs, far: kept = CLOSURE, copyContent }: Setting = {}) {
  const near = new MemoryPathInfoService();
  const far = new ProbedPathInfoService();
  await far.putAll(kept);
  const clock = { now: 0 };
  const cache = new CachePathInfoService({
    near,
    far,
    negativeTtlMs,
    copyContent,
    now: () => clock.now,
  });
  return { near, far, cache, clock };
}

const { digest } = app.storePath;
const failure = new NarthexError('SIGNATURE_MISMATCH', 'forged');

describe('CachePathInfoService', () => {
  test('brings the whole closure near, references first, each content before its PathInfo', async () => {
    const events: string[] = [];
    const { near, far, cache } = await setUp({
      copyContent: async ({ storePath }) => {
        events.push(`copy ${storePath.name}`);
      },
    });
    const { putAll } = near;
    near.putAll = async (pathInfos) => {
      for (const { storePath } of pathInfos) events.push(`put ${storePath.name}`);
      return await putAll.call(near, pathInfos);
    };
    expect(plain(await cache.get(digest))).toEqual(plain(app));
    for (const name of ['libc', 'zlib', 'png', 'app']) {
      expect(events.indexOf(`copy ${name}`)).toBeGreaterThanOrEqual(0);
      expect(events.indexOf(`copy ${name}`)).toBeLessThan(events.indexOf(`put ${name}`));
    }
    expect(events.filter((event) => event.startsWith('put'))).toEqual([
      'put libc',
      'put zlib',
      'put png',
      'put app',
    ]);
    far.failure = failure;
    expect(plain(await cache.get(digest))).toEqual(plain(app));
    expect(await itemsOf(cache.list())).toHaveLength(4);
  });

  test('keeps nothing when the content of something cannot be had', async () => {
    const { near, cache } = await setUp({
      copyContent: async ({ storePath }) => {
        if (storePath.equals(png.storePath)) throw failure;
      },
    });
    await expect(cache.get(digest)).rejects.toBe(failure);
    expect(await itemsOf(near.list())).toEqual([]);
  });

  test('brings a chain of 20,000 near', async () => {
    const chain: PathInfo[] = [];
    for (let i = 0; i < 20_000; i++) {
      const last = chain.at(-1);
      chain.push(pathInfoOf({ name: `c${i}`, references: last ? [last] : [] }));
    }
    const { near, cache } = await setUp({ far: chain });
    const top = chain.at(-1) ?? app;
    expect(plain(await cache.get(top.storePath.digest))).toEqual(plain(top));
    expect(await near.has(storePathOf('c0').digest)).toBe(true);
  });

  test('asks far once for all who ask at the same time', async () => {
    const { far, cache } = await setUp();
    const opened = Promise.withResolvers<void>();
    far.gate = opened.promise;
    const first = new AbortController();
    const all = Array.from({ length: 10 }, () => cache.get(digest));
    const leaving = cache.get(digest, { signal: first.signal });
    first.abort(new Error('not any more'));
    await expect(leaving).rejects.toThrow('not any more');
    opened.resolve();
    for (const got of await Promise.all(all)) expect(plain(got)).toEqual(plain(app));
    // one get of app, one getVariant of each of its references and theirs
    expect(far.questions).toBe(4);
  });

  test('remembers absence for a short while', async () => {
    const { far, cache, clock } = await setUp({ negativeTtlMs: 100, far: [] });
    const questions = async () => {
      const before = far.questions;
      expect(await cache.get(digest)).toBeUndefined();
      return far.questions - before;
    };
    expect(await questions()).toBe(1);
    expect(await questions()).toBe(0);
    expect(await cache.has(digest)).toBe(false);
    clock.now = 100;
    expect(await questions()).toBe(1);
    await cache.put(libc);
    expect(await questions()).toBe(1);
  });

  test('remembers no absence when told so', async () => {
    const { far, cache } = await setUp({ negativeTtlMs: 0, far: [] });
    await cache.get(digest);
    await cache.get(digest);
    expect(far.questions).toBe(2);
  });

  test('never takes a failure for absence', async () => {
    const { far, cache } = await setUp();
    far.failure = failure;
    await expect(cache.get(digest)).rejects.toBe(failure);
    await expect(cache.has(digest)).rejects.toBe(failure);
    await expect(cache.getVariant(digest, app.closureDigest)).rejects.toBe(failure);
    await expect(itemsOf(cache.listVariants(digest))).rejects.toBe(failure);
    far.failure = undefined;
    expect(plain(await cache.get(digest))).toEqual(plain(app));
  });

  test('keeps another world of far beside, and the current view coherent', async () => {
    const { near, cache } = await setUp();
    const ourLibc = pathInfoOf({ name: 'libc', content: 'ours', selfReferring: true });
    await near.put(ourLibc);
    expect(await cache.get(digest)).toBeUndefined();
    expect(plain(await cache.getVariant(digest, app.closureDigest))).toEqual(plain(app));
    expect(plain(await cache.getByClosureDigest(app.closureDigest))).toEqual(plain(app));
    expect(plain(await cache.get(libc.storePath.digest))).toEqual(plain(ourLibc));
    expect(await itemsOf(cache.listVariants(libc.storePath.digest))).toHaveLength(2);
  });

  test('is answered "absent" by a far that asks it in turn, and does not remember that', async () => {
    const near = new MemoryPathInfoService();
    const inner = new MemoryPathInfoService();
    await inner.putAll(CLOSURE);
    const far: PathInfoService = Object.assign(Object.create(inner), {
      async get(wanted: Uint8Array, options?: PathInfoOptions) {
        if (options?.context?.includes(far)) return undefined;
        const context = (options?.context ?? new IngestContext()).with(far);
        expect(await cache.get(wanted, { ...options, context })).toBeUndefined();
        return await inner.get(wanted);
      },
      getVariant: inner.getVariant.bind(inner),
    });
    const cache = new CachePathInfoService({ near, far, now: () => 0 });
    expect(plain(await cache.get(digest))).toEqual(plain(app));
  });

  test('tells what far lacks of a closure', async () => {
    const { far, cache } = await setUp();
    const { getVariant } = far;
    far.getVariant = async (wanted, closureDigest) =>
      Buffer.compare(wanted, zlib.storePath.digest) === 0
        ? undefined
        : await getVariant.call(far, wanted, closureDigest);
    await expect(cache.get(digest)).rejects.toMatchObject({ code: 'REFERENCE_MISSING' });
  });
});
