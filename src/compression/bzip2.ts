/**
 * bzip2, decoded here: of the packages for it the only strict one, unbzip2-stream, takes 2.4 times
 * as long and knows no back-pressure.
 *
 *     data   = stream+                       the only alignment to bytes is at the end of a stream
 *     stream = "BZh" level("1".."9") block* 177245385090 crc:32
 *
 * {@link ./bzip2Block.ts} has the blocks. Both kinds of CRC-32 are checked: each block's, and the
 * stream's, which is made of them.
 */
import { utf8 } from '../bytes.ts';
import { BitReader } from './bitReader.ts';
import { Bzip2Block, maxBlockBytes } from './bzip2Block.ts';
import { type Decoder, OUTPUT_PIECE_BYTES } from './decoder.ts';
import type { CompressedInput } from './input.ts';

const MAGIC = utf8('BZh');
const HEADER_BYTES = 4;
/** The digits of pi, and of its square root: what a block and the end of a stream begin with. */
const BLOCK_MAGIC = [0x314159, 0x265359] as const;
const END_MAGIC = [0x177245, 0x385090] as const;

export const BZIP2: Decoder = {
  name: 'narthex',
  async *decode(input) {
    const block = new Bzip2Block();
    do yield* decodeStream(input, block);
    while (!(await input.atEnd()));
  },
};

async function* decodeStream(
  input: CompressedInput,
  block: Bzip2Block,
): AsyncGenerator<Uint8Array, void, undefined> {
  await input.fill(HEADER_BYTES);
  input.checkMagic(input.buffered.subarray(0, MAGIC.length), MAGIC);
  const level = ((await input.take(HEADER_BYTES))[MAGIC.length] ?? 0) - 0x30;
  if (level < 1 || level > 9) throw input.invalid('there is no such block size');

  block.begin(level);
  let streamCrc = 0;
  /** Bits of the first buffered byte that belong to what was before. */
  let usedBits = 0;
  for (;;) {
    const more = await input.fill(maxBlockBytes(level));
    const bits = new BitReader(input.buffered, usedBits);
    const magic = [bits.read(24), bits.read(24)] as const;
    let problem: string | undefined;
    const isEnd = equal(magic, END_MAGIC);
    if (isEnd) {
      if (bits.read32() !== streamCrc) problem = 'checksum of a stream wrong';
    } else if (equal(magic, BLOCK_MAGIC)) {
      problem = block.parse(bits);
    } else {
      problem = 'there is neither a block nor an end';
    }
    // beyond the end of its bytes the reader gives zeros, so this comes first
    if (bits.overrun) throw more ? input.invalid('a block is too long') : input.truncated();
    if (problem !== undefined) throw input.invalid(problem);

    if (isEnd) {
      input.consume(Math.ceil(bits.position / 8));
      return;
    }
    input.consume(Math.floor(bits.position / 8));
    usedBits = bits.position % 8;
    yield* contents(block);
    if (!block.checksumHolds) throw input.invalid('checksum of a block wrong');
    streamCrc = ((streamCrc << 1) | (streamCrc >>> 31)) ^ block.storedCrc;
  }
}

function* contents(block: Bzip2Block): Generator<Uint8Array, void, undefined> {
  const pieceBytes = Math.min(OUTPUT_PIECE_BYTES, block.maxContentBytes);
  for (;;) {
    const piece = new Uint8Array(pieceBytes);
    const length = block.read(piece);
    if (length > 0) yield piece.subarray(0, length);
    if (length < piece.length) return;
  }
}

function equal(a: readonly [number, number], b: readonly [number, number]): boolean {
  return a[0] === b[0] && a[1] === b[1];
}
