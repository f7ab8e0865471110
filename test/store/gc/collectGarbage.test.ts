/** What a collection removes and what stays. */
import { readdir } from 'node:fs/promises';
import { open } from 'lmdb';
import { describe, expect, test } from 'vitest';
import { EMPTY } from '../../../src/bytes.ts';
import { Digest } from '../../../src/castore/digest.ts';
import { parseExtraFileName } from '../../../src/extraFiles/extraFileName.ts';
import type { PathInfo } from '../../../src/pathinfo/pathInfo.ts';
import type { CollectOptions } from '../../../src/store/gc/collectGarbage.ts';
import { indexPath, packPath, packsPath } from '../../../src/store/layout.ts';
import { Store } from '../../../src/store/store.ts';
import { writeBlob } from '../../contracts/blobServiceContract.ts';
import { bytesOf } from '../../contracts/collect.ts';
import { BY_NOBODY, pathInfoOf } from '../../contracts/pathInfos.ts';
import { noise } from '../../contracts/sampleBytes.ts';
import { temporaryDirectory } from '../../support/temporaryDirectory.ts';
import { checkStore } from '../checkStore.ts';
import { readWhole, writePath } from '../randomPath.ts';
import { withStore } from '../withStore.ts';

const DAY_MS = 24 * 60 * 60_000;
const START = Date.UTC(2026, 0, 1);

const collect = (directory: string, options: CollectOptions = {}) =>
  withStore(directory, (store) => store.collectGarbage(options));

const namesIn = (directory: string) =>
  withStore(directory, async (store) =>
    (await Array.fromAsync(store.pathInfos.list())).map(({ storePath }) => storePath.name).sort(),
  );

/** Paths that were put on one day after the other. */
async function putDaily(
  directory: string,
  recipes: readonly { readonly name: string; readonly refersTo?: readonly string[] }[],
): Promise<Map<string, PathInfo>> {
  const put = new Map<string, PathInfo>();
  for (const [day, { name, refersTo = [] }] of recipes.entries()) {
    await withStore(
      directory,
      async (store) => {
        const references = refersTo.flatMap((reference) => put.get(reference) ?? []);
        const pathInfo = await writePath(store, name, day, references);
        put.set(name, await store.pathInfos.put(pathInfo));
      },
      { now: () => START + day * DAY_MS },
    );
  }
  return put;
}

test('what no PathInfo refers to goes, what one refers to stays, and its pack is smaller', async () => {
  await using directory = await temporaryDirectory('gc');
  const kept = await withStore(directory.path, async (store) => {
    await writeBlob(store.blobs, noise(3_000_000, 5));
    const written = [await writePath(store, 'a', 1), await writePath(store, 'not-put', 2)];
    await writeBlob(store.blobs, noise(50_000, 6));
    return await store.pathInfos.put(written[0] as PathInfo); // written just above
  });
  const report = await collect(directory.path);
  expect(report).toMatchObject({ keptVariants: 1, removedVariants: [], rewrittenPacks: 1 });
  expect(report.chunks).toBeGreaterThan(10);
  expect(report.directories).toBe(2);
  expect(report.storedBytesBefore - report.storedBytes).toBeGreaterThan(3_000_000);
  const counts = await checkStore(directory.path);
  expect(counts).toMatchObject({ variants: 1, nars: 1, directories: 2, leases: 0, stamps: 0 });
  await withStore(directory.path, (store) => readWhole(store, kept.node));
  expect(await collect(directory.path)).toMatchObject({
    ...{ nars: 0, directories: 0, blobs: 0, chunks: 0, removedPacks: 0, rewrittenPacks: 0 },
  });
});

test('a dry run tells the same and changes nothing, also of a store that is only read', async () => {
  await using directory = await temporaryDirectory('gc');
  await putDaily(directory.path, [{ name: 'a' }, { name: 'b' }]);
  await withStore(directory.path, (store) => writeBlob(store.blobs, noise(900_000, 5)));
  const before = await checkStore(directory.path);
  const options = { olderThanMs: DAY_MS, now: START + 1.5 * DAY_MS };
  const foreseen = await withStore(
    directory.path,
    (store) => store.collectGarbage({ ...options, dryRun: true }),
    { readOnly: true },
  );
  expect(await checkStore(directory.path)).toEqual(before);
  const report = await collect(directory.path, options);
  const { storedBytes, storedBytesBefore, dryRun, ...counts } = foreseen;
  expect(dryRun).toBe(true);
  expect(report).toMatchObject(counts);
  expect(report.removedVariants).toHaveLength(1);
  // the index may have grown by some pages
  expect(Math.abs(storedBytes - report.storedBytes)).toBeLessThan(200_000);
  expect(storedBytesBefore - storedBytes).toBeGreaterThan(900_000);
});

