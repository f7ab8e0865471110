/**
 * The frames of zstd data (RFC 8878), on their way to a decoder:
 *
 *     data    = (frame | skippable)+
 *     frame   = magic(4) header block* checksum?       (skippable: ./skippableFrame.ts)
 *     header  = descriptor(1) window(0-1) dictionaryId(0-4) contentSize(0-8)
 *     block   = last:1 type:2 size:21 (little-endian, 3 bytes) content
 *
 * Enforced here: the magic numbers, the reserved bits, the limit on the window, that no dictionary
 * is needed, the sizes of blocks, and that the last frame is whole. The content, its size and its
 * checksum (which a frame need not have) are the decoder's business. Skippable frames are dropped.
 */
import { checkLimit, type Limits } from '../limits.ts';
import type { CompressedInput } from './input.ts';
import { isSkippable, SKIPPABLE_HEADER_BYTES, skippableBytes } from './skippableFrame.ts';
import { Walk } from './walk.ts';

const MAGIC = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd);
/** A descriptor and its longest fields: window 1, dictionary id 4, content size 8. */
const MAX_HEADER_BYTES = 14;
const MAX_BLOCK_BYTES = 128 * 1024;
const CHECKSUM_BYTES = 4;

const DICTIONARY_ID_BYTES = [0, 1, 2, 4] as const;
const CONTENT_SIZE_BYTES = [0, 2, 4, 8] as const;

const BLOCK_RLE = 1;
const BLOCK_RESERVED = 3;

/**
 * Yields the frames of `input` in pieces, no piece having parts of two frames: node:zlib in Node 24
 * stops at the end of a frame and drops the rest of the piece.
 * @throws COMPRESSION_TRUNCATED, COMPRESSION_TRAILING, COMPRESSION_INVALID, LIMIT_EXCEEDED
 */
export async function* zstdFrames(
  input: CompressedInput,
  limits: Limits,
): AsyncGenerator<Uint8Array, void, undefined> {
  const walk = new Walk(input);
  while (!(yield* walk.atEnd())) {
    const magic = yield* walk.look(MAGIC.length);
    if (isSkippable(magic)) {
      walk.skip(skippableBytes(yield* walk.take(SKIPPABLE_HEADER_BYTES)));
      await walk.drop();
    } else {
      input.checkMagic(magic, MAGIC, walk.offset);
      walk.skip(MAGIC.length);
      yield* walkFrame(walk, input, limits);
      yield* walk.handOn();
    }
  }
}

/** Walks over a frame, from behind its magic number. */
async function* walkFrame(
  walk: Walk,
  input: CompressedInput,
  limits: Limits,
): AsyncGenerator<Uint8Array, void, undefined> {
  const start = walk.offset;
  const header = parseHeader(yield* walk.look(MAX_HEADER_BYTES));
  if (header === undefined) throw input.truncated();
  if (header.reserved) throw input.invalid('a reserved bit is set', undefined, start);
  if (header.dictionary) throw input.invalid('it needs a dictionary', undefined, start);
  checkLimit(limits, 'decoderMemoryBytes', header.windowBytes, {
    compression: input.compression,
    offset: start,
  });
  walk.skip(header.headerBytes);

  for (let last = false; !last; ) {
    const blockStart = walk.offset;
    const [b0 = 0, b1 = 0, b2 = 0] = yield* walk.take(3);
    const type = (b0 >> 1) & 3;
    const size = (b0 >> 3) | (b1 << 5) | (b2 << 13);
    if (type === BLOCK_RESERVED || size > MAX_BLOCK_BYTES) {
      throw input.invalid('a block is of no known kind or too large', undefined, blockStart);
    }
    walk.skip(type === BLOCK_RLE ? 1 : size);
    last = (b0 & 1) !== 0;
  }
  if (header.checksum) walk.skip(CHECKSUM_BYTES);
}

interface FrameHeader {
  readonly headerBytes: number;
  /** Memory that decoding takes for what matches refer to. */
  readonly windowBytes: bigint;
  readonly checksum: boolean;
  readonly dictionary: boolean;
  readonly reserved: boolean;
}

/** Parses a frame header from its descriptor on; `undefined` where `bytes` end before it does. */
function parseHeader(bytes: Uint8Array): FrameHeader | undefined {
  const descriptor = bytes[0];
  if (descriptor === undefined) return undefined;
  const singleSegment = (descriptor & 0x20) !== 0;
  const windowAt = 1;
  const dictionaryAt = windowAt + (singleSegment ? 0 : 1);
  const sizeAt = dictionaryAt + (DICTIONARY_ID_BYTES[descriptor & 3] ?? 0);
  // the shortest content size is left out, unless it takes the place of the window
  const sizeBytes = CONTENT_SIZE_BYTES[descriptor >> 6] || (singleSegment ? 1 : 0);
  const headerBytes = sizeAt + sizeBytes;
  if (bytes.length < headerBytes) return undefined;
  return {
    headerBytes,
    windowBytes: singleSegment
      ? contentSize(bytes.subarray(sizeAt, headerBytes))
      : windowSize(bytes[windowAt] ?? 0),
    checksum: (descriptor & 0x04) !== 0,
    dictionary: bytes.subarray(dictionaryAt, sizeAt).some((byte) => byte !== 0),
    reserved: (descriptor & 0x08) !== 0,
  };
}

/** The size that a window descriptor stands for: an exponent and eighths. */
function windowSize(descriptor: number): bigint {
  const base = 1n << BigInt(10 + (descriptor >> 3));
  return base + (base / 8n) * BigInt(descriptor & 7);
}

function contentSize(field: Uint8Array): bigint {
  const data = view(field);
  if (field.length === 1) return BigInt(data.getUint8(0));
  // two bytes continue where one byte ends
  if (field.length === 2) return BigInt(data.getUint16(0, true) + 256);
  if (field.length === 4) return BigInt(data.getUint32(0, true));
  return data.getBigUint64(0, true);
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
