/** An LZMA encoder of nothing but literals, for files that `@napi-rs/lzma` does not write. */
import { u64 } from './lz4Encoder.ts';

const TOP = 2 ** 24;
const EVEN = 1 << 10;
const UNKNOWN_SIZE = 2n ** 64n - 1n;

export interface LzmaFileOptions {
  /** What the header says; unknown by default. */
  readonly size?: bigint;
  readonly endMarker: boolean;
  readonly dictionaryBytes?: number;
}

/** An .lzma file of `content`, with lc = 3, lp = 0, pb = 0. */
export function lzmaFile(content: Uint8Array, options: LzmaFileOptions): Uint8Array {
  const { size = UNKNOWN_SIZE, endMarker, dictionaryBytes = 4096 } = options;
  const header = new Uint8Array(13);
  header[0] = 3;
  new DataView(header.buffer).setUint32(1, dictionaryBytes, true);
  header.set(u64(size), 5);
  return Buffer.concat([header, lzmaStream(content, endMarker)]);
}

function lzmaStream(content: Uint8Array, endMarker: boolean): Uint8Array {
  const range = new RangeEncoder();
  const isMatch = even(16);
  const literal = even(0x300 << 3);
  let before = 0;
  for (const byte of content) {
    range.bit(isMatch, 0, 0);
    range.tree(literal, 0x300 * (before >> 5), byte, 8);
    before = byte;
  }
  if (endMarker) {
    range.bit(isMatch, 0, 1);
    range.bit(even(1), 0, 0); // a new distance
    range.bit(even(1), 0, 0); // a short length: the shortest
    range.tree(even(8), 0, 0, 3);
    range.tree(even(64), 0, 63, 6); // the last slot, all of whose bits are set
    range.direct(26);
    range.tree(even(16), 0, 15, 4);
  }
  return range.finish();
}

class RangeEncoder {
  readonly #bytes: number[] = [];
  #low = 0;
  #range = 2 ** 32 - 1;
  /** The last byte, and how many 0xff after it a carry may still change. */
  #cache = 0;
  #pending = 0;

  bit(probabilities: Uint16Array, index: number, bit: number): void {
    const probability = probabilities[index] ?? EVEN;
    const bound = Math.floor(this.#range / 2048) * probability;
    if (bit === 0) {
      this.#range = bound;
      probabilities[index] = probability + ((2048 - probability) >> 5);
    } else {
      this.#low += bound;
      this.#range -= bound;
      probabilities[index] = probability - (probability >> 5);
    }
    this.#normalise();
  }

  tree(probabilities: Uint16Array, start: number, value: number, count: number): void {
    let node = 1;
    for (let i = count - 1; i >= 0; i--) {
      const bit = (value >> i) & 1;
      this.bit(probabilities, start + node, bit);
      node = (node << 1) | bit;
    }
  }

  /** So many set bits. */
  direct(count: number): void {
    for (let i = 0; i < count; i++) {
      this.#range = Math.floor(this.#range / 2);
      this.#low += this.#range;
      this.#normalise();
    }
  }

  finish(): Uint8Array {
    for (let i = 0; i < 5; i++) this.#shift();
    return Uint8Array.from(this.#bytes);
  }

  #normalise(): void {
    while (this.#range < TOP) {
      this.#range *= 256;
      this.#shift();
    }
  }

  #shift(): void {
    const carry = this.#low >= 2 ** 32 ? 1 : 0;
    const low = this.#low - carry * 2 ** 32;
    if (low < 0xff00_0000 || carry === 1) {
      this.#bytes.push((this.#cache + carry) & 0xff);
      for (; this.#pending > 0; this.#pending--) this.#bytes.push((0xff + carry) & 0xff);
      this.#cache = Math.floor(low / TOP);
    } else {
      this.#pending++;
    }
    this.#low = (low % TOP) * 256;
  }
}

function even(count: number): Uint16Array {
  return new Uint16Array(count).fill(EVEN);
}