describe('variants', () => {
  /** A path with two variants, of which the second is current, above two variants of another. */
  async function twoWorlds(directory: string) {
    return await withStore(directory, async (store) => {
      const old = await writePath(store, 'lib', 1);
      const current = await writePath(store, 'lib', 2);
      const oldTop = await writePath(store, 'top', 3, [old]);
      const unverified = pathInfoOf({
        ...{ name: 'lib', content: '1', node: old.node, verification: BY_NOBODY },
      });
      await store.pathInfos.putAll([current, unverified, oldTop]);
      return { old, current, oldTop };
    });
  }

  test('that are neither current nor pinned go', async () => {
    await using directory = await temporaryDirectory('gc');
    const { current, oldTop } = await twoWorlds(directory.path);
    const report = await collect(directory.path);
    expect(report.removedVariants).toHaveLength(2);
    await withStore(directory.path, async ({ pathInfos }) => {
      const left = await Array.fromAsync(pathInfos.listVariants(current.storePath.digest));
      expect(left.map(({ closureDigest }) => closureDigest.hex)).toEqual([
        current.closureDigest.hex,
      ]);
      expect(await pathInfos.getByClosureDigest(oldTop.closureDigest)).toBeUndefined();
    });
    expect(await checkStore(directory.path)).toMatchObject({ variants: 1, directories: 2 });
  });

  test('stay with all they refer to while they are pinned', async () => {
    await using directory = await temporaryDirectory('gc');
    const { oldTop } = await twoWorlds(directory.path);
    const { digest } = oldTop.storePath;
    const { closureDigest } = oldTop;
    await withStore(directory.path, ({ pins }) => pins.put('mine', { digest, closureDigest }, 5));
    expect(await collect(directory.path)).toMatchObject({ keptVariants: 3, directories: 0 });
    await withStore(directory.path, async (store) => {
      expect(await Array.fromAsync(store.pins.list())).toMatchObject([
        { name: 'mine', pinnedAt: 5 },
      ]);
      await readWhole(store, oldTop.node);
      expect(await store.pins.remove('mine')).toMatchObject({ name: 'mine' });
      expect(await store.pins.remove('mine')).toBeUndefined();
    });
    expect(await collect(directory.path)).toMatchObject({ keptVariants: 1, directories: 4 });
  });

  test('that are left become current where the place is free', async () => {
    await using directory = await temporaryDirectory('gc');
    const { old, current } = await twoWorlds(directory.path);
    const { digest } = old.storePath;
    await withStore(directory.path, ({ pins }) =>
      pins.put('old', { digest, closureDigest: old.closureDigest }, 1),
    );
    await collect(directory.path, { olderThanMs: 0, now: Date.now() + DAY_MS });
    await withStore(directory.path, async ({ pathInfos }) => {
      expect((await pathInfos.get(digest))?.sameVariant(old)).toBe(true);
      expect(await pathInfos.getByClosureDigest(current.closureDigest)).toBeUndefined();
    });
    await checkStore(directory.path);
  });
});

test('a pin is of a variant that is kept, and has a name that a line can hold', async () => {
  await using directory = await temporaryDirectory('gc');
  await using store = await Store.open(directory.path);
  const { storePath, closureDigest } = pathInfoOf({ name: 'absent' });
  const { digest } = storePath;
  const put = (name: string) => store.pins.put(name, { digest, closureDigest }, 1);
  await expect(put('x')).rejects.toMatchObject({ code: 'PATH_NOT_FOUND' });
  for (const name of ['', 'a\nb', 'x'.repeat(256)]) {
    await expect(put(name)).rejects.toMatchObject({ code: 'USAGE' });
  }
});

