/** Damaged packs: an error, never other bytes. */
import { open, rm, stat, truncate } from 'node:fs/promises';
import { dirname } from 'node:path';
import { expect, test } from 'vitest';
import { EMPTY } from '../../src/bytes.ts';
import type { Digest } from '../../src/castore/digest.ts';
import { Directory } from '../../src/castore/directory.ts';
import { packPath } from '../../src/store/layout.ts';
import { PACK_HEADER_BYTES, RECORD_HEADER_BYTES } from '../../src/store/packFormat.ts';
import { Store } from '../../src/store/store.ts';
import { writeBlob } from '../contracts/blobServiceContract.ts';
import { bytesOf } from '../contracts/collect.ts';
import { putDirectories } from '../contracts/directoryServiceContract.ts';
import { noise, prose } from '../contracts/sampleBytes.ts';
import { temporaryDirectory } from '../support/temporaryDirectory.ts';

const DATA_START = PACK_HEADER_BYTES + RECORD_HEADER_BYTES;

/** Inverts one bit. */
async function flip(path: string, offset: number): Promise<void> {
  const file = await open(path, 'r+');
  const byte = new Uint8Array(1);
  await file.read(byte, 0, 1, offset);
  byte[0] = (byte[0] ?? 0) ^ 0x10;
  await file.write(byte, 0, 1, offset);
  await file.close();
}

test.each([
  ['noise, first byte', noise(1000), 0],
  ['noise, last byte', noise(1000), 999],
  ['prose, frame header', prose(5000), 5],
  ['prose, in the middle', prose(5000), 700],
])('a flipped bit in %s', async (_, bytes, at) => {
  await using directory = await temporaryDirectory('store');
  const path = packPath(directory.path, 1);
  {
    await using store = await Store.open(directory.path);
    await writeBlob(store.blobs, bytes);
  }
  await flip(path, DATA_START + at);
  await using store = await Store.open(directory.path);
  const { digest } = (await store.blobs.stat(await writeBlob(store.blobs, bytes)))?.chunks[0] ?? {};
  if (digest === undefined) throw new Error('no chunk');
  const mismatch = {
    code: 'DIGEST_MISMATCH',
    facts: { path, offset: PACK_HEADER_BYTES, expected: String(digest) },
  };
  await expect(bytesOf(await store.blobs.read(digest))).rejects.toMatchObject(mismatch);
  await expect(bytesOf(await store.blobs.read(digest, { length: 1 }))).rejects.toMatchObject(
    mismatch,
  );
  for (const chunk of (await store.blobs.statEncoded(digest)) ?? []) {
    await expect(store.blobs.readEncoded(chunk)).rejects.toMatchObject(mismatch);
  }
});

test('what lies before a damaged chunk is given out', async () => {
  await using directory = await temporaryDirectory('store');
  const bytes = noise(1_000_000, 8);
  {
    await using store = await Store.open(directory.path);
    await writeBlob(store.blobs, bytes);
  }
  const path = packPath(directory.path, 1);
  await flip(path, 800_000);
  await using store = await Store.open(directory.path);
  const read: Uint8Array[] = [];
  const reading = async () => {
    const contents = await store.blobs.read(await writeBlob(store.blobs, bytes));
    for await (const piece of contents ?? []) read.push(piece);
  };
  await expect(reading()).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
  const given = Buffer.concat(read);
  expect(given.length).toBeGreaterThan(500_000);
  expect(Buffer.compare(given, bytes.subarray(0, given.length))).toBe(0);
});

test('of many small files that are read together, none that is damaged is given out', async () => {
  await using directory = await temporaryDirectory('store');
  const path = packPath(directory.path, 1);
  // every third lies raw
  const files = Array.from({ length: 90 }, (_, i) => (i % 3 ? prose : noise)(2000 + i, 1 + i));
  const digests: Digest[] = [];
  {
    await using store = await Store.open(directory.path);
    for (const bytes of files) digests.push(await writeBlob(store.blobs, bytes));
  }
  const ranges = digests.map((digest, i) => ({ digest, offset: 0, length: 10_000, i }));
  const { size } = await stat(path);
  for (let at = 7; at < size; at += Math.ceil(size / 60)) {
    await flip(path, at);
    await using store = await Store.open(directory.path);
    let given = 0;
    let error: unknown;
    try {
      for await (const pieces of store.blobs.readRanges(ranges, { lent: true })) {
        for (const { range, bytes } of pieces) {
          expect(range.i).toBe(given++);
          expect(Buffer.compare(bytes ?? EMPTY, files[range.i] ?? EMPTY)).toBe(0);
        }
      }
    } catch (caught) {
      error = caught;
    }
    const damaged = digests[given];
    if (damaged === undefined) {
      // a record's header was hit, which reading does not look at
      expect(error).toBeUndefined();
    } else {
      const facts = { path, expected: String(damaged) };
      expect(error).toMatchObject({ code: 'DIGEST_MISMATCH', facts });
    }
    await flip(path, at);
  }
});

test('a damaged directory', async () => {
  await using directory = await temporaryDirectory('store');
  const empty = new Directory([]);
  const parent = new Directory([{ name: Buffer.from('child'), node: empty.node }]);
  {
    await using store = await Store.open(directory.path);
    await putDirectories(store.directories, [empty, parent]);
  }
  await flip(packPath(directory.path, 1), DATA_START + RECORD_HEADER_BYTES + 4);
  await using store = await Store.open(directory.path);
  await expect(store.directories.get(parent.digest)).rejects.toMatchObject({
    code: 'DIGEST_MISMATCH',
  });
});

test('a pack that is cut off, and one that is gone', async () => {
  await using directory = await temporaryDirectory('store');
  const path = packPath(directory.path, 1);
  const bytes = noise(300_000, 9);
  {
    await using store = await Store.open(directory.path);
    await writeBlob(store.blobs, bytes);
  }
  const { size } = await stat(path);
  await truncate(path, size - 1000);
  for (const message of [/cut off/, /gone/]) {
    await using store = await Store.open(directory.path);
    const digest = await writeBlob(store.blobs, bytes);
    await expect(bytesOf(await store.blobs.read(digest))).rejects.toMatchObject({
      code: 'STORE_INVALID',
      message: expect.stringMatching(message),
      facts: { path },
    });
    await rm(path, { force: true });
  }
});

test('a check finds out that the packs are gone', async () => {
  await using directory = await temporaryDirectory('store');
  await using store = await Store.open(directory.path);
  await store.check();
  await rm(dirname(packPath(directory.path, 1)), { recursive: true });
  await expect(store.check()).rejects.toMatchObject({ code: 'STORE_FAILED' });
});
