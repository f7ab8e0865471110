/**
 * The structure of xz data (the .xz file format, version 1.2.1), on its way to a decoder:
 *
 *     data   = stream (padding stream)* padding            padding = zero bytes, a multiple of 4
 *     stream = header(12) block* index footer(12)
 *     block  = headerSize(1) flags(1) packedSize? size? filter{1,4} zeros crc32 chunk* 0 zeros check
 *     chunk  = 01|02 size(2) byte* | 80..ff size(2) packedSize(2) properties? byte*      (LZMA2)
 *     index  = 0 count (unpaddedSize size)* zeros crc32
 *
 * Integers without a size are of variable length, little-endian, 7 bits a byte.
 *
 * Enforced here: all of the above, the CRC-32 of headers, index and footer, that the index tells
 * the blocks' sizes, the limit on dictionaries, and that the last stream is whole. LZMA2 itself, the
 * other filters and the blocks' checks are the decoder's business. A stream may have been made
 * without a check, and then corruption may go unseen.
 */
import { crc32 } from 'node:zlib';
import { checkLimit, type Limits } from '../limits.ts';
import type { CompressedInput } from './input.ts';
import { Walk } from './walk.ts';
import { parseXzBlockHeader } from './xzBlockHeader.ts';
import { MAX_VARINT_BYTES, parseVarint, renderVarint } from './xzVarint.ts';

const HEADER_MAGIC = Uint8Array.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00);
const STREAM_HEADER_BYTES = 12;
const STREAM_FOOTER_BYTES = 12;
/** Everything is aligned to this. */
const ALIGNMENT_BYTES = 4;
/** Sizes of a block's check by its id, reserved ones included. */
const CHECK_BYTES = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64] as const;

type Pieces<T> = AsyncGenerator<Uint8Array, T, undefined>;

/**
 * Yields `input` as it is, every piece only after it was walked over.
 * @throws COMPRESSION_TRUNCATED, COMPRESSION_TRAILING, COMPRESSION_INVALID, LIMIT_EXCEEDED
 */
export async function* xzStreams(input: CompressedInput, limits: Limits): Pieces<void> {
  const walk = new Walk(input);
  do {
    yield* new XzStream(walk, input, limits).walkOver();
    yield* padding(walk, input);
  } while (!(yield* walk.atEnd()));
  yield* walk.handOn();
}

/** Walks over stream padding, to what is no zero byte. */
async function* padding(walk: Walk, input: CompressedInput): Pieces<void> {
  for (;;) {
    const word = yield* walk.look(ALIGNMENT_BYTES);
    if (word.length === 0 || word[0] !== 0) return;
    if (word.length < ALIGNMENT_BYTES || word.some((byte) => byte !== 0)) {
      throw input.trailing(walk.offset);
    }
    walk.skip(ALIGNMENT_BYTES);
  }
}

/** What the index of a stream must tell, summed up so that it takes no memory. */
interface Records {
  count: number;
  crc: number;
}

class XzStream {
  readonly #walk: Walk;
  readonly #input: CompressedInput;
  readonly #limits: Limits;
  readonly #blocks: Records = { count: 0, crc: 0 };

  constructor(walk: Walk, input: CompressedInput, limits: Limits) {
    this.#walk = walk;
    this.#input = input;
    this.#limits = limits;
  }

