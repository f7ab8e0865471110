import { zstdDecompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { encodedRecords, encodeJoined } from '../../src/workers/encodeTask.ts';
import { gatheringEncoder } from '../../src/workers/recordGathering.ts';
import { noise } from '../compression/codecs.ts';

const LEVEL = 1;

/** Records of all kinds: short, long, compressible or not. */
function records(): Uint8Array[] {
  const prose = Buffer.from(
    'in the entrance hall one gathers before going further in; '.repeat(9_000),
  );
  const lengths = [0, 1, 63, 64, 140, 5_000, 100_000, 16, 262_144, 262_144, 262_144, 600_000, 3];
  return lengths.flatMap((length) => [
    new Uint8Array(noise(length)),
    new Uint8Array(prose.subarray(0, length)),
  ]);
}

describe('gatheringEncoder', () => {
  test('gives each record as it lies at rest, whatever it is gathered with', async () => {
    const encode = gatheringEncoder(async (joined) => encodedRecords(encodeJoined(joined, LEVEL)));
    const expected = records();
    const encodings = await Promise.all(
      expected.map(async (record) => {
        const raw = new Uint8Array(record);
        const encoded = encode(raw);
        raw.fill(0); // what is needed of it was copied
        return await encoded;
      }),
    );
    for (const [i, { encoding, bytes }] of encodings.entries()) {
      const raw = encoding === 'zstd' ? zstdDecompressSync(bytes) : bytes;
      expect(Buffer.compare(raw, expected[i] ?? Buffer.alloc(0))).toBe(0);
    }
    const kinds = new Set(encodings.map(({ encoding }) => encoding));
    expect(kinds).toEqual(new Set(['raw', 'zstd']));
  });

  test('what is asked for at the same time is encoded together, and no more than fits a block', async () => {
    const counts: number[] = [];
    const encode = gatheringEncoder(async (joined) => {
      counts.push(joined.lengths.length);
      return encodedRecords(encodeJoined(joined, LEVEL));
    });
    await Promise.all(Array.from({ length: 50 }, () => encode(noise(1_000))));
    expect(counts).toEqual([50]);
    await Promise.all(Array.from({ length: 5 }, () => encode(noise(200_000))));
    expect(counts.slice(1)).toEqual([2, 2, 1]);
  });

  test('a failure is that of all that were gathered, and of no other', async () => {
    let fails = true;
    const encode = gatheringEncoder(async (joined) => {
      if (fails) throw new Error('no thread');
      return encodedRecords(encodeJoined(joined, LEVEL));
    });
    const failed = await Promise.allSettled([encode(noise(10)), encode(noise(10))]);
    expect(failed.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    fails = false;
    expect(await encode(noise(10))).toMatchObject({ encoding: 'raw' });
  });
});
