import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concatBytes } from '../../src/bytes.ts';
import {
  CHUNK_AVERAGE_BYTES,
  CHUNK_MAX_BYTES,
  CHUNK_MIN_BYTES,
  Chunker,
  findChunkEnd,
} from '../../src/castore/chunker.ts';
import { Digest } from '../../src/castore/digest.ts';
import { noise, prose } from '../contracts/sampleBytes.ts';
import { plainChunkEnd } from './gearReference.ts';

/** The chunks of a blob that is fed in pieces of so many bytes, taken in turn. */
function chunksOf(bytes: Uint8Array, pieces: readonly number[] = [bytes.length]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  const chunker = new Chunker((chunk) => chunks.push(chunk));
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const length = pieces[turn % pieces.length] ?? 1;
    chunker.push(bytes.subarray(at, at + length));
    at += length;
  }
  chunker.finish();
  return chunks;
}

const hexOf = (chunks: readonly Uint8Array[]) => chunks.map((chunk) => Digest.of(chunk).hex);

const NOISE = noise(4_000_000, 99);

describe('chunks', () => {
  test('joined are the blob, and within the bounds', () => {
    for (const bytes of [NOISE, prose(1_000_000), new Uint8Array(1_000_000)]) {
      const chunks = chunksOf(bytes);
      expect(Buffer.compare(concatBytes(chunks), bytes)).toBe(0);
      for (const chunk of chunks) expect(chunk.length).toBeLessThanOrEqual(CHUNK_MAX_BYTES);
      for (const chunk of chunks.slice(0, -1)) {
        expect(chunk.length).toBeGreaterThanOrEqual(CHUNK_MIN_BYTES);
      }
    }
  });

  test('have about the average length', () => {
    const average = NOISE.length / chunksOf(NOISE).length;
    expect(average).toBeGreaterThan(CHUNK_AVERAGE_BYTES * 0.7);
    expect(average).toBeLessThan(CHUNK_AVERAGE_BYTES * 1.5);
  });

  test('do not depend on how the blob comes', () => {
    const bytes = NOISE.subarray(0, 600_000);
    const expected = hexOf(chunksOf(bytes));
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 400_000 }), { minLength: 1, maxLength: 5 }),
        (pieces) => {
          expect(hexOf(chunksOf(bytes, pieces))).toEqual(expected);
        },
      ),
      { numRuns: 30, examples: [[[1]]] },
    );
  });

  test('are those of a plain loop', () => {
    for (const bytes of [NOISE, prose(1_000_000), new Uint8Array(1_000_000)]) {
      for (let rest = bytes, i = 0; rest.length > 0; i++) {
        const end = plainChunkEnd(rest);
        expect(findChunkEnd(rest), `chunk ${i}`).toBe(end);
        rest = rest.subarray(end);
      }
    }
  });

  test('are the same again soon after a change', () => {
    const before = hexOf(chunksOf(NOISE));
    const after = new Set(
      hexOf(chunksOf(concatBytes([NOISE.subarray(0, 777), prose(33), NOISE.subarray(777)]))),
    );
    expect(before.filter((chunk) => !after.has(chunk)).length).toBeLessThanOrEqual(3);
  });

  test.each([
    ['nothing', 0, []],
    ['a byte', 1, [1]],
    ['the least length', CHUNK_MIN_BYTES, [CHUNK_MIN_BYTES]],
    ['the greatest length of what has no cut', CHUNK_MAX_BYTES, [CHUNK_MAX_BYTES]],
    ['a byte more', CHUNK_MAX_BYTES + 1, [CHUNK_MAX_BYTES, 1]],
  ])('of %s', (_, length, lengths) => {
    expect(chunksOf(new Uint8Array(length)).map((chunk) => chunk.length)).toEqual(lengths);
  });

  test('have memory of their own, and the chunker serves the next blob', () => {
    const chunks: Uint8Array[] = [];
    const chunker = new Chunker((chunk) => chunks.push(chunk));
    const piece = noise(1000, 1);
    chunker.push(piece);
    chunker.finish();
    const first = Uint8Array.from(chunks[0] ?? []);
    piece.fill(0);
    chunker.push(prose(1000));
    chunker.finish();
    expect(chunks[0]).toEqual(first);
    expect(chunks[1]).toEqual(prose(1000));
  });
});

test('where a chunk ends depends on its own bytes alone', () => {
  const end = findChunkEnd(NOISE);
  expect(findChunkEnd(NOISE.subarray(0, CHUNK_MAX_BYTES))).toBe(end);
  expect(findChunkEnd(NOISE.subarray(0, end))).toBe(end);
});
