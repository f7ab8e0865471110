/** Reads bits, the highest of a byte first. Beyond the last byte it gives zeros and says so. */
export class BitReader {
  readonly #bytes: Uint8Array;
  #at = 0;
  /** The last bytes that were fetched; of them the lowest `#count` bits are not read yet. */
  #bits = 0;
  #count = 0;

  /** @param skip bits to begin after, less than a byte */
  constructor(bytes: Uint8Array, skip = 0) {
    this.#bytes = bytes;
    this.read(skip);
  }

  /** Bits that were read, the skipped ones included. */
  get position(): number {
    return this.#at * 8 - this.#count;
  }

  /** Whether more was read than there is. */
  get overrun(): boolean {
    return this.position > this.#bytes.length * 8;
  }

  /** The next `count` bits, at most 24, without reading them. */
  peek(count: number): number {
    while (this.#count < count) {
      this.#bits = (this.#bits << 8) | (this.#bytes[this.#at++] ?? 0);
      this.#count += 8;
    }
    return (this.#bits >>> (this.#count - count)) & ((1 << count) - 1);
  }

  /** Reads `count` of the bits that were peeked. */
  drop(count: number): void {
    this.#count -= count;
  }

  /** Reads `count` bits, at most 24. */
  read(count: number): number {
    const bits = this.peek(count);
    this.#count -= count;
    return bits;
  }

  /** Reads 32 bits, as a signed number. */
  read32(): number {
    return (this.read(16) << 16) | this.read(16);
  }
}
