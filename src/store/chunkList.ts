/**
 * The chunk list of a blob of more than one chunk: `(digest, u32 little-endian size)*`. It is the
 * value in the index, and with the blob's digest before it the record in the pack.
 */
import type { ChunkRef } from '../castore/blobService.ts';
import { DIGEST_BYTES, Digest } from '../castore/digest.ts';
import { NarthexError } from '../errors.ts';

const ENTRY_BYTES = DIGEST_BYTES + 4;

/** Encodes the chunks of a blob. */
export function encodeChunkList(chunks: readonly ChunkRef[]): Uint8Array {
  const bytes = Buffer.allocUnsafe(chunks.length * ENTRY_BYTES);
  for (const [index, { digest, size }] of chunks.entries()) {
    bytes.set(digest.bytes, index * ENTRY_BYTES);
    bytes.writeUInt32LE(size, index * ENTRY_BYTES + DIGEST_BYTES);
  }
  return bytes;
}

/** A chunk list as it is encoded: a large blob's is too long to be decoded for each who reads it. */
export class ChunkList {
  readonly #view: Buffer;

  private constructor(view: Buffer) {
    this.#view = view;
  }

  /**
   * The chunk list of `blob`.
   * @throws STORE_INVALID
   */
  static parse(blob: Digest, bytes: Uint8Array): ChunkList {
    if (!ChunkList.isWhole(bytes)) {
      throw new NarthexError('STORE_INVALID', `the chunk list of blob ${blob} is damaged`, {
        digest: String(blob),
        actual: bytes.length,
      });
    }
    return new ChunkList(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
  }

  /** Whether it is a chunk list by its length. */
  static isWhole(bytes: Uint8Array): boolean {
    return bytes.length > 0 && bytes.length % ENTRY_BYTES === 0;
  }

  /** Number of chunks. */
  get count(): number {
    return this.#view.length / ENTRY_BYTES;
  }

  /** Length in bytes of the chunk at `index`, which is below `count`. */
  sizeAt(index: number): number {
    return this.#view.readUInt32LE(index * ENTRY_BYTES + DIGEST_BYTES);
  }

  /** The chunk at `index`, which is below `count`. Its digest is a view of the list. */
  chunkAt(index: number): ChunkRef {
    const start = index * ENTRY_BYTES;
    const digest = new Digest(this.#view.subarray(start, start + DIGEST_BYTES));
    return { digest, size: this.sizeAt(index) };
  }

  /** The chunks from `from` to `to` (not included), in memory of their own. */
  slice(from: number, to: number): ChunkList {
    return new ChunkList(Buffer.from(this.#view.subarray(from * ENTRY_BYTES, to * ENTRY_BYTES)));
  }

  /** All chunks. */
  toArray(): ChunkRef[] {
    return Array.from({ length: this.count }, (_, index) => this.chunkAt(index));
  }
}
