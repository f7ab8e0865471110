/** The Huffman codes of bzip2: canonical, of 1 to 20 bits. */
import type { BitReader } from './bitReader.ts';

export const MAX_CODE_BITS = 20;
/** Codes up to this length are decoded by one look into a table. */
const TABLE_BITS = 10;
/** A table's entry is a symbol above the length of its code, or 0 where there is no such code. */
const LENGTH_BITS = 5;

export class HuffmanCode {
  readonly #table = new Uint16Array(1 << TABLE_BITS);
  /** The symbols, ordered by code. */
  readonly #symbols: Uint16Array;
  /** By length: the first code above those of this length, aligned to MAX_CODE_BITS. */
  readonly #ends = new Int32Array(MAX_CODE_BITS + 1);
  /** By length: what to add to a code to have its place in `#symbols`. */
  readonly #places = new Int32Array(MAX_CODE_BITS + 1);

  /**
   * @param lengths of the symbols' codes, each 1 to MAX_CODE_BITS
   * @returns `undefined` where there are more codes of a length than bits for them
   */
  static of(lengths: Uint8Array): HuffmanCode | undefined {
    const room = 1 << MAX_CODE_BITS;
    const taken = lengths.reduce((sum, length) => sum + (room >> length), 0);
    return taken <= room ? new HuffmanCode(lengths) : undefined;
  }

  private constructor(lengths: Uint8Array) {
    this.#symbols = new Uint16Array(lengths.length);
    let code = 0;
    let place = 0;
    for (let length = 1; length <= MAX_CODE_BITS; length++) {
      this.#places[length] = place - code;
      for (let symbol = 0; symbol < lengths.length; symbol++) {
        if (lengths[symbol] !== length) continue;
        if (length <= TABLE_BITS) {
          const first = code << (TABLE_BITS - length);
          const next = (code + 1) << (TABLE_BITS - length);
          this.#table.fill((symbol << LENGTH_BITS) | length, first, next);
        }
        this.#symbols[place++] = symbol;
        code++;
      }
      this.#ends[length] = code << (MAX_CODE_BITS - length);
      code <<= 1;
    }
  }

  /** Reads a symbol; -1 where the bits are no code. */
  read(bits: BitReader): number {
    const ahead = bits.peek(MAX_CODE_BITS);
    const entry = this.#table[ahead >> (MAX_CODE_BITS - TABLE_BITS)] ?? 0;
    if (entry !== 0) {
      bits.drop(entry & ((1 << LENGTH_BITS) - 1));
      return entry >> LENGTH_BITS;
    }
    for (let length = TABLE_BITS + 1; length <= MAX_CODE_BITS; length++) {
      if (ahead >= (this.#ends[length] ?? 0)) continue;
      bits.drop(length);
      const place = (ahead >> (MAX_CODE_BITS - length)) + (this.#places[length] ?? 0);
      return this.#symbols[place] ?? -1;
    }
    return -1;
  }
}