describe('retention', () => {
  const CHAIN = [
    { name: 'lib' },
    { name: 'alone' },
    { name: 'app', refersTo: ['lib'] },
    { name: 'tool', refersTo: ['lib'] },
  ];

  test('by age: what was used lately stays with all it refers to', async () => {
    await using directory = await temporaryDirectory('gc');
    await putDaily(directory.path, CHAIN);
    const now = START + 10 * DAY_MS;
    await collect(directory.path, { olderThanMs: 7.5 * DAY_MS, now });
    expect(await namesIn(directory.path)).toEqual(['lib', 'tool']);
    expect(await checkStore(directory.path)).toMatchObject({ variants: 2, directories: 4 });
  });

  test('a use is noted, to the hour, but not by who only reads', async () => {
    await using directory = await temporaryDirectory('gc');
    const put = await putDaily(directory.path, CHAIN);
    const get = (name: string, readOnly: boolean) =>
      withStore(
        directory.path,
        ({ pathInfos }) => pathInfos.get(put.get(name)?.storePath.digest ?? EMPTY),
        { now: () => START + 9 * DAY_MS, readOnly },
      );
    await get('alone', false);
    await get('app', true);
    await collect(directory.path, { olderThanMs: 2 * DAY_MS, now: START + 10 * DAY_MS });
    expect(await namesIn(directory.path)).toEqual(['alone']);
  });

  test('by size: least recently used first, what is shared counted once, pins not at all', async () => {
    await using directory = await temporaryDirectory('gc');
    const put = await putDaily(directory.path, CHAIN);
    const [alone, app] = [put.get('alone'), put.get('app')];
    if (alone === undefined || app === undefined) throw new Error('not put');
    const { digest } = alone.storePath;
    await withStore(directory.path, ({ pins }) =>
      pins.put('alone', { digest, closureDigest: alone.closureDigest }, 1),
    );
    // each has some 100 KB of its own, and all share some 10 KB
    await collect(directory.path, { maxBytes: 350_000 });
    expect(await namesIn(directory.path)).toEqual(['alone', 'lib', 'tool']);
    await collect(directory.path, { maxBytes: 250_000 });
    expect(await namesIn(directory.path)).toEqual(['alone']);
    expect((await collect(directory.path, { maxBytes: 1 })).keptVariants).toBe(1);
    await withStore(directory.path, (store) => readWhole(store, alone.node));
  });

  test('by size: extra files stay, and are counted first', async () => {
    await using directory = await temporaryDirectory('gc');
    await putDaily(directory.path, CHAIN);
    const name = parseExtraFileName('log/26xbg1ndr7hbcncrlf9nhx5is2b25d13-app.drv');
    if (name === undefined) throw new Error('it is the name of a log');
    const log = noise(150_000, 9);
    const file = { digest: Digest.of(log), size: log.length };
    await withStore(directory.path, async (store) => {
      await writeBlob(store.blobs, log);
      await store.extraFiles.putAll([{ name, file }]);
    });
    // 'app' would fit without it
    await collect(directory.path, { maxBytes: 400_000 });
    expect(await namesIn(directory.path)).toEqual(['lib', 'tool']);
    await withStore(directory.path, async (store) => {
      expect(await store.extraFiles.get(name)).toEqual(file);
      const kept = await bytesOf(await store.blobs.read(file.digest));
      expect(Buffer.compare(kept, log)).toBe(0);
    });
  });

  test('a clock that was far ahead, and was set back: what it noted counts as used now', async () => {
    await using directory = await temporaryDirectory('gc');
    const put = await putDaily(directory.path, [{ name: 'a' }, { name: 'b' }]);
    const digestOf = (name: string) => put.get(name)?.storePath.digest ?? EMPTY;
    const look = (name: string, at: number) =>
      withStore(directory.path, ({ pathInfos }) => pathInfos.get(digestOf(name)), {
        now: () => at,
      });
    await look('a', START + 5000 * DAY_MS);
    await look('b', START + 5000 * DAY_MS);
    // a use now is noted
    await look('a', START + 10 * DAY_MS);
    await collect(directory.path, { olderThanMs: 5 * DAY_MS, now: START + 11 * DAY_MS });
    expect(await namesIn(directory.path)).toEqual(['a', 'b']);
    // 11 counts as when b was used
    await collect(directory.path, { olderThanMs: 5 * DAY_MS, now: START + 15.5 * DAY_MS });
    expect(await namesIn(directory.path)).toEqual(['b']);
    await collect(directory.path, { olderThanMs: 5 * DAY_MS, now: START + 17 * DAY_MS });
    expect(await namesIn(directory.path)).toEqual([]);
  });

  test('paths of a store from before uses were noted count as used when they are first seen', async () => {
    await using directory = await temporaryDirectory('gc');
    await putDaily(directory.path, CHAIN);
    const root = open({ path: indexPath(directory.path), noSubdir: true, maxDbs: 20 });
    for (const name of ['used', 'pin', 'lease', 'stamp']) root.openDB({ name }).dropSync();
    await root.close();
    await checkStore(directory.path);
    const now = Date.now() + DAY_MS;
    expect(await collect(directory.path, { olderThanMs: DAY_MS, now })).toMatchObject({
      keptVariants: 4,
    });
    await collect(directory.path, { olderThanMs: DAY_MS, now: now + 2 * DAY_MS });
    expect(await namesIn(directory.path)).toEqual([]);
    expect(await readdir(packsPath(directory.path))).toEqual([]);
  });
});

test('a damaged pack is left as it is, and told of', async () => {
  await using directory = await temporaryDirectory('gc');
  await withStore(directory.path, async (store) => {
    await store.pathInfos.put(await writePath(store, 'a', 1));
    await writeBlob(store.blobs, noise(2_000_000, 9));
  });
  const path = packPath(directory.path, 1);
  const { open: openFile, stat } = await import('node:fs/promises');
  const file = await openFile(path, 'r+');
  await file.write(Buffer.alloc(44, 0xff), 0, 44, 16);
  await file.close();
  const { size } = await stat(path);
  const report = await collect(directory.path);
  expect(report.damagedPacks).toMatchObject([{ code: 'STORE_INVALID', facts: { path } }]);
  expect((await stat(path)).size).toBe(size);
});

test('a directory that cannot be read fails a collection before anything of its content goes', async () => {
  await using directory = await temporaryDirectory('gc');
  await withStore(directory.path, async (store) => {
    await store.pathInfos.put(await writePath(store, 'a', 1));
  });
  const before = await checkStore(directory.path);
  const { truncate } = await import('node:fs/promises');
  // directories come last
  const { stat } = await import('node:fs/promises');
  const path = packPath(directory.path, 1);
  await truncate(path, (await stat(path)).size - 20);
  await expect(collect(directory.path)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
  await withStore(directory.path, async (store) => {
    expect(await store.stats()).toMatchObject({ chunks: before.chunks, variants: 1 });
  });
});
