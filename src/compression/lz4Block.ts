/**
 * Blocks of lz4 (lz4_Block_format.md):
 *
 *     block    = sequence*
 *     sequence = literalLength:4 matchLength:4 more(0-) literal* (offset(2) more(0-))?
 *
 * A length of 15 goes on in the bytes that follow, up to the first that is not 255. The last
 * sequence ends after its literals.
 */

/** How far back a match can refer. */
export const LZ4_WINDOW_BYTES = 64 * 1024;

const LENGTH_GOES_ON = 15;
const MIN_MATCH_BYTES = 4;
/** Up to this length a loop copies faster than a call. */
const SHORT_COPY_BYTES = 32;

/**
 * Decodes `block` into `output` at `start`; matches may refer back as far as `windowStart`.
 * @returns where it ends in `output`, or `undefined` where the block is corrupt or does not fit
 */
export function decodeLz4Block(
  block: Uint8Array,
  output: Uint8Array,
  windowStart: number,
  start: number,
): number | undefined {
  let at = 0;
  let to = start;

  /** A length that began with 4 bits; NaN where the block ends inside of it. */
  const wholeLength = (bits: number): number => {
    let length = bits;
    if (bits === LENGTH_GOES_ON) {
      let more: number;
      do {
        more = block[at++] ?? Number.NaN;
        length += more;
      } while (more === 255);
    }
    return length;
  };

  while (at < block.length) {
    const token = block[at++] ?? 0;
    const literals = wholeLength(token >> 4);
    if (!(at + literals <= block.length && to + literals <= output.length)) return undefined;
    if (literals <= SHORT_COPY_BYTES)
      for (let i = 0; i < literals; i++) output[to + i] = block[at + i] ?? 0;
    else output.set(block.subarray(at, at + literals), to);
    at += literals;
    to += literals;
    if (at === block.length) return to;

    const offset = (block[at++] ?? Number.NaN) + (block[at++] ?? Number.NaN) * 256;
    const length = wholeLength(token & 15) + MIN_MATCH_BYTES;
    // an offset of 0 is forbidden; what is NaN is no match either
    if (!(offset > 0 && to - offset >= windowStart && to + length <= output.length)) {
      return undefined;
    }
    const from = to - offset;
    // a match that overlaps itself repeats what it has just copied
    if (length <= offset && length > SHORT_COPY_BYTES) output.copyWithin(to, from, from + length);
    else for (let i = 0; i < length; i++) output[to + i] = output[from + i] ?? 0;
    to += length;
  }
  return undefined;
}
