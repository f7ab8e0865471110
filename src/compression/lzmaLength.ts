/** The coder of match lengths in LZMA: 8 short ones, 8 middle ones, both by position, and 256 long. */
import { EVEN, type RangeDecoder } from './rangeDecoder.ts';

const POSITION_STATES = 16;
const SHORT_BITS = 3;
const LONG_BITS = 8;
const SHORT_LENGTHS = 1 << SHORT_BITS;

const NOT_SHORT = 0;
const NOT_MIDDLE = 1;

export class LzmaLength {
  readonly #choice = new Uint16Array(2).fill(EVEN);
  readonly #short = new Uint16Array(POSITION_STATES << SHORT_BITS).fill(EVEN);
  readonly #middle = new Uint16Array(POSITION_STATES << SHORT_BITS).fill(EVEN);
  readonly #long = new Uint16Array(1 << LONG_BITS).fill(EVEN);

  /** Decodes a length less the shortest one. */
  decode(range: RangeDecoder, position: number): number {
    const start = position << SHORT_BITS;
    if (range.bit(this.#choice, NOT_SHORT) === 0) return range.tree(this.#short, start, SHORT_BITS);
    if (range.bit(this.#choice, NOT_MIDDLE) === 0) {
      return SHORT_LENGTHS + range.tree(this.#middle, start, SHORT_BITS);
    }
    return 2 * SHORT_LENGTHS + range.tree(this.#long, 0, LONG_BITS);
  }
}
