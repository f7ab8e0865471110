/** How content lies: deduplication, packs, and an index that could be made again from them. */
import { readdir } from 'node:fs/promises';
import { zstdDecompressSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { concatBytes } from '../../src/bytes.ts';
import { DIGEST_BYTES, Digest } from '../../src/castore/digest.ts';
import { packPath, packsPath } from '../../src/store/layout.ts';
import { scanPack } from '../../src/store/packScan.ts';
import { decodeData } from '../../src/store/recordEncoding.ts';
import { Store } from '../../src/store/store.ts';
import { partsOf, writeBlob } from '../contracts/blobServiceContract.ts';
import { bytesOf } from '../contracts/collect.ts';
import { noise, prose } from '../contracts/sampleBytes.ts';
import { temporaryDirectory } from '../support/temporaryDirectory.ts';
import { writePath } from './randomPath.ts';
import { temporaryStore } from './temporaryStore.ts';

test('the same blob again stores nothing', async () => {
  await using opened = await temporaryStore();
  const { store } = opened;
  const bytes = noise(900_000, 4);
  await writeBlob(store.blobs, bytes);
  const once = await store.stats();
  await writeBlob(store.blobs, bytes, 1234);
  await using writer = store.blobs.openChunkedWrite();
  await writer.write(partsOf(bytes));
  await writer.write(partsOf(bytes));
  await writer.close();
  expect(await store.stats()).toEqual(once);
});

test('a megabyte that is changed in one place shares most of its chunks', async () => {
  await using opened = await temporaryStore();
  const { store } = opened;
  const bytes = noise(1024 * 1024, 6);
  const changed = concatBytes([bytes.subarray(0, 400_000), prose(10), bytes.subarray(400_000)]);
  const chunksOf = async (blob: Uint8Array) => {
    const stat = await store.blobs.stat(await writeBlob(store.blobs, blob));
    return (stat?.chunks ?? []).map(({ digest }) => digest.hex);
  };
  const before = await chunksOf(bytes);
  const after = new Set(await chunksOf(changed));
  expect(before.length).toBeGreaterThan(6);
  expect(before.filter((chunk) => !after.has(chunk)).length).toBeLessThanOrEqual(3);
});

test('text lies as zstd frames that state their size, noise as it is', async () => {
  await using opened = await temporaryStore();
  const { store } = opened;
  const text = (await store.blobs.statEncoded(await writeBlob(store.blobs, prose(50_000)))) ?? [];
  const raw = (await store.blobs.statEncoded(await writeBlob(store.blobs, noise(50_000)))) ?? [];
  expect(text.map(({ encoding }) => encoding)).toEqual(['zstd']);
  expect(raw.map(({ encoding, encodedSize }) => [encoding, encodedSize])).toEqual([
    ['raw', 50_000],
  ]);
  for (const chunk of text) {
    const frame = await store.blobs.readEncoded(chunk);
    // RFC 8878, 3.1.1.1.1: the content size is there if the two high bits or the single-segment bit are set
    expect((frame[4] ?? 0) & 0b1110_0000).not.toBe(0);
    expect(zstdDecompressSync(frame)).toHaveLength(chunk.size);
  }
});

test('a chunk that lies in another form than was said is missing', async () => {
  await using opened = await temporaryStore();
  const { store } = opened;
  const [chunk] = (await store.blobs.statEncoded(await writeBlob(store.blobs, prose(999)))) ?? [];
  if (chunk === undefined) throw new Error('no chunk');
  await expect(
    store.blobs.readEncoded({ ...chunk, encoding: 'raw', encodedSize: chunk.size }),
  ).rejects.toMatchObject({ code: 'BLOB_MISSING' });
});

test('full packs are followed by others, and all are read', async () => {
  await using opened = await temporaryStore({ packFullBytes: 300_000 });
  const { store } = opened;
  const blobs = Array.from({ length: 20 }, (_, i) => noise(100_000, i + 1));
  const digests = await Promise.all(blobs.map((blob) => writeBlob(store.blobs, blob)));
  expect((await store.stats()).packs).toBeGreaterThan(4);
  for (const [index, digest] of digests.entries()) {
    const read = await bytesOf(await store.blobs.read(digest));
    expect(Buffer.compare(read, blobs[index] ?? Uint8Array.of())).toBe(0);
  }
});

test('packs alone tell all content', async () => {
  await using directory = await temporaryDirectory('store');
  const pathInfos = [];
  {
    await using store = await Store.open(directory.path, { packFullBytes: 200_000 });
    for (let i = 0; i < 4; i++) pathInfos.push(await writePath(store, `path-${i}`, i));
    await store.pathInfos.putAll(pathInfos);
  }
  const found = { chunk: 0, directory: 0, blob: 0 };
  await using store = await Store.open(directory.path, { readOnly: true });
  for (const name of await readdir(packsPath(directory.path))) {
    const number = Number.parseInt(name, 10);
    for await (const { header, data } of scanPack(packPath(directory.path, number), number)) {
      const { kind, encoding, size, digest } = header;
      const decoded = decodeData(encoding, data, size);
      expect(Digest.of(decoded).hex).toBe(digest.hex);
      found[kind]++;
      if (kind === 'directory') expect(await store.directories.get(digest)).toBeDefined();
      else {
        const blob = kind === 'blob' ? new Digest(decoded.subarray(0, DIGEST_BYTES)) : digest;
        expect(await store.blobs.has(blob)).toBe(true);
      }
    }
  }
  const { chunks, directories, chunkedBlobs, packs } = await store.stats();
  expect(found).toEqual({ chunk: chunks, directory: directories, blob: chunkedBlobs });
  expect(packs).toBeGreaterThan(1);
});

test('what a pack ends with after a crash is left out', async () => {
  await using directory = await temporaryDirectory('store');
  {
    await using store = await Store.open(directory.path);
    for (const seed of [1, 2, 3]) await writeBlob(store.blobs, noise(5000, seed));
  }
  const path = packPath(directory.path, 1);
  const { truncate, stat } = await import('node:fs/promises');
  const { size } = await stat(path);
  for (const [cut, whole] of [
    [0, 3],
    [1, 2],
    [5000, 2],
    [5043, 2],
    [5044, 2],
    [5045, 1],
  ] as const) {
    await truncate(path, size - cut);
    const records = await Array.fromAsync(scanPack(path, 1));
    expect([cut, records.length]).toEqual([cut, whole]);
  }
});

test('counts', async () => {
  await using opened = await temporaryStore();
  const { store } = opened;
  const [a, b] = [await writePath(store, 'a', 1), await writePath(store, 'b', 2)];
  await store.pathInfos.putAll([a, b]);
  const stats = await store.stats();
  expect(stats).toMatchObject({ paths: 2, variants: 2, directories: 4, packs: 1 });
  expect(stats.narBytes).toBe(a.claim.narSize + b.claim.narSize);
  expect(stats.uniqueBytes).toBeGreaterThan(400_000);
  expect(stats.storedBytes).toBeGreaterThan(200_000);
  expect(store.nodeByNarHash(a.claim.narHash)).toMatchObject({ type: 'directory', size: 6 });
  expect(store.nodeByNarHash(b.claim.narHash)?.type).toBe('directory');
});
