/**
 * The little of protobuf's wire format that canonical castore messages need: varints and
 * length-delimited fields. Canonical here means what prost writes: fields in order of their
 * numbers, defaults left out, varints as short as possible. The reader refuses everything else, so
 * that an encoding and its digest determine each other.
 *
 * Source: https://protobuf.dev/programming-guides/encoding/
 */
import { NarthexError } from '../errors.ts';

/** Wire type of varints. */
export const VARINT = 0;
/** Wire type of length-delimited fields: bytes and messages. */
export const LENGTH_DELIMITED = 2;

const MAX_VARINT_BYTES = 8; // 2^53 needs eight groups of seven bits
const GROUP = 128;

/** How many bytes a varint takes. `value` is a whole number from 0 to 2^53-1. */
export function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= GROUP; rest = Math.floor(rest / GROUP)) bytes++;
  return bytes;
}

/** Writes fields one after the other; the caller gives them in canonical order. */
export class ProtobufWriter {
  #parts: Uint8Array[] = [];

  /** A varint field; 0 is the default and left out. */
  uint(field: number, value: number): this {
    if (value === 0) return this;
    this.#varint(field * 8 + VARINT);
    return this.#varint(value);
  }

  /** A bytes field; empty is the default and left out. */
  bytes(field: number, value: Uint8Array): this {
    return value.length === 0 ? this : this.message(field, value);
  }

  /** A message field; it is written also when empty. */
  message(field: number, encoded: Uint8Array): this {
    this.#varint(field * 8 + LENGTH_DELIMITED);
    this.#varint(encoded.length);
    this.#parts.push(encoded);
    return this;
  }

  finish(): Uint8Array {
    return Buffer.concat(this.#parts);
  }

  #varint(value: number): this {
    const bytes = new Uint8Array(varintBytes(value));
    let rest = value;
    for (let i = 0; i < bytes.length; i++) {
      const more = i < bytes.length - 1 ? GROUP : 0;
      bytes[i] = (rest % GROUP) + more;
      rest = Math.floor(rest / GROUP);
    }
    this.#parts.push(bytes);
    return this;
  }
}

/** Reads canonical fields: numbers not decreasing, each default left out. */
export class ProtobufReader {
  readonly #bytes: Uint8Array;
  readonly #what: string;
  #offset = 0;

  /** @param what names the message in errors */
  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#what = what;
  }

  get done(): boolean {
    return this.#offset === this.#bytes.length;
  }

  /** @throws DIRECTORY_INVALID */
  tag(): { field: number; wireType: number } {
    const tag = this.uint();
    return { field: Math.floor(tag / 8), wireType: tag % 8 };
  }

  /** @throws DIRECTORY_INVALID when it is cut off, longer than need be, or above 2^53-1 */
  uint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < MAX_VARINT_BYTES; i++) {
      const byte = this.#bytes[this.#offset];
      if (byte === undefined) throw this.error('a varint is cut off');
      this.#offset++;
      value += (byte % GROUP) * scale;
      if (byte < GROUP) {
        if (byte === 0 && i > 0) throw this.error('a varint is longer than it needs to be');
        if (value > Number.MAX_SAFE_INTEGER) break;
        return value;
      }
      scale *= GROUP;
    }
    throw this.error('a varint is above 2^53-1');
  }

  /** A view of a length-delimited field's value. @throws DIRECTORY_INVALID */
  bytes(): Uint8Array {
    const length = this.uint();
    const end = this.#offset + length;
    if (end > this.#bytes.length) throw this.error('a field is cut off');
    const value = this.#bytes.subarray(this.#offset, end);
    this.#offset = end;
    return value;
  }

  /** An error about the current place. */
  error(message: string): NarthexError {
    return new NarthexError('DIRECTORY_INVALID', `${this.#what}: ${message}`, {
      offset: this.#offset,
    });
  }
}
