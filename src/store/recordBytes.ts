/** Writing and reading the fields of the index's own records: varints, lengths, byte strings. */
import { NarthexError } from '../errors.ts';

const GROUP = 128;
const MAX_VARINT_BYTES = 8; // 2^53 needs eight groups of seven bits

/** Collects fields into one byte string. */
export class FieldWriter {
  #bytes = Buffer.allocUnsafe(512);
  #length = 0;

  /** A whole number from 0 to 2^53-1, in groups of seven bits, the lowest first. */
  uint(value: number): this {
    this.#reserve(MAX_VARINT_BYTES);
    let rest = value;
    for (; rest >= GROUP; rest = Math.floor(rest / GROUP)) {
      this.#bytes[this.#length++] = (rest % GROUP) + GROUP;
    }
    this.#bytes[this.#length++] = rest;
    return this;
  }

  /** Bytes whose number the reader knows. */
  fixed(bytes: Uint8Array): this {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  /** Bytes after their number. */
  bytes(bytes: Uint8Array): this {
    return this.uint(bytes.length).fixed(bytes);
  }

  /** UTF-8 after its number of bytes. */
  text(text: string): this {
    return this.bytes(Buffer.from(text));
  }

  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, 2 * this.#bytes.length));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}

/** Reads what {@link FieldWriter} wrote; refuses what it would not have written. */
export class FieldReader {
  readonly #bytes: Buffer;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** @throws STORE_INVALID */
  uint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < MAX_VARINT_BYTES; i++) {
      const byte = this.#bytes[this.#offset++];
      if (byte === undefined) throw this.error('a number is cut off');
      value += (byte % GROUP) * scale;
      if (byte < GROUP) {
        if (byte === 0 && i > 0) throw this.error('a number is longer than it needs to be');
        if (value > Number.MAX_SAFE_INTEGER) break;
        return value;
      }
      scale *= GROUP;
    }
    throw this.error('a number is above 2^53-1');
  }

  /** A number that is the position of something in a list. @throws STORE_INVALID */
  choice<T>(choices: readonly T[]): T {
    const choice = choices[this.uint()];
    if (choice === undefined) throw this.error('a tag is unknown');
    return choice;
  }

  /** A view of the next bytes. @throws STORE_INVALID */
  fixed(length: number): Uint8Array {
    const end = this.#offset + length;
    if (end > this.#bytes.length) throw this.error('a field is cut off');
    const value = this.#bytes.subarray(this.#offset, end);
    this.#offset = end;
    return value;
  }

  /** @throws STORE_INVALID */
  bytes(): Uint8Array {
    return this.fixed(this.uint());
  }

  /** @throws STORE_INVALID */
  text(): string {
    const length = this.uint();
    const end = this.#offset + length;
    if (end > this.#bytes.length) throw this.error('a text is cut off');
    const text = this.#bytes.toString('utf8', this.#offset, end);
    this.#offset = end;
    return text;
  }

  /** So many items. @throws STORE_INVALID */
  list<T>(item: () => T): T[] {
    const count = this.uint();
    // each item has at least a byte, so a damaged count allocates nothing
    if (count > this.#bytes.length - this.#offset) throw this.error('a list is cut off');
    const items: T[] = [];
    while (items.length < count) items.push(item());
    return items;
  }

  /** @throws STORE_INVALID when something follows */
  end(): void {
    if (this.#offset !== this.#bytes.length) throw this.error('bytes follow the end');
  }

  /** An error about the current place. */
  error(message: string): NarthexError {
    return new NarthexError('STORE_INVALID', `a record in the index is damaged: ${message}`, {
      offset: this.#offset,
    });
  }
}
