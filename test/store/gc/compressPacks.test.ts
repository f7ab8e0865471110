/** What compressing at rest changes, and what it leaves alone. */
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { EMPTY } from '../../../src/bytes.ts';
import { Digest } from '../../../src/castore/digest.ts';
import type { PathInfo } from '../../../src/pathinfo/pathInfo.ts';
import { CollectionTurn } from '../../../src/store/gc/barrier.ts';
import { indexPath, packPath, packsPath } from '../../../src/store/layout.ts';
import { type EncoderOfLevel, zstdEncoder } from '../../../src/store/recordEncoding.ts';
import { Store, type StoreOptions } from '../../../src/store/store.ts';
import { StoreIndex } from '../../../src/store/storeIndex.ts';
import { writeBlob } from '../../contracts/blobServiceContract.ts';
import { noise, prose } from '../../contracts/sampleBytes.ts';
import { temporaryDirectory } from '../../support/temporaryDirectory.ts';
import { checkStore } from '../checkStore.ts';
import { readWhole, writePath } from '../randomPath.ts';
import { withStore } from '../withStore.ts';

const UNCOMPRESSED: StoreOptions = { compressionLevel: 0 };

/** Puts a path as it comes, in a pack of its own. */
async function putUncompressed(directory: string, name: string, seed: number): Promise<PathInfo> {
  return await withStore(
    directory,
    async (store) => store.pathInfos.put(await writePath(store, name, seed)),
    UNCOMPRESSED,
  );
}

const levelsOf = (directory: string) =>
  withStore(directory, async (store) => (await store.stats()).levels.map(({ level }) => level));

/** Counts what is tried. */
function counting(): { readonly encoderOf: EncoderOfLevel; tried: number } {
  const counter = {
    tried: 0,
    encoderOf: (level: number) => {
      const encode = zstdEncoder(level);
      return async (raw: Uint8Array) => {
        counter.tried++;
        return await encode(raw);
      };
    },
  };
  return counter;
}

test('what came in uncompressed is compressed, and its space given back', async () => {
  await using directory = await temporaryDirectory('compress');
  const a = await putUncompressed(directory.path, 'a', 1);
  const b = await putUncompressed(directory.path, 'b', 2);
  expect(await levelsOf(directory.path)).toEqual([0]);
  const before = await checkStore(directory.path);

  const report = await withStore(directory.path, (store) => store.compress());
  expect(report).toMatchObject({ level: 6, compressedPacks: 2, packsInUse: 0, damagedPacks: [] });
  expect(report.storedBytesBefore - report.storedBytes).toBeGreaterThan(100_000);
  expect(await checkStore(directory.path)).toEqual(before);
  expect(await levelsOf(directory.path)).toEqual([6]);
  expect(await readdir(packsPath(directory.path))).toHaveLength(1);
  await withStore(directory.path, async (store) => {
    for (const { node } of [a, b]) await readWhole(store, node);
    const { raw, compressed } = await store.stats();
    // noise does not shrink
    expect(raw.bytes).toBeGreaterThan(200_000);
    expect(compressed.encodedBytes).toBeLessThan(compressed.bytes / 2);
  });
});

test('nothing is tried twice at a level, also what did not shrink; at a higher one it is', async () => {
  await using directory = await temporaryDirectory('compress');
  await putUncompressed(directory.path, 'a', 1);
  await withStore(directory.path, async (store) => {
    const first = counting();
    await store.compress({ level: 3, encoderOf: first.encoderOf });
    expect(first.tried).toBeGreaterThan(5);
    const second = counting();
    for (const level of [1, 3]) {
      const report = await store.compress({ level, encoderOf: second.encoderOf });
      expect(report.compressedPacks).toBe(0);
    }
    expect(second.tried).toBe(0);
  });
  await withStore(directory.path, async (store) => {
    const higher = counting();
    await store.compress({ level: 9, encoderOf: higher.encoderOf });
    expect(higher.tried).toBeGreaterThan(5);
  });
  expect(await levelsOf(directory.path)).toEqual([9]);
});

