/**
 * Content-defined chunking as in `src/castore/chunker.ts`, for any average: what other averages would give. Chunks are
 * from a quarter of the average to four times as long.
 */

const NORMALISATION_BITS = 2;

const GEAR = Int32Array.from({ length: 256 }, (_, byte) => {
  let z = Math.imul(byte + 1, 0x9e3779b9);
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return z ^ (z >>> 15);
});

/** The chunks of a blob. @param average in bytes, a power of two */
export function* cutAt(average: number, blob: Uint8Array): Generator<Uint8Array, void, undefined> {
  const bits = Math.log2(average);
  const strict = -1 << (32 - bits - NORMALISATION_BITS);
  const lax = -1 << (32 - bits + NORMALISATION_BITS);
  for (let start = 0; start < blob.length; ) {
    const most = Math.min(blob.length - start, 4 * average);
    let length = Math.min(most, average / 4);
    let hash = 0;
    while (length < most) {
      hash = ((hash << 1) + (GEAR[blob[start + length] ?? 0] ?? 0)) | 0;
      length++;
      if ((hash & (length <= average ? strict : lax)) === 0) break;
    }
    yield blob.subarray(start, start + length);
    start += length;
  }
}
