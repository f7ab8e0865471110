/** Ranges of blobs of many chunks, kept or lent, out of packs. */
import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { utf8 } from '../../src/bytes.ts';
import type { ChunkRef, ReadBlobOptions } from '../../src/castore/blobService.ts';
import { Digest } from '../../src/castore/digest.ts';
import type { FileNode } from '../../src/castore/node.ts';
import { decompress } from '../../src/compression/compression.ts';
import { NarLayout } from '../../src/render/layout.ts';
import { renderLayout } from '../../src/render/renderNar.ts';
import { renderNarZstd, zstdForm } from '../../src/render/renderNarZstd.ts';
import type { Store } from '../../src/store/store.ts';
import { temporaryStore } from './temporaryStore.ts';

/** More than a reader's window of a chunk list, in lengths that make spans of every kind. */
const MANY_CHUNKS = Array.from({ length: 2500 }, (_, i) => 1 + ((i * 7919) % 700));
/** So much that what is read ahead grows, in chunks of up to the longest there are. */
const LARGE_CHUNKS = Array.from({ length: 160 }, (_, i) => 20_000 + ((i * 104_729) % 236_000));

/** Of each four chunks one lies compressed at rest; one has been there before, elsewhere in the pack. */
async function writeBlob(store: Store, sizes: readonly number[]) {
  const parts: Uint8Array[] = [];
  const chunks: ChunkRef[] = [];
  await using writer = store.blobs.openChunkedWrite();
  for (const [i, size] of sizes.entries()) {
    const fresh = i % 4 === 1 ? new Uint8Array(size).fill(i) : randomBytes(size);
    const bytes = (i % 4 === 3 && parts[i - 3]) || fresh;
    const digest = Digest.of(bytes);
    parts.push(bytes);
    chunks.push({ digest, size: bytes.length });
    await writer.write([{ type: 'chunk', digest, bytes }]);
  }
  const bytes = Buffer.concat(parts);
  const digest = Digest.of(bytes);
  await writer.write([{ type: 'blob', digest, size: bytes.length, chunks }]);
  await writer.close();
  return { bytes, digest };
}

type Pieces = AsyncIterable<Uint8Array> | undefined;

/** One range, lent; without what stands for nothing. */
async function* lentPieces(
  store: Store,
  digest: Digest,
  { offset = 0, length = Number.POSITIVE_INFINITY }: ReadBlobOptions,
): AsyncGenerator<Uint8Array> {
  const range = { digest, offset, length };
  for await (const pieces of store.blobs.readRanges([range], { lent: true })) {
    for (const piece of pieces) {
      expect(piece.range).toBe(range);
      if (piece.bytes !== undefined && piece.bytes.length > 0) yield piece.bytes;
    }
  }
}

/** Copied as it comes, with time for what is read ahead to overwrite what must not be. */
async function copied(pieces: Pieces): Promise<Buffer> {
  const copies: Buffer[] = [];
  for await (const piece of pieces ?? []) {
    await new Promise(setImmediate);
    expect(piece.length).toBeGreaterThan(0);
    copies.push(Buffer.from(piece));
  }
  return Buffer.concat(copies);
}

/** Kept, and looked at only when all have come. */
async function kept(pieces: Pieces): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(pieces ?? []));
}

describe.each([
  ['many chunks', MANY_CHUNKS],
  ['large chunks', LARGE_CHUNKS],
  ['one chunk', [50_000]],
])('a blob of %s', (_, sizes) => {
  test('in any range', async () => {
    await using temporary = await temporaryStore();
    const { store } = temporary;
    const { bytes, digest } = await writeBlob(store, sizes);
    const total = bytes.length;
    const ranges = [
      [0, undefined],
      [0, total],
      [1, total - 2],
      [total - 1, 10],
      [total, 10],
      [total + 5, undefined],
      [10, 0],
      [Math.floor(total / 3), Math.floor(total / 3)],
      [(sizes[0] ?? 0) - 1, 2],
    ] as const;
    for (const [offset, length] of ranges) {
      const range: ReadBlobOptions = length === undefined ? { offset } : { offset, length };
      const expected = bytes.subarray(offset, offset + (length ?? total));
      const read = await kept(await store.blobs.read(digest, range));
      expect(read.equals(expected), `${offset} ${length}`).toBe(true);
      const lent = await copied(lentPieces(store, digest, range));
      expect(lent.equals(expected), `${offset} ${length}, lent`).toBe(true);
    }
  });

  test('in a NAR whose pieces are lent', async () => {
    await using temporary = await temporaryStore();
    const { store } = temporary;
    const { bytes, digest } = await writeBlob(store, sizes);
    const root: FileNode = { type: 'file', digest, size: bytes.length, executable: false };
    const layout = await NarLayout.of(root, store.directories);
    const nar = await kept(renderLayout(layout, store.blobs));
    const lent = await copied(renderLayout(layout, store.blobs, { lentPieces: true }));
    expect(lent.equals(nar)).toBe(true);
    expect(nar.indexOf(bytes)).toBeGreaterThan(0);
  });

  test('in a compressed NAR whose pieces are lent', async () => {
    await using temporary = await temporaryStore();
    const { blobs, directories } = temporary.store;
    const { bytes, digest } = await writeBlob(temporary.store, sizes);
    const root: FileNode = { type: 'file', digest, size: bytes.length, executable: false };
    const layout = await NarLayout.of(root, directories);
    const form = await zstdForm(layout, blobs);
    const one = await kept(renderNarZstd(layout, blobs, { form }));
    const lent = await copied(renderNarZstd(layout, blobs, { form, lentPieces: true }));
    expect(one.length).toBe(form.sizeBytes);
    expect(lent.equals(one)).toBe(true);
    const file: AsyncIterable<Uint8Array> = (async function* () {
      yield lent;
    })();
    const nar = await kept(decompress('zstd', file, { maxOutputBytes: bytes.length + 1000 }));
    expect(nar.equals(await kept(renderLayout(layout, blobs)))).toBe(true);
  });
});

test('a chunk that is gone is found out where it should be', async () => {
  await using temporary = await temporaryStore();
  const { store } = temporary;
  const here = randomBytes(1000);
  const gone = Digest.of(utf8('gone'));
  const blob = Digest.of(utf8('blob'));
  const chunks = Array.from({ length: 2000 }, () => ({ digest: Digest.of(here), size: 1000 }));
  await using writer = store.blobs.openChunkedWrite();
  await writer.write([{ type: 'chunk', digest: Digest.of(here), bytes: here }]);
  chunks[1500] = { digest: gone, size: 1000 };
  await writer.write([{ type: 'blob', digest: blob, size: 2_000_000, chunks }]);
  await writer.close();
  const begin = await kept(await store.blobs.read(blob, { length: 1_400_000 }));
  expect(begin.length).toBe(1_400_000);
  const whole = copied(await store.blobs.read(blob));
  await expect(whole).rejects.toMatchObject({
    code: 'BLOB_MISSING',
    facts: { digest: String(blob), chunk: String(gone) },
  });
});

test('leaving early gives back what is held', async () => {
  await using temporary = await temporaryStore();
  const { digest } = await writeBlob(temporary.store, LARGE_CHUNKS);
  for (let i = 0; i < 20; i++) {
    for await (const _ of lentPieces(temporary.store, digest, {})) break;
  }
});
