import { zstdDecompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { rawFrame, rawFrameBytes } from '../../src/render/zstdFrame.ts';

/** Bytes of a frame that are not its content: magic 4, descriptor 1, content size, 3 a block. */
const SIZES: readonly (readonly [name: string, size: number, overhead: number])[] = [
  ['nothing', 0, 4 + 1 + 1 + 3],
  ['the most that one byte counts', 255, 4 + 1 + 1 + 3],
  ['the least that two bytes count', 256, 4 + 1 + 2 + 3],
  ['the most that two bytes count', 65_791, 4 + 1 + 2 + 3],
  ['the least that four bytes count', 65_792, 4 + 1 + 4 + 3],
  ['a whole block', 131_072, 4 + 1 + 4 + 3],
  ['a block and a byte', 131_073, 4 + 1 + 4 + 2 * 3],
  ['the largest chunk', 262_144, 4 + 1 + 4 + 2 * 3],
];

describe('rawFrame', () => {
  test.each(SIZES)('%s: %i bytes', (_, size, overhead) => {
    const content = Buffer.from(Array.from({ length: size }, (_, i) => (i * 7) & 255));
    const frame = rawFrame(content);
    expect(frame.length).toBe(size + overhead);
    expect(rawFrameBytes(size)).toBe(size + overhead);
    expect(zstdDecompressSync(frame).equals(content)).toBe(true);
  });

  test('a frame of one byte, byte by byte', () => {
    expect(Buffer.from(rawFrame(Buffer.from('a'))).toString('hex')).toBe(
      '28b52ffd' + // magic
        '20' + // single segment, content size of one byte
        '01' + // content size
        '090000' + // last block, raw, one byte
        '61',
    );
  });
});