test('a record that would become larger stays as it lies', async () => {
  await using directory = await temporaryDirectory('compress');
  await withStore(
    directory.path,
    async (store) => store.pathInfos.put(await writePath(store, 'a', 1)),
    { compressionLevel: 12 },
  );
  const sizes = () => withStore(directory.path, async (store) => (await store.stats()).compressed);
  const before = await sizes();
  // an encoder that is worse than what there is
  const encoderOf = () => zstdEncoder(1);
  const report = await withStore(directory.path, (store) =>
    store.compress({ level: 13, encoderOf }),
  );
  expect(report.compressedPacks).toBe(1);
  expect(await sizes()).toEqual(before);
});

test('content comes in at the level that the store was opened with', async () => {
  await using directory = await temporaryDirectory('compress');
  const digest = Digest.of(prose(50_000));
  const write = (store: Store) => writeBlob(store.blobs, prose(50_000));
  await withStore(directory.path, write, { compressionLevel: 9 });
  expect(await levelsOf(directory.path)).toEqual([9]);
  await withStore(directory.path, async (store) => {
    expect(await store.blobs.has(digest)).toBe(true);
  });
});

test('packs that somebody may still write to are left to another time', async () => {
  await using directory = await temporaryDirectory('compress');
  await using writing = await Store.open(directory.path, UNCOMPRESSED);
  await writing.pathInfos.put(await writePath(writing, 'a', 1));
  const inUse = await withStore(directory.path, (store) => store.compress());
  expect(inUse).toMatchObject({ compressedPacks: 0, packsInUse: 1 });
  await writing[Symbol.asyncDispose]();
  const done = await withStore(directory.path, (store) => store.compress());
  expect(done).toMatchObject({ compressedPacks: 1, packsInUse: 0 });
});

test('who reads goes on: with a pack that is open, and with a place from before', async () => {
  await using directory = await temporaryDirectory('compress');
  const blob = prose(3_000_000, 7);
  await withStore(directory.path, (store) => writeBlob(store.blobs, blob), UNCOMPRESSED);
  await using reading = await Store.open(directory.path);
  const read: Uint8Array[] = [];
  const contents = await reading.blobs.read(Digest.of(blob));
  let compressed = false;
  for await (const bytes of contents ?? []) {
    read.push(Uint8Array.from(bytes));
    if (compressed) continue;
    await withStore(directory.path, (store) => store.compress());
    compressed = true;
  }
  expect(Buffer.compare(Buffer.concat(read), blob)).toBe(0);
});

test('only one compresses at a time', async () => {
  await using directory = await temporaryDirectory('compress');
  await putUncompressed(directory.path, 'a', 1);
  await using store = await Store.open(directory.path);
  const reached = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const encoderOf: EncoderOfLevel = (level) => async (raw) => {
    const encoded = zstdEncoder(level)(raw);
    reached.resolve();
    await goOn.promise;
    return await encoded;
  };
  const first = store.compress({ encoderOf });
  await reached.promise;
  await expect(withStore(directory.path, (other) => other.compress())).rejects.toMatchObject({
    code: 'STORE_BUSY',
    facts: { pid: process.pid },
  });
  goOn.resolve();
  expect(await first).toMatchObject({ compressedPacks: 1 });
  expect(await store.compress({ level: 7 })).toMatchObject({ compressedPacks: 0, packsInUse: 1 });
});

test('nothing moves as long as a collection is under way', async () => {
  await using directory = await temporaryDirectory('compress');
  await putUncompressed(directory.path, 'a', 1);
  const options = { readOnly: false, create: false };
  await using index = await StoreIndex.open(indexPath(directory.path), options);
  const rows = () => {
    index.tables.chunk.refresh();
    return Array.from(index.tables.chunk.withPrefix(EMPTY), ({ value }) => Buffer.from(value));
  };
  const before = rows();
  await using store = await Store.open(directory.path);
  const turn = await CollectionTurn.begin(index, undefined);
  const compressing = store.compress();
  // all is in the new pack, and waits to be moved there
  const [, written] = await packsOnceThereAre(directory.path, 2);
  await expect.poll(async () => (await stat(written ?? '')).size).toBeGreaterThan(100_000);
  expect(rows()).toEqual(before);
  await turn[Symbol.asyncDispose]();
  expect(await compressing).toMatchObject({ compressedPacks: 1 });
  expect(rows()).not.toEqual(before);
});

