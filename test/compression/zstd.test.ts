/** What only zstd has: many frames, skippable ones, windows, dictionaries. */
import { constants as zlib, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { concatBytes, utf8 } from '../../src/bytes.ts';
import { DEFAULT_LIMITS } from '../../src/limits.ts';
import { noise, TEXT } from './codecs.ts';
import { decode, failure } from './collect.ts';
import { u32 } from './lz4Encoder.ts';

const MIB = 1024 * 1024;
const MAGIC = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd);
const text = zstdCompressSync(TEXT);

/** A frame of one raw block: `hello`, behind a header as it is wanted. */
function frame(...header: number[]): Uint8Array {
  const hello = utf8('hello');
  return concatBytes([
    MAGIC,
    Uint8Array.from(header),
    Uint8Array.of(1 | (hello.length << 3), 0, 0),
    hello,
  ]);
}

/** The descriptor of a window of 2^`log` bytes. */
const window = (log: number): number => (log - 10) << 3;

function skippable(content: Uint8Array, kind = 0): Uint8Array {
  return concatBytes([Uint8Array.of(0x50 + kind, 0x2a, 0x4d, 0x18), u32(content.length), content]);
}

describe('zstd accepts', () => {
  it('many frames in one piece, as Nix and our own server write them', async () => {
    const parts = Array.from({ length: 2000 }, (_, i) => utf8(`part ${i}\n`));
    const file = concatBytes(parts.map((part) => zstdCompressSync(part)));
    const content = Buffer.concat(parts);
    expect((await decode('zstd', file)).equals(content)).toBe(true);
    expect((await decode('zstd', file, { pieceBytes: 10_007 })).equals(content)).toBe(true);
  });

  it('frames of many blocks, raw, repeated and compressed', async () => {
    const letters = Uint8Array.from(noise(3 * MIB), (byte) => 0x61 + (byte & 7));
    const content = concatBytes([noise(3 * MIB), new Uint8Array(3 * MIB), letters]);
    const file = concatBytes([zstdCompressSync(content), zstdCompressSync(content)]);
    const decoded = await decode('zstd', file, { pieceBytes: 64 * 1024 });
    expect(decoded.equals(concatBytes([content, content]))).toBe(true);
  });

  it.each([
    ['before a frame', concatBytes([skippable(TEXT), text])],
    ['after a frame', concatBytes([text, skippable(TEXT, 15)])],
    ['of nothing', concatBytes([skippable(utf8('')), text, skippable(utf8(''))])],
    ['that look like a frame', concatBytes([skippable(text), text])],
    ['of some length', concatBytes([skippable(noise(300_000)), text, skippable(noise(300_000))])],
  ])('skippable frames %s', async (_, file) => {
    for (const pieceBytes of [16, file.length]) {
      expect(await decode('zstd', file, { pieceBytes })).toEqual(Buffer.from(TEXT));
    }
  });

  it('skippable frames and nothing else', async () => {
    expect(await decode('zstd', skippable(TEXT))).toHaveLength(0);
  });

  it.each([
    ['a window of 1 KiB', frame(0x00, window(10))],
    ['a window at the limit', frame(0x00, window(27))],
    ['a window and an eighth', frame(0x00, window(20) | 1)],
    ['a single segment of known size', frame(0x20, 5)],
    ['a size of 8 bytes', frame(0xe0, 5, 0, 0, 0, 0, 0, 0, 0)],
    ['a dictionary id of 0', frame(0x01, window(10), 0)],
  ])('%s', async (_, file) => {
    expect((await decode('zstd', file)).toString()).toBe('hello');
    expect((await decode('zstd', file, { pieceBytes: 1 })).toString()).toBe('hello');
  });

  it('windows above 128 MiB when they are allowed', async () => {
    const limits = { ...DEFAULT_LIMITS, decoderMemoryBytes: 512 * MIB };
    expect((await decode('zstd', frame(0x00, window(29)), { limits })).toString()).toBe('hello');
  });
});

describe('zstd refuses', () => {
  it.each([
    ['a window', frame(0x00, window(31)), 2 ** 31],
    ['a window by an eighth', frame(0x00, window(27) | 1), 144 * MIB],
    ['a single segment', frame(0xa0, 0, 0, 0, 0x40), 2 ** 30],
  ])('%s above the limit', async (_, file, actual) => {
    const error = await failure('zstd', file);
    expect(error.code).toBe('LIMIT_EXCEEDED');
    expect(error.facts).toEqual({
      compression: 'zstd',
      limit: 'decoderMemoryBytes',
      expected: DEFAULT_LIMITS.decoderMemoryBytes,
      actual: BigInt(actual),
      offset: MAGIC.length,
    });
  });

  it.each([
    ['a dictionary', frame(0x01, window(10), 7)],
    ['a reserved bit', frame(0x08, window(10))],
    ['a reserved kind of block', concatBytes([MAGIC, Uint8Array.of(0, 0, 7, 0, 0)])],
    ['a block of 2 MiB', concatBytes([MAGIC, Uint8Array.of(0, window(25), 4, 0, 0xff)])],
    ['a wrong size of the content', frame(0x20, 6)],
  ])('%s', async (_, file) => {
    expect(await failure('zstd', file)).toMatchObject({ code: 'COMPRESSION_INVALID' });
  });

  it('a skippable frame that is cut off', async () => {
    const file = concatBytes([text, skippable(TEXT)]);
    for (const length of [1, 3, 4, 7, 8, 100, TEXT.length + 7]) {
      const error = await failure('zstd', file.subarray(0, text.length + length));
      expect([length, error.code]).toEqual([length, 'COMPRESSION_TRUNCATED']);
    }
  });

  it('a wrong checksum in a frame that is not the last', async () => {
    const checked = zstdCompressSync(TEXT, { params: { [zlib.ZSTD_c_checksumFlag]: 1 } });
    const wrong = Uint8Array.from(checked);
    wrong[wrong.length - 1] = (wrong.at(-1) ?? 0) ^ 1;
    const error = await failure('zstd', concatBytes([checked, wrong, checked]));
    expect(error.code).toBe('COMPRESSION_INVALID');
  });
});
