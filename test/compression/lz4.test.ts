/** What only lz4 has: options of frames, blocks that refer to those before. */
import { describe, expect, it } from 'vitest';
import { concatBytes, utf8 } from '../../src/bytes.ts';
import { decodeLz4Block } from '../../src/compression/lz4Block.ts';
import { XxHash32, xxHash32 } from '../../src/compression/xxHash32.ts';
import { noise, TEXT } from './codecs.ts';
import { decode, failure } from './collect.ts';
import { lz4Frame, u32 } from './lz4Encoder.ts';

const MAGIC = Uint8Array.of(0x04, 0x22, 0x4d, 0x18);

/** A frame of these blocks as they are, that may refer to those before. */
function linkedFrame(...blocks: number[][]): Uint8Array {
  const fields = Uint8Array.of(0x40, 0x40);
  const check = Uint8Array.of((xxHash32(fields) >>> 8) & 0xff);
  const framed = blocks.flatMap((block) => [u32(block.length), Uint8Array.from(block)]);
  return concatBytes([MAGIC, fields, check, ...framed, u32(0)]);
}

const LETTERS = [...utf8('abcdefgh')];
/** 8 literals, and nothing else. */
const LITERALS = [0x80, ...LETTERS];
/** No literals; 8 bytes from `offset` back; then 1 literal. */
const match = (offset: number): number[] => [0x04, offset, 0, 0x10, 0x7a];

describe('lz4 accepts', () => {
  const long = concatBytes([TEXT, noise(100_000), new Uint8Array(200_000), TEXT, noise(70_000)]);

  it.each([
    ['blocks of 64 KiB', { sizeCode: 4 }],
    ['blocks of 1 MiB', { sizeCode: 6 }],
    ['blocks with checksums', { sizeCode: 4, blockChecks: true }],
    ['no checksum', { contentCheck: false }],
    ['the size of the content', { contentSize: BigInt(long.length) }],
    ['stored blocks', { sizeCode: 4, stored: true, blockChecks: true }],
  ])('frames with %s', async (_, options) => {
    const file = lz4Frame(long, options);
    for (const pieceBytes of [1009, file.length]) {
      expect((await decode('lz4', file, { pieceBytes })).equals(long)).toBe(true);
    }
  });

  it('blocks that refer to those before', async () => {
    const file = linkedFrame(LITERALS, match(8), match(9));
    expect((await decode('lz4', file)).toString()).toBe('abcdefgh' + 'abcdefghz' + 'abcdefghz');
  });

  it('skippable frames', async () => {
    const skippable = concatBytes([Uint8Array.of(0x5a, 0x2a, 0x4d, 0x18), u32(5), utf8('12345')]);
    const file = concatBytes([skippable, lz4Frame(TEXT), skippable, skippable]);
    expect(await decode('lz4', file, { pieceBytes: 3 })).toEqual(Buffer.from(TEXT));
    expect(await failure('lz4', file.subarray(0, -1))).toMatchObject({
      code: 'COMPRESSION_TRUNCATED',
    });
  });
});

describe('lz4 refuses', () => {
  it.each([
    ['a dictionary', lz4Frame(TEXT, { dictionaryId: 1 })],
    ['a wrong size of the content', lz4Frame(TEXT, { contentSize: 703n, contentCheck: false })],
    ['blocks above 4 MiB', lz4Frame(TEXT, { sizeCode: 8 })],
    ['blocks below 64 KiB', lz4Frame(TEXT, { sizeCode: 3 })],
    ['the frame of before 2013', Uint8Array.of(0x02, 0x21, 0x4c, 0x18, 0, 0, 0, 0)],
    ['a match before the start', linkedFrame(LITERALS, match(9))],
    ['a match into another frame', concatBytes([linkedFrame(LITERALS), linkedFrame(match(8))])],
    ['a match from no distance', linkedFrame(LITERALS, match(0))],
    ['a block that ends in a match', linkedFrame([...LITERALS.with(0, 0x84), 8, 0])],
    ['a block that ends in a length', linkedFrame([0xf0, 0xff, 0xff])],
    ['a block of nothing but zeros', linkedFrame(new Array(100).fill(0))],
  ])('%s', async (_, file) => {
    expect(await failure('lz4', file)).toMatchObject({ code: 'COMPRESSION_INVALID' });
  });

  it('a block whose checksum is wrong, although the content is not checked', async () => {
    const file = lz4Frame(TEXT, { blockChecks: true, contentCheck: false });
    const at = file.length - 4 - 1; // before the end mark
    file[at] = (file[at] ?? 0) ^ 1;
    const error = await failure('lz4', file);
    expect(error.message).toContain('checksum of a block');
  });

  it('blocks that decode to more than the frame allows', () => {
    const output = new Uint8Array(20);
    const run = [0x1f, 0x61, 1, 0, 0, 0x50, ...utf8('12345')]; // 1 + 19 + 5
    expect(decodeLz4Block(Uint8Array.from(run), output, 0, 0)).toBeUndefined();
    expect(decodeLz4Block(Uint8Array.from(run), new Uint8Array(25), 0, 0)).toBe(25);
  });
});

describe('xxHash32', () => {
  it.each([
    ['', 0x02cc5d05],
    ['a', 0x550d7456],
    ['abc', 0x32d153ff],
    ['Nobody inspects the spammish repetition', 0xe2293b2f],
  ])('of %j', (text, hash) => {
    expect(xxHash32(utf8(text))).toBe(hash);
  });

  it('is the same however the bytes come', () => {
    const bytes = noise(1000);
    for (const size of [1, 3, 15, 16, 17, 100]) {
      const hash = new XxHash32();
      for (let at = 0; at < bytes.length; at += size) hash.update(bytes.subarray(at, at + size));
      expect(hash.digest()).toBe(xxHash32(bytes));
    }
  });
});