async function packsOnceThereAre(directory: string, count: number): Promise<string[]> {
  for (;;) {
    const names = (await readdir(packsPath(directory))).sort();
    if (names.length >= count) return names.map((name) => join(packsPath(directory), name));
    await sleep(5);
  }
}

describe('given up in the middle', () => {
  test('nothing is lost, and the next one goes on', async () => {
    await using directory = await temporaryDirectory('compress');
    const paths = [
      await putUncompressed(directory.path, 'a', 1),
      await putUncompressed(directory.path, 'b', 2),
    ];
    const giveUp = new AbortController();
    let left = 12;
    const encoderOf: EncoderOfLevel = (level) => async (raw) => {
      if (left-- === 0) giveUp.abort(new Error('enough'));
      return await zstdEncoder(level)(raw);
    };
    const { signal } = giveUp;
    await expect(
      withStore(directory.path, (store) => store.compress({ encoderOf, signal })),
    ).rejects.toThrow('enough');
    const counts = await checkStore(directory.path);
    const report = await withStore(directory.path, (store) => store.compress());
    expect(report.compressedPacks).toBeGreaterThan(0);
    expect(await checkStore(directory.path)).toEqual(counts);
    expect(await levelsOf(directory.path)).toEqual([6]);
    await withStore(directory.path, async (store) => {
      for (const { node } of paths) await readWhole(store, node);
    });
  });
});

test('a damaged pack stays, and is told of', async () => {
  await using directory = await temporaryDirectory('compress');
  await putUncompressed(directory.path, 'a', 1);
  const path = packPath(directory.path, 1);
  const bytes = await readFile(path);
  // no record can be found behind the first
  bytes.writeUInt8(0xff, 16);
  await writeFile(path, bytes);
  const report = await withStore(directory.path, (store) => store.compress());
  expect(report).toMatchObject({ compressedPacks: 0, damagedPacks: [{ code: 'STORE_INVALID' }] });
  expect(await readFile(path)).toEqual(bytes);
});

test('content that is damaged at rest is still damaged afterwards', async () => {
  await using directory = await temporaryDirectory('compress');
  const blob = prose(10_000, 5);
  await withStore(directory.path, (store) => writeBlob(store.blobs, blob), UNCOMPRESSED);
  const path = packPath(directory.path, 1);
  const bytes = await readFile(path);
  bytes.writeUInt8((bytes.at(-1) ?? 0) ^ 1, bytes.length - 1);
  await writeFile(path, bytes);
  await withStore(directory.path, async (store) => {
    expect(await store.compress()).toMatchObject({ compressedPacks: 1 });
    const read = async () => {
      for await (const _ of (await store.blobs.read(Digest.of(blob))) ?? []);
    };
    await expect(read()).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
  });
});

test('packs of a store from before levels were noted are compressed', async () => {
  await using directory = await temporaryDirectory('compress');
  await withStore(directory.path, async (store) => {
    await store.pathInfos.put(await writePath(store, 'a', 1));
  });
  const options = { readOnly: false, create: false };
  {
    await using index = await StoreIndex.open(indexPath(directory.path), options);
    await index.transaction(() => {
      for (const { key } of index.tables.level.withPrefix(EMPTY)) index.tables.level.remove(key);
    });
  }
  expect(await levelsOf(directory.path)).toEqual([null]);
  await withStore(directory.path, (store) => store.compress({ level: 2 }));
  expect(await levelsOf(directory.path)).toEqual([2]);
});

test('a collection that rewrites packs keeps their levels', async () => {
  await using directory = await temporaryDirectory('compress');
  await putUncompressed(directory.path, 'a', 1);
  await withStore(directory.path, (store) => writeBlob(store.blobs, noise(900_000, 9)), {
    compressionLevel: 0,
  });
  await withStore(directory.path, (store) => store.compress({ level: 4 }));
  const report = await withStore(directory.path, (store) => store.collectGarbage());
  expect(report).toMatchObject({ rewrittenPacks: 1 });
  expect(await levelsOf(directory.path)).toEqual([4]);
});

test('a store that is only read compresses nothing', async () => {
  await using directory = await temporaryDirectory('compress');
  await putUncompressed(directory.path, 'a', 1);
  await using store = await Store.open(directory.path, { readOnly: true });
  await expect(store.compress()).rejects.toMatchObject({ code: 'READ_ONLY' });
});
