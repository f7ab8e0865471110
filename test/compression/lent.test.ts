/** Pieces that last, and pieces that are lent: good until the next is asked for. */
import { brotliCompressSync, gzipSync, constants as zlib, zstdCompressSync } from 'node:zlib';
import { xz } from '@napi-rs/lzma';
import { describe, expect, it } from 'vitest';
import { type Compression, decompress } from '../../src/compression/compression.ts';
import { DECODERS, type DecoderTable } from '../../src/compression/decoders.ts';
import { noise } from './codecs.ts';
import { pieces } from './collect.ts';
import { XZ_TABLES } from './xzTables.ts';

const CONTENT = noise(2 * 1024 * 1024);
const BROTLI_FAST = { params: { [zlib.BROTLI_PARAM_QUALITY]: 0 } };
const XZ = xz.compressSync(CONTENT);

/** What has more than one way to give memory out. */
const CASES: readonly (readonly [string, Compression, Uint8Array, DecoderTable])[] = [
  ['zstd', 'zstd', zstdCompressSync(CONTENT), DECODERS],
  ['gzip', 'gzip', gzipSync(CONTENT), DECODERS],
  ['br', 'br', brotliCompressSync(CONTENT, BROTLI_FAST), DECODERS],
  ...XZ_TABLES.map(([name, decoders]) => [`xz by ${name}`, 'xz', XZ, decoders] as const),
];

describe.each(CASES)('%s', (_, compression, file, decoders) => {
  it.each([16_384, 70_000, file.length])('in pieces of %i bytes', async (pieceBytes) => {
    const decoded = (lent: boolean) =>
      decompress(compression, pieces(file, pieceBytes), {
        ...{ maxOutputBytes: CONTENT.length, decoders, lent },
      });
    expect(Buffer.concat(await Array.fromAsync(decoded(false))).equals(CONTENT)).toBe(true);
    const copies: Uint8Array[] = [];
    for await (const piece of decoded(true)) copies.push(Uint8Array.from(piece));
    expect(Buffer.concat(copies).equals(CONTENT)).toBe(true);
  });
});

it('blocks of node:zlib that are lent are given back', async () => {
  const options = { maxOutputBytes: CONTENT.length, lent: true };
  const lent = await Array.fromAsync(
    decompress('zstd', pieces(zstdCompressSync(CONTENT)), options),
  );
  expect(lent.filter(({ length }) => length === 0).length).toBeGreaterThan(lent.length / 2);
});
