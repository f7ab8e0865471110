/**
 * The range decoder of LZMA. Beyond the last byte it goes on with zeros and says so, which lets its
 * callers check once a symbol and not once a bit.
 */

const TOP = 1 << 24;
const PROBABILITY_BITS = 11;
const ADAPTION_SHIFT = 5;
/** A probability of one half: what they all begin with. */
export const EVEN = 1 << (PROBABILITY_BITS - 1);

/** The first byte is 0, the others are the first code. */
export const RANGE_HEADER_BYTES = 5;

export class RangeDecoder {
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  /** Both are unsigned numbers of 32 bits, kept as signed ones. */
  #range = -1;
  #code = 0;

  /** Begins with {@link RANGE_HEADER_BYTES}; `false` if they are wrong. */
  start(header: Uint8Array): boolean {
    const [first, c3 = 0, c2 = 0, c1 = 0, c0 = 0] = header;
    this.#range = -1;
    this.#code = (c3 << 24) | (c2 << 16) | (c1 << 8) | c0;
    return first === 0;
  }

  /** Goes on with `bytes`. */
  use(bytes: Uint8Array): void {
    this.#bytes = bytes;
    this.#at = 0;
  }

  /** Bytes of the last {@link use} that were read. */
  get usedBytes(): number {
    return this.#at;
  }

  /** Bytes that were not read; negative where there were too few. */
  get leftBytes(): number {
    return this.#bytes.length - this.#at;
  }

  /** Whether it is where an encoder ends. */
  get atEnd(): boolean {
    return this.#code === 0;
  }

  /** Decodes a bit by the probability at `index`, and adapts it. */
  bit(probabilities: Uint16Array, index: number): 0 | 1 {
    const probability = probabilities[index] ?? EVEN;
    const bound = Math.imul(this.#range >>> PROBABILITY_BITS, probability);
    let bit: 0 | 1;
    if (this.#code >>> 0 < bound >>> 0) {
      this.#range = bound;
      probabilities[index] =
        probability + (((1 << PROBABILITY_BITS) - probability) >> ADAPTION_SHIFT);
      bit = 0;
    } else {
      this.#range = (this.#range - bound) | 0;
      this.#code = (this.#code - bound) | 0;
      probabilities[index] = probability - (probability >> ADAPTION_SHIFT);
      bit = 1;
    }
    if (this.#range >>> 0 < TOP) this.#shift();
    return bit;
  }

  /** Decodes a number of `count` bits, highest first, by a tree of probabilities. */
  tree(probabilities: Uint16Array, start: number, count: number): number {
    let node = 1;
    for (let i = 0; i < count; i++) node = (node << 1) | this.bit(probabilities, start + node);
    return node - (1 << count);
  }

  /** The same, lowest bit first. */
  reverseTree(probabilities: Uint16Array, start: number, count: number): number {
    let node = 1;
    let value = 0;
    for (let i = 0; i < count; i++) {
      const bit = this.bit(probabilities, start + node);
      node = (node << 1) | bit;
      value |= bit << i;
    }
    return value;
  }

  /** Decodes a number of `count` bits, each as probable as not. */
  direct(count: number): number {
    let value = 0;
    for (let i = 0; i < count; i++) {
      this.#range >>>= 1;
      const bit = this.#code >>> 0 >= this.#range ? 1 : 0;
      if (bit === 1) this.#code = (this.#code - this.#range) | 0;
      value = (value << 1) | bit;
      if (this.#range < TOP) this.#shift();
    }
    return value;
  }

  #shift(): void {
    this.#range <<= 8;
    this.#code = (this.#code << 8) | (this.#bytes[this.#at++] ?? 0);
  }
}
