/**
 * Content-defined chunking: cuts bytes where a rolling hash of the last bytes says so, so that
 * equal stretches in different blobs become equal chunks.
 *
 * FastCDC with normalised chunking (Xia et al., USENIX ATC 2016, and IEEE TPDS 2020): below the
 * average a stricter mask, above it a laxer one; what is below the least length is not looked at. The gear
 * hash (`gearScan.ts`) has 32 bits. Where chunks end is part of no address (blobs are addressed by the
 * BLAKE3 of the whole), so the parameters may change.
 */
import { GearHash } from './gearScan.ts';

/** No chunk but a blob's last is smaller. */
export const CHUNK_MIN_BYTES = 16 * 1024;
/** What chunks measure on average. */
export const CHUNK_AVERAGE_BYTES = 64 * 1024;
/** No chunk is larger. */
export const CHUNK_MAX_BYTES = 256 * 1024;

// 2^16 bytes on average; normalisation level 2 takes two bits more below, two less above.
// The gear hash shifts left, so its high bits have seen the most bytes: masks take those.
const MASK_STRICT = 0xffffc000 | 0;
const MASK_LAX = 0xfffc0000 | 0;

/** Finds where chunks end, in bytes that come bit by bit, without looking at any of them twice. */
export class CutFinder {
  readonly #hash = new GearHash();
  /** How much of the chunk was looked at, or need not be. */
  #seen = CHUNK_MIN_BYTES;

  /**
   * Looks on, at the first chunk that has no end yet.
   *
   * @param bytes memory in which the chunk lies from `start` on, as far as it has come, up to `end`
   * @returns the length of the chunk, after which the next call is about the one behind it; 0 where its
   *   end has not come
   */
  find(bytes: Uint8Array, start: number, end: number): number {
    const length = Math.min(end - start, CHUNK_MAX_BYTES);
    const found =
      this.#scan(bytes, start, Math.min(length, CHUNK_AVERAGE_BYTES), MASK_STRICT) ||
      this.#scan(bytes, start, length, MASK_LAX);
    if (found > 0) return this.#found(found);
    if (length === CHUNK_MAX_BYTES) return this.#found(length);
    return 0;
  }

  /** The blob has ended: the next call is about the first chunk of another. */
  reset(): void {
    this.#hash.reset();
    this.#seen = CHUNK_MIN_BYTES;
  }

  /** Looks on, up to so many bytes of the chunk. @returns its length, or 0 */
  #scan(bytes: Uint8Array, start: number, length: number, mask: number): number {
    if (length <= this.#seen) return 0;
    const end = this.#hash.scan(bytes, start + this.#seen, start + length, mask);
    this.#seen = length;
    return end && end - start;
  }

  #found(length: number): number {
    this.reset();
    return length;
  }
}

/**
 * Finds where the first chunk of `bytes` ends.
 *
 * @param bytes what is left of the blob, or at least {@link CHUNK_MAX_BYTES} of it
 * @returns the length of the first chunk; all of `bytes` when it has no cut and is below the maximum
 */
export function findChunkEnd(bytes: Uint8Array): number {
  return new CutFinder().find(bytes, 0, bytes.length) || bytes.length;
}

/**
 * Cuts one blob into chunks. Feed it the blob's bytes in order; each finished chunk is passed to
 * `emit` as memory of its own.
 */
export class Chunker {
  readonly #emit: (chunk: Uint8Array) => void;
  #buffer: Uint8Array;
  #length = 0;

  constructor(emit: (chunk: Uint8Array) => void) {
    this.#emit = emit;
    this.#buffer = new Uint8Array(0);
  }

  push(bytes: Uint8Array): void {
    let rest = bytes;
    while (rest.length > 0) {
      // as long as the buffer holds less than a maximum chunk, where to cut is not decided
      const taken = Math.min(rest.length, CHUNK_MAX_BYTES - this.#length);
      this.#reserve(this.#length + taken);
      this.#buffer.set(rest.subarray(0, taken), this.#length);
      this.#length += taken;
      rest = rest.subarray(taken);
      if (this.#length === CHUNK_MAX_BYTES) this.#cut();
    }
  }

  /** The blob is complete: emits the rest. The chunker is ready for the next blob. */
  finish(): void {
    while (this.#length > 0) this.#cut();
  }

  #cut(): void {
    const end = findChunkEnd(this.#buffer.subarray(0, this.#length));
    this.#emit(this.#buffer.slice(0, end));
    this.#buffer.copyWithin(0, end, this.#length);
    this.#length -= end;
  }

  #reserve(needed: number): void {
    if (needed <= this.#buffer.length) return;
    const grown = new Uint8Array(needed <= CHUNK_MIN_BYTES ? CHUNK_MIN_BYTES : CHUNK_MAX_BYTES);
    grown.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = grown;
  }
}
