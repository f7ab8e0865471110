/** What every BlobService does (src/castore/blobService.ts), as tests. */
import { zstdDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concatBytes, EMPTY } from '../../src/bytes.ts';
import type { BlobService, Chunk, ChunkedBlob } from '../../src/castore/blobService.ts';
import { Chunker } from '../../src/castore/chunker.ts';
import { Digest } from '../../src/castore/digest.ts';
import { readRanges } from '../../src/castore/readRanges.ts';
import { bytesOf, itemsOf } from './collect.ts';
import { noise, prose } from './sampleBytes.ts';

/** A service for one test. */
export interface OpenBlobService extends AsyncDisposable {
  readonly service: BlobService;
}

const BLOBS: readonly (readonly [name: string, bytes: Uint8Array])[] = [
  ['the empty blob', EMPTY],
  ['one byte', Uint8Array.of(0)],
  ['a few bytes', prose(100)],
  ['a page', prose(4096)],
  ['just under the smallest chunk', noise(16 * 1024 - 1)],
  ['just the largest chunk', new Uint8Array(256 * 1024)],
  ['one byte more than the largest chunk', new Uint8Array(256 * 1024 + 1)],
  ['a megabyte of noise', noise(1_000_000)],
  ['a megabyte of prose', prose(1_000_000)],
];

/** Writes a blob in pieces of `pieceBytes`. */
export async function writeBlob(
  service: BlobService,
  bytes: Uint8Array,
  pieceBytes = bytes.length || 1,
): Promise<Digest> {
  await using writer = service.openWrite();
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    await writer.write(bytes.subarray(at, at + pieceBytes));
  }
  return (await writer.close()).digest;
}

/** A blob as the parts that a chunked writer takes. */
export function partsOf(bytes: Uint8Array): (Chunk | ChunkedBlob)[] {
  const chunks: Chunk[] = [];
  const chunker = new Chunker((cut) =>
    chunks.push({ type: 'chunk', digest: Digest.of(cut), bytes: cut }),
  );
  chunker.push(bytes);
  chunker.finish();
  const refs = chunks.map((chunk) => ({ digest: chunk.digest, size: chunk.bytes.length }));
  return [...chunks, { type: 'blob', digest: Digest.of(bytes), size: bytes.length, chunks: refs }];
}

