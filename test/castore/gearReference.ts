/** Content-defined chunking as plainly as it can be said, to compare with. */
import {
  CHUNK_AVERAGE_BYTES,
  CHUNK_MAX_BYTES,
  CHUNK_MIN_BYTES,
} from '../../src/castore/chunker.ts';

/** splitmix32 from the seed "nart". */
export const GEAR: readonly number[] = Array.from({ length: 256 }, (_, i) => {
  let z = Math.imul(i + 1, 0x9e3779b9) + 0x6e617274;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return z ^ (z >>> 15);
});

/** The length of the first chunk of what is left of a blob. */
export function plainChunkEnd(bytes: Uint8Array): number {
  const bits = Math.log2(CHUNK_AVERAGE_BYTES);
  let hash = 0;
  for (let length = CHUNK_MIN_BYTES + 1; length <= bytes.length; length++) {
    hash = ((hash << 1) + (GEAR[bytes[length - 1] ?? 0] ?? 0)) | 0;
    // the high bits, two more of them below the average and two less above it
    const zeros = length <= CHUNK_AVERAGE_BYTES ? bits + 2 : bits - 2;
    if (hash >>> (32 - zeros) === 0 || length === CHUNK_MAX_BYTES) return length;
  }
  return bytes.length;
}