  async *walkOver(): Pieces<void> {
    const walk = this.#walk;
    const start = walk.offset;
    const magic = yield* walk.look(HEADER_MAGIC.length);
    this.#input.checkMagic(magic, HEADER_MAGIC, start);
    const header = yield* walk.take(STREAM_HEADER_BYTES);
    const flags = header.subarray(6, 8);
    const [reserved = 0, checkId = 0] = flags;
    this.#require(crc32(flags) === u32(header, 8), 'checksum of a stream header', start);
    this.#require(reserved === 0 && checkId < CHECK_BYTES.length, 'flags of a stream', start);

    for (;;) {
      // a header size of 0 is the first byte of the index
      const [headerSize] = yield* walk.look(1);
      if (headerSize === 0) break;
      yield* this.#walkOverBlock(CHECK_BYTES[checkId] ?? 0);
    }
    const indexBytes = yield* this.#walkOverIndex();

    const footerStart = walk.offset;
    const footer = yield* walk.take(STREAM_FOOTER_BYTES);
    const fields = footer.subarray(4, 10);
    this.#require(crc32(fields) === u32(footer, 0), 'checksum of a stream footer', footerStart);
    this.#require(
      (u32(footer, 4) + 1) * ALIGNMENT_BYTES === indexBytes &&
        footer[8] === reserved &&
        footer[9] === checkId &&
        footer[10] === 0x59 && // YZ
        footer[11] === 0x5a,
      'fields of a stream footer',
      footerStart,
    );
  }

  async *#walkOverBlock(checkBytes: number): Pieces<void> {
    const walk = this.#walk;
    const start = walk.offset;
    const [sizeByte = 0] = yield* walk.look(1);
    const header = parseXzBlockHeader(yield* walk.take((sizeByte + 1) * ALIGNMENT_BYTES));
    if (typeof header === 'string') throw this.#input.invalid(header, undefined, start);
    checkLimit(this.#limits, 'decoderMemoryBytes', header.dictionaryBytes, {
      compression: this.#input.compression,
      offset: start,
    });

    const packedStart = walk.offset;
    const size = yield* this.#walkOverChunks();
    const packedSize = walk.offset - packedStart;
    this.#require(
      (header.size === undefined || header.size === size) &&
        (header.packedSize === undefined || header.packedSize === packedSize),
      'sizes in a block header',
      start,
    );
    yield* this.#zeros(packedSize);
    walk.skip(checkBytes);
    addRecord(
      this.#blocks,
      renderVarint(packedStart - start + packedSize + checkBytes),
      renderVarint(size),
    );
  }

  /** Walks over LZMA2 data; returns what size it unpacks to. */
  async *#walkOverChunks(): Pieces<number> {
    const walk = this.#walk;
    let size = 0;
    for (;;) {
      const start = walk.offset;
      const [control = 0] = yield* walk.take(1);
      if (control === 0) return size;
      if (control < 0x80) {
        this.#require(control <= 2, 'kind of a chunk', start);
        const [high = 0, low = 0] = yield* walk.take(2);
        const stored = ((high << 8) | low) + 1;
        walk.skip(stored);
        size += stored;
      } else {
        const [s1 = 0, s0 = 0, p1 = 0, p0 = 0] = yield* walk.take(4);
        const withProperties = control >= 0xc0;
        walk.skip(((p1 << 8) | p0) + 1 + (withProperties ? 1 : 0));
        size += (((control & 0x1f) << 16) | (s1 << 8) | s0) + 1;
      }
    }
  }

  /** Walks over the index; returns its size in bytes. */
  async *#walkOverIndex(): Pieces<number> {
    const walk = this.#walk;
    const start = walk.offset;
    let crc = crc32(yield* walk.take(1));
    const next = async function* (this: XzStream): Pieces<Uint8Array> {
      const bytes = yield* this.#takeVarint();
      crc = crc32(bytes, crc);
      return bytes;
    }.bind(this);

    const count = parseVarint(yield* next(), 0)?.value;
    // before the decoder makes room for so many
    this.#require(count === this.#blocks.count, 'number of blocks in the index', start);
    const records: Records = { count: 0, crc: 0 };
    for (let i = 0; i < this.#blocks.count; i++) {
      addRecord(records, yield* next(), yield* next());
    }
    this.#require(records.crc === this.#blocks.crc, 'sizes of blocks in the index', start);
    crc = crc32(yield* this.#zeros(walk.offset - start), crc);
    const stored = u32(yield* walk.take(4), 0);
    this.#require(stored === crc, 'checksum of the index', start);
    return walk.offset - start;
  }

  /** The bytes of the next varint. */
  async *#takeVarint(): Pieces<Uint8Array> {
    const bytes = yield* this.#walk.look(MAX_VARINT_BYTES);
    const varint = parseVarint(bytes, 0);
    if (varint === undefined && bytes.length < MAX_VARINT_BYTES) throw this.#input.truncated();
    this.#require(varint !== undefined, 'number in the index', this.#walk.offset);
    return yield* this.#walk.take(varint?.length ?? 0);
  }

  /** Walks over the zeros that fill up `size` to the alignment. */
  async *#zeros(size: number): Pieces<Uint8Array> {
    const start = this.#walk.offset;
    const count = (ALIGNMENT_BYTES - (size % ALIGNMENT_BYTES)) % ALIGNMENT_BYTES;
    const zeros = yield* this.#walk.take(count);
    this.#require(
      zeros.every((byte) => byte === 0),
      'padding',
      start,
    );
    return zeros;
  }

  #require(holds: boolean, what: string, offset: number): void {
    if (!holds) throw this.#input.invalid(`${what} wrong`, undefined, offset);
  }
}

function addRecord(records: Records, unpaddedSize: Uint8Array, size: Uint8Array): void {
  records.count++;
  records.crc = crc32(size, crc32(unpaddedSize, records.crc));
}

function u32(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(at, true);
}