/** Runs the contract. */
export function blobServiceContract(name: string, open: () => Promise<OpenBlobService>): void {
  describe(`${name} as a BlobService`, () => {
    test.each(BLOBS)('keeps %s', async (_, bytes) => {
      await using opened = await open();
      const { service } = opened;
      const digest = await writeBlob(service, bytes);
      expect(digest.hex).toBe(Digest.of(bytes).hex);
      expect(await service.has(digest)).toBe(true);
      const stat = await service.stat(digest);
      expect(stat?.size).toBe(bytes.length);
      expect(stat?.chunks.reduce((sum, { size }) => sum + size, 0)).toBe(bytes.length);
      const pieces = await itemsOf((await service.read(digest)) ?? (async function* () {})());
      expect(pieces.every((piece) => piece.length > 0)).toBe(true);
      expect(Buffer.compare(concatBytes(pieces), bytes)).toBe(0);
    });

    test('does not have what was not written', async () => {
      await using opened = await open();
      const { service } = opened;
      const digest = Digest.of(prose(10));
      expect(await service.has(digest)).toBe(false);
      expect(await service.stat(digest)).toBeUndefined();
      expect(await service.read(digest)).toBeUndefined();
      const range = { digest, offset: 0, length: 5 };
      expect(await itemsOf(readRanges(service, [range]))).toEqual([[{ range, bytes: undefined }]]);
      expect(await service.statEncoded?.(digest)).toBeUndefined();
    });

    test('always has the empty blob', async () => {
      await using opened = await open();
      const { service } = opened;
      const digest = Digest.of(EMPTY);
      expect(await service.has(digest)).toBe(true);
      expect(await service.stat(digest)).toEqual({ size: 0, chunks: [] });
      expect(await bytesOf(await service.read(digest))).toHaveLength(0);
    });

    test('reads any range', async () => {
      await using opened = await open();
      const { service } = opened;
      const bytes = noise(700_000, 7);
      const digest = await writeBlob(service, bytes);
      const position = fc.nat({ max: bytes.length + 10 });
      await fc.assert(
        fc.asyncProperty(position, position, async (offset, length) => {
          const read = await bytesOf(await service.read(digest, { offset, length }));
          expect(Buffer.compare(read, bytes.subarray(offset, offset + length))).toBe(0);
        }),
        {
          numRuns: 40,
          examples: [
            [0, 0],
            [0, 1],
            [699_999, 1],
            [700_000, 5],
            [0, 700_000],
          ],
        },
      );
      const tail = await bytesOf(await service.read(digest, { offset: 650_000 }));
      expect(Buffer.compare(tail, bytes.subarray(650_000))).toBe(0);
    });

    test('reads many ranges in one stream', async () => {
      await using opened = await open();
      const { service } = opened;
      const blobs = [EMPTY, prose(10), prose(300, 2), noise(50_000, 3), prose(700_000, 4)];
      for (const blob of blobs) await writeBlob(service, blob);
      const position = fc.oneof(fc.nat({ max: 400 }), fc.nat({ max: 700_010 }));
      const bytes = fc.constantFrom(...blobs);
      const range = fc.record({ bytes, offset: position, length: position });
      const asked = fc.array(range, { maxLength: 12 });
      await fc.assert(
        fc.asyncProperty(asked, fc.boolean(), async (wanted, lent) => {
          const ranges = wanted.map((one) => ({ ...one, digest: Digest.of(one.bytes) }));
          const read = new Map<object, Uint8Array[]>();
          for await (const pieces of readRanges(service, ranges, { lent })) {
            for (const { range, bytes = EMPTY } of pieces) {
              // lent ones are used again
              read.set(range, [...(read.get(range) ?? []), Buffer.from(bytes)]);
            }
          }
          // in order, each of them
          expect([...read.keys()]).toEqual(ranges);
          for (const range of ranges) {
            const { bytes, offset, length } = range;
            const actual = concatBytes(read.get(range) ?? []);
            expect(Buffer.compare(actual, bytes.subarray(offset, offset + length))).toBe(0);
          }
        }),
        { numRuns: 30 },
      );
    });

    test('reads ranges that are asked for as they are needed, and lets go of them', async () => {
      await using opened = await open();
      const { service } = opened;
      const digest = await writeBlob(service, prose(500_000));
      let asked = 0;
      let left = false;
      async function* ranges() {
        try {
          for (;;) {
            asked++;
            yield { digest, offset: 0, length: 500_000 };
          }
        } finally {
          left = true;
        }
      }
      for await (const _ of readRanges(service, ranges())) break;
      expect(asked).toBeLessThan(20);
      expect(left).toBe(true);
    });

    test.each([1, 1000, 65_536])(
      'takes pieces of %i bytes, reused after each write',
      async (size) => {
        await using opened = await open();
        const { service } = opened;
        const bytes = noise(size === 1 ? 20_000 : 300_000, 3);
        await using writer = service.openWrite();
        const piece = new Uint8Array(size);
        for (let at = 0; at < bytes.length; at += size) {
          const taken = bytes.subarray(at, at + size);
          piece.set(taken);
          await writer.write(piece.subarray(0, taken.length));
          piece.fill(0xee);
        }
        const { digest } = await writer.close();
        const read = await bytesOf(await service.read(digest));
        expect(Buffer.compare(read, bytes)).toBe(0);
      },
    );

    test('takes the same blob twice, also at the same time', async () => {
      await using opened = await open();
      const { service } = opened;
      const bytes = prose(400_000, 9);
      const digests = await Promise.all([1, 2, 3].map(() => writeBlob(service, bytes, 10_000)));
      expect(new Set(digests.map(({ hex }) => hex))).toEqual(new Set([Digest.of(bytes).hex]));
      expect(Buffer.compare(await bytesOf(await service.read(Digest.of(bytes))), bytes)).toBe(0);
    });

    test.each([1000, 600_000])('shows nothing of an abandoned blob of %i bytes', async (length) => {
      await using opened = await open();
      const { service } = opened;
      const bytes = noise(length, 11);
      {
        await using writer = service.openWrite();
        await writer.write(bytes);
      }
      expect(await service.has(Digest.of(bytes))).toBe(false);
      for (const part of partsOf(bytes)) expect(await service.has(part.digest)).toBe(false);
      await writeBlob(service, bytes);
      expect(await service.has(Digest.of(bytes))).toBe(true);
    });

    test('gives up a read that is left early', async () => {
      await using opened = await open();
      const { service } = opened;
      const digest = await writeBlob(service, noise(2_000_000, 5));
      for await (const piece of (await service.read(digest)) ?? []) {
        expect(piece.length).toBeGreaterThan(0);
        break;
      }
      expect(await service.has(digest)).toBe(true);
    });

    test('rejects with the reason of an aborted signal', async () => {
      await using opened = await open();
      const { service } = opened;
      const reason = new Error('no longer wanted');
      const options = { signal: AbortSignal.abort(reason) };
      const digest = await writeBlob(service, prose(100));
      await expect(service.has(digest, options)).rejects.toBe(reason);
      await expect(service.stat(digest, options)).rejects.toBe(reason);
      await expect(service.read(digest, options)).rejects.toBe(reason);
      const ranges = [{ digest, offset: 0, length: 100 }];
      await expect(itemsOf(readRanges(service, ranges, options))).rejects.toBe(reason);
      await using writer = service.openWrite(options);
      await expect(writer.write(prose(5))).rejects.toBe(reason);
    });

    test('takes blobs that are cut already, if it keeps chunks', async () => {
      await using opened = await open();
      const { service } = opened;
      if (service.openChunkedWrite === undefined) return;
      const blobs = [prose(10), noise(500_000, 21), EMPTY, prose(300_000, 22)];
      await using writer = service.openChunkedWrite();
      for (const blob of blobs) {
        const parts = partsOf(new Uint8Array(blob));
        await writer.write(parts);
        for (const part of parts) if (part.type === 'chunk') part.bytes.fill(0); // used again
      }
      await writer.close();
      for (const blob of blobs) {
        const read = await bytesOf(await service.read(Digest.of(blob)));
        expect(Buffer.compare(read, blob)).toBe(0);
      }
    });

    test('gives out chunks as they lie, if they are zstd frames', async () => {
      await using opened = await open();
      const { service } = opened;
      if (service.statEncoded === undefined) return;
      for (const bytes of [prose(500_000, 31), noise(500_000, 32), prose(20)]) {
        const digest = await writeBlob(service, bytes);
        const decoded: Uint8Array[] = [];
        for (const chunk of (await service.statEncoded(digest)) ?? []) {
          const encoded = (await service.readEncoded?.(chunk)) ?? EMPTY;
          expect(encoded).toHaveLength(chunk.encodedSize);
          const raw = chunk.encoding === 'zstd' ? zstdDecompressSync(encoded) : encoded;
          expect(raw).toHaveLength(chunk.size);
          decoded.push(raw);
        }
        expect(Buffer.compare(concatBytes(decoded), bytes)).toBe(0);
      }
    });
  });
}
