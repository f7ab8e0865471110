/**
 * lz4 frames (lz4_Frame_format.md), decoded here: the packages for it drop all frames but the first.
 *
 *     data  = (frame | skippable)+
 *     frame = 04224D18 flags(1) sizes(1) contentSize(0|8) dictionaryId(0|4) headerCheck(1)
 *             (size(4) block check(0|4))* 00000000 contentCheck(0|4)          (little-endian)
 *
 * All checks are xxHash32, and checked. Those of blocks and content are optional; `lz4` and Nix
 * write that of the content. The legacy frame of before 2013 is refused.
 */
import { EMPTY } from '../bytes.ts';
import type { Decoder } from './decoder.ts';
import type { CompressedInput } from './input.ts';
import { decodeLz4Block, LZ4_WINDOW_BYTES } from './lz4Block.ts';
import { isSkippable, SKIPPABLE_HEADER_BYTES, skippableBytes } from './skippableFrame.ts';
import { XxHash32, xxHash32 } from './xxHash32.ts';

const MAGIC = Uint8Array.of(0x04, 0x22, 0x4d, 0x18);
const VERSION = 1;
const STORED = 0x8000_0000;

export const LZ4: Decoder = {
  name: 'narthex',
  async *decode(input) {
    const memory = new WindowMemory();
    while (await input.fill(1)) {
      await input.fill(MAGIC.length);
      const magic = input.buffered.subarray(0, MAGIC.length);
      if (isSkippable(magic)) await skipFrame(input);
      else {
        input.checkMagic(magic, MAGIC);
        yield* decodeFrame(input, memory);
      }
    }
  },
};

/** Frames can be small and many: they share the memory. */
class WindowMemory {
  #bytes: Uint8Array = EMPTY;

  take(count: number): Uint8Array {
    if (this.#bytes.length < count) this.#bytes = new Uint8Array(count);
    return this.#bytes.subarray(0, count);
  }
}

async function* decodeFrame(
  input: CompressedInput,
  memory: WindowMemory,
): AsyncGenerator<Uint8Array, void, undefined> {
  const header = await readHeader(input);
  const content = new XxHash32();
  let size = 0n;
  const window = memory.take(LZ4_WINDOW_BYTES + header.maxBlockBytes);
  /** Where what matches may refer to begins; blocks are decoded to behind the window. */
  let windowStart = LZ4_WINDOW_BYTES;
  for (;;) {
    const blockSize = u32(await input.take(4));
    if (blockSize === 0) break;
    const stored = blockSize >= STORED;
    const length = stored ? blockSize - STORED : blockSize;
    if (length > header.maxBlockBytes) throw input.invalid('a block is too long');
    const block = await input.take(length);
    if (header.blockChecks && u32(await input.take(4)) !== xxHash32(block)) {
      throw input.invalid('checksum of a block wrong');
    }
    let end: number | undefined = LZ4_WINDOW_BYTES + length;
    if (stored) window.set(block, LZ4_WINDOW_BYTES);
    else end = decodeLz4Block(block, window, windowStart, LZ4_WINDOW_BYTES);
    if (end === undefined) throw input.invalid('a block does not decode');

    const piece = window.slice(LZ4_WINDOW_BYTES, end);
    if (header.linkedBlocks) {
      windowStart = Math.max(0, windowStart - piece.length);
      window.copyWithin(0, piece.length, end);
    }
    if (header.contentCheck) content.update(piece);
    size += BigInt(piece.length);
    yield piece;
  }
  if (header.contentCheck && u32(await input.take(4)) !== content.digest()) {
    throw input.invalid('checksum of the content wrong');
  }
  if (header.contentSize !== undefined && header.contentSize !== size) {
    throw input.invalid('size of the content wrong');
  }
}

interface FrameHeader {
  readonly maxBlockBytes: number;
  /** Whether blocks refer to those before. */
  readonly linkedBlocks: boolean;
  readonly blockChecks: boolean;
  readonly contentCheck: boolean;
  readonly contentSize: bigint | undefined;
}

async function readHeader(input: CompressedInput): Promise<FrameHeader> {
  const start = input.offset;
  await input.take(MAGIC.length);
  if (!(await input.fill(2))) throw input.truncated();
  const [flags = 0, sizes = 0] = input.buffered;
  const hasContentSize = (flags & 0x08) !== 0;
  const hasDictionary = (flags & 0x01) !== 0;
  const fieldsBytes = 2 + (hasContentSize ? 8 : 0) + (hasDictionary ? 4 : 0);
  const fields = await input.take(fieldsBytes);
  const [check] = await input.take(1);

  const sizeCode = (sizes >> 4) & 7;
  const reserved = (flags & 0x02) | (sizes & 0x8f);
  if (
    flags >> 6 !== VERSION ||
    reserved !== 0 ||
    sizeCode < 4 ||
    check !== ((xxHash32(fields) >>> 8) & 0xff)
  ) {
    throw input.invalid('header of a frame wrong', undefined, start);
  }
  if (hasDictionary) throw input.invalid('it needs a dictionary', undefined, start);
  return {
    maxBlockBytes: 2 ** (8 + 2 * sizeCode), // 64 KiB to 4 MiB
    linkedBlocks: (flags & 0x20) === 0,
    blockChecks: (flags & 0x10) !== 0,
    contentCheck: (flags & 0x04) !== 0,
    contentSize: hasContentSize
      ? new DataView(fields.buffer, fields.byteOffset).getBigUint64(2, true)
      : undefined,
  };
}

async function skipFrame(input: CompressedInput): Promise<void> {
  let left = skippableBytes(await input.take(SKIPPABLE_HEADER_BYTES));
  while (left > 0) {
    if (await input.atEnd()) throw input.truncated();
    left -= input.consume(left).length;
  }
}

function u32(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
}
