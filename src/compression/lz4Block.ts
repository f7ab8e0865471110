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
/** A byte of a length after which it goes on still. */
const GOES_ON_BYTE = 255;
const OFFSET_BYTES = 2;
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
  const end = block.length;
  let at = 0;
  let to = start;
  while (at < end) {
    const token = byteAt(block, at++);
    let literals = token >> 4;
    if (literals === LENGTH_GOES_ON) {
      const behind = endOfLength(block, at);
      literals += lengthBetween(block, at, behind);
      at = behind;
    }
    // also where the block ends inside of the length
    if (at + literals > end || to + literals > output.length) return undefined;
    if (literals <= SHORT_COPY_BYTES) {
      for (let i = 0; i < literals; i++) output[to + i] = byteAt(block, at + i);
    } else {
      output.set(block.subarray(at, at + literals), to);
    }
    at += literals;
    to += literals;
    if (at === end) return to;

    if (at + OFFSET_BYTES > end) return undefined;
    const offset = byteAt(block, at) | (byteAt(block, at + 1) << 8);
    at += OFFSET_BYTES;
    let length = (token & 15) + MIN_MATCH_BYTES;
    if ((token & 15) === LENGTH_GOES_ON) {
      const behind = endOfLength(block, at);
      if (behind > end) return undefined;
      length += lengthBetween(block, at, behind);
      at = behind;
    }
    // an offset of 0 is forbidden
    if (offset === 0 || to - offset < windowStart || to + length > output.length) return undefined;
    copyMatch(output, to, offset, length);
    to += length;
  }
  return undefined;
}

/** Where a length that goes on at `at` ends; behind the end of the block where it has no end. */
function endOfLength(block: Uint8Array, at: number): number {
  let behind = at;
  while (behind < block.length && byteAt(block, behind) === GOES_ON_BYTE) behind++;
  return behind + 1;
}

/** What the bytes of a length come to that ends before `behind`. */
function lengthBetween(block: Uint8Array, at: number, behind: number): number {
  return (behind - at - 1) * GOES_ON_BYTE + byteAt(block, behind - 1);
}

function copyMatch(output: Uint8Array, to: number, offset: number, length: number): void {
  const from = to - offset;
  // a match that overlaps itself repeats what it has just copied
  if (length <= offset && length > SHORT_COPY_BYTES) output.copyWithin(to, from, from + length);
  else for (let i = 0; i < length; i++) output[to + i] = byteAt(output, from + i);
}

/** A byte that is there. */
function byteAt(bytes: Uint8Array, index: number): number {
  return bytes[index] ?? 0;
}
