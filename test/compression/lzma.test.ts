/** What only LZMA alone and lzip have: sizes known and unknown, end markers, trailers. */
import { lzma } from '@napi-rs/lzma';
import { describe, expect, it } from 'vitest';
import { concatBytes } from '../../src/bytes.ts';
import { DEFAULT_LIMITS } from '../../src/limits.ts';
import { lzipMember, noise, TEXT } from './codecs.ts';
import { decode, failure } from './collect.ts';
import { lzmaFile } from './lzmaEncoder.ts';

const MIB = 1024 * 1024;
const size = BigInt(TEXT.length);

/** `file` with the byte at `at` replaced; from the end if that is negative. */
function patched(file: Uint8Array, at: number, byte: number): Uint8Array {
  return Uint8Array.from(file).with(at, byte);
}

describe('lzma accepts', () => {
  it.each([
    ['an unknown size and an end marker', { endMarker: true }],
    ['a known size and no end marker', { size, endMarker: false }],
    ['a known size and an end marker', { size, endMarker: true }],
    ['a dictionary of 0 bytes', { endMarker: true, dictionaryBytes: 0 }],
  ])('%s', async (_, options) => {
    const file = lzmaFile(TEXT, options);
    for (const pieceBytes of [1, 13, file.length]) {
      expect(await decode('lzma', file, { pieceBytes })).toEqual(Buffer.from(TEXT));
    }
  });

  it('the encoder of these tests writes what another decoder reads', () => {
    expect(lzma.decompressSync(lzmaFile(TEXT, { endMarker: true }))).toEqual(Buffer.from(TEXT));
    const sized = lzmaFile(TEXT, { size, endMarker: false });
    expect(lzma.decompressSync(sized)).toEqual(Buffer.from(TEXT));
  });

  it('matches of all distances, and output longer than the dictionary', async () => {
    const part = noise(700_000);
    const content = concatBytes(Array.from({ length: 30 }, (_, i) => part.subarray(0, i * 24_000)));
    const file = lzma.compressSync(content); // a dictionary of 8 MiB
    expect(content.length).toBeGreaterThan(8 * MIB);
    expect((await decode('lzma', file, { pieceBytes: 65_536 })).equals(content)).toBe(true);
  });
});

describe('lzma refuses', () => {
  it.each([
    ['a size that is too small', lzmaFile(TEXT, { size: size - 1n, endMarker: true }), 'INVALID'],
    ['a size that is too large', lzmaFile(TEXT, { size: size + 1n, endMarker: true }), 'INVALID'],
    ['neither size nor end marker', lzmaFile(TEXT, { endMarker: false }), 'TRUNCATED'],
    ['properties that are none', patched(lzmaFile(TEXT, { endMarker: true }), 0, 225), 'INVALID'],
    ['a size of 2^63', lzmaFile(TEXT, { size: 2n ** 63n, endMarker: true }), 'INVALID'],
    ['a first byte that is not 0', patched(lzmaFile(TEXT, { endMarker: true }), 13, 1), 'INVALID'],
  ])('%s', async (_, file, kind) => {
    expect(await failure('lzma', file)).toMatchObject({ code: `COMPRESSION_${kind}` });
  });

  it('a dictionary above the limit', async () => {
    const file = lzmaFile(TEXT, { endMarker: true, dictionaryBytes: 2 ** 32 - 1 });
    expect(await failure('lzma', file)).toMatchObject({
      code: 'LIMIT_EXCEEDED',
      facts: {
        compression: 'lzma',
        limit: 'decoderMemoryBytes',
        expected: DEFAULT_LIMITS.decoderMemoryBytes,
        actual: 2 ** 32 - 1,
      },
    });
  });
});

describe('lzip', () => {
  const member = lzipMember(TEXT);

  it('takes dictionaries of a power of two less sixteenths', async () => {
    expect(await decode('lzip', lzipMember(TEXT, 12))).toEqual(Buffer.from(TEXT));
    expect(await decode('lzip', lzipMember(TEXT, 13 | (7 << 5)))).toEqual(Buffer.from(TEXT));
  });

  it.each([
    ['version', patched(member, 4, 0)],
    ['dictionary below 4 KiB', patched(member, 5, 11)],
    ['dictionary of 4 KiB less a sixteenth', patched(member, 5, 12 | (1 << 5))],
    ['dictionary above 512 MiB', patched(member, 5, 30)],
    ['checksum', patched(member, -20, 0)],
    ['size', patched(member, -16, 0)],
    ['size of the member', patched(member, -8, 0)],
  ])('refuses a wrong %s', async (_, file) => {
    expect(await failure('lzip', file)).toMatchObject({ code: 'COMPRESSION_INVALID' });
  });

  it('refuses a dictionary above the limit', async () => {
    expect(await failure('lzip', concatBytes([member, lzipMember(TEXT, 29)]))).toMatchObject({
      code: 'LIMIT_EXCEEDED',
      facts: { compression: 'lzip', actual: 512 * MIB, offset: member.length },
    });
  });
});
