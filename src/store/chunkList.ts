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

/**
 * The chunks of `blob`.
 * @throws STORE_INVALID
 */
export function decodeChunkList(blob: Digest, bytes: Uint8Array): ChunkRef[] {
  const count = bytes.length / ENTRY_BYTES;
  if (!Number.isInteger(count) || count === 0) {
    throw new NarthexError('STORE_INVALID', `the chunk list of blob ${blob} is damaged`, {
      digest: String(blob),
      actual: bytes.length,
    });
  }
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from({ length: count }, (_, index) => {
    const start = index * ENTRY_BYTES;
    return {
      digest: new Digest(view.subarray(start, start + DIGEST_BYTES)),
      size: view.readUInt32LE(start + DIGEST_BYTES),
    };
  });
}
