/**
 * A strict pull reader for JSON over bytes.
 *
 * `JSON.parse` does not do for `.ls` listings: Nix writes names that are not UTF-8 as raw bytes
 * inside JSON strings, and decoding to UTF-16 would make different names equal. Here a string is the
 * bytes between its quotes, with escapes resolved to UTF-8; bytes of 0x80 and above pass as they are.
 * All else is RFC 8259 to the letter. The reader keeps its own stack, so that nesting overflows
 * nothing. Members are not checked for duplicate names.
 */
import { displayBytes, EMPTY, utf8 } from '../bytes.ts';
import { NarthexError } from '../errors.ts';

/** What {@link ByteJsonReader.next} found. */
export type JsonToken =
  | 'startObject'
  | 'endObject'
  | 'startArray'
  | 'endArray'
  | 'key'
  | 'string'
  | 'number'
  | 'true'
  | 'false'
  | 'null'
  | 'end';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const BRACE_OPEN = 0x7b;
const BRACE_CLOSE = 0x7d;
const BRACKET_OPEN = 0x5b;
const BRACKET_CLOSE = 0x5d;
const LETTER_U = 0x75;
const FIRST_PRINTABLE = 0x20;

const WHITESPACE: ReadonlySet<number> = new Set(utf8(' \t\n\r'));
const LITERALS = (['true', 'false', 'null'] as const).map((text) => ({ text, bytes: utf8(text) }));
const NUMBER_BYTES: ReadonlySet<number> = new Set(utf8('0123456789+-.eE'));
const NUMBER = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;
const UNICODE_ESCAPE_BYTES = 6;
const UNICODE_ESCAPE = /^u[0-9a-fA-F]{4}$/;

/** What each letter after a backslash stands for. */
const ESCAPES: ReadonlyMap<number, number> = new Map(
  Object.entries({ '"': 0x22, '\\': 0x5c, '/': 0x2f, b: 8, f: 12, n: 10, r: 13, t: 9 }).map(
    ([letter, byte]) => [letter.charCodeAt(0), byte],
  ),
);

/** Reads one JSON text, token by token. Every error is LISTING_INVALID with `offset` in bytes. */
export class ByteJsonReader {
  readonly #bytes: Uint8Array;
  readonly #maxDepth: number;
  /** The containers that are open: true for an object. */
  readonly #open: boolean[] = [];
  #at = 0;
  #tokenOffset = 0;
  #expects: 'value' | 'firstValue' | 'firstKey' | 'separator' | 'end' = 'value';
  #value: Uint8Array = EMPTY;

  /** @param maxDepth how many objects and arrays may lie in each other */
  constructor(bytes: Uint8Array, maxDepth: number) {
    // not a Buffer, whose `slice` does not copy
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#maxDepth = maxDepth;
  }

  /** Offset of the last token in bytes. */
  get offset(): number {
    return this.#tokenOffset;
  }

  /** After `key` and `string` the string's bytes, after `number` its text as ASCII. */
  get value(): Uint8Array {
    return this.#value;
  }

  /** The same as a string, one UTF-16 unit a byte: for member names and numbers, which are ASCII. */
  get text(): string {
    // a loop: handing a small array to native code takes longer than reading it
    let text = '';
    for (const byte of this.#value) text += String.fromCharCode(byte);
    return text;
  }

  /**
   * The next token; `end` once the text has ended.
   * @throws LISTING_INVALID
   */
  next(): JsonToken {
    let byte = this.#peek();
    if (this.#expects === 'end') {
      if (byte === undefined) return 'end';
      throw this.invalid('the end of the JSON text', this.#found());
    }
    const inObject = this.#open.at(-1);
    if (byte === (inObject ? BRACE_CLOSE : BRACKET_CLOSE) && inObject !== undefined) {
      if (this.#expects !== 'value') return this.#close(inObject);
    }
    if (this.#expects === 'separator') {
      if (byte !== COMMA) {
        throw this.invalid(inObject ? '"," or "}"' : '"," or "]"', this.#found());
      }
      this.#at += 1;
      byte = this.#peek();
    } else if (this.#expects === 'value') return this.#readValue(byte);
    return inObject ? this.#readKey(byte) : this.#readValue(byte);
  }

  /** Passes over the value that comes next, whatever it is. */
  skipValue(): void {
    let depth = 0;
    do {
      const token = this.next();
      if (token === 'startObject' || token === 'startArray') depth += 1;
      else if (token === 'endObject' || token === 'endArray') depth -= 1;
    } while (depth > 0);
  }

  /** An error at the last token. */
  invalid(expected: string, actual: string): NarthexError {
    const offset = this.#tokenOffset;
    return new NarthexError(
      'LISTING_INVALID',
      `a listing is malformed at byte ${offset}: expected ${expected}, found ${actual}`,
      { offset, expected, actual },
    );
  }

  /** Skips white space and begins a token there. */
  #peek(): number | undefined {
    let byte = this.#bytes[this.#at];
    while (byte !== undefined && WHITESPACE.has(byte)) {
      this.#at += 1;
      byte = this.#bytes[this.#at];
    }
    this.#tokenOffset = this.#at;
    return byte;
  }

  #found(): string {
    if (this.#at >= this.#bytes.length) return 'the end of the input';
    return `"${displayBytes(this.#bytes.subarray(this.#at, this.#at + 1))}"`;
  }

  #push(isObject: boolean): void {
    if (this.#open.length >= this.#maxDepth) {
      throw this.invalid(`at most ${this.#maxDepth} nested values`, 'one more');
    }
    this.#open.push(isObject);
    this.#at += 1;
    this.#expects = isObject ? 'firstKey' : 'firstValue';
  }

  #close(inObject: boolean): JsonToken {
    this.#open.pop();
    this.#at += 1;
    this.#afterValue();
    return inObject ? 'endObject' : 'endArray';
  }

  #afterValue(): void {
    this.#expects = this.#open.length === 0 ? 'end' : 'separator';
  }

  #readKey(byte: number | undefined): JsonToken {
    if (byte !== QUOTE) throw this.invalid('a member name in quotes', this.#found());
    const keyOffset = this.#tokenOffset;
    this.#readString();
    if (this.#peek() !== COLON) throw this.invalid('":"', this.#found());
    this.#at += 1;
    this.#tokenOffset = keyOffset;
    this.#expects = 'value';
    return 'key';
  }

  #readValue(byte: number | undefined): JsonToken {
    if (byte === BRACE_OPEN) {
      this.#push(true);
      return 'startObject';
    }
    if (byte === BRACKET_OPEN) {
      this.#push(false);
      return 'startArray';
    }
    if (byte === QUOTE) {
      this.#readString();
      this.#afterValue();
      return 'string';
    }
    for (const { text, bytes } of LITERALS) {
      if (bytes.every((expected, i) => this.#bytes[this.#at + i] === expected)) {
        this.#at += bytes.length;
        this.#afterValue();
        return text;
      }
    }
    return this.#readNumber();
  }

  #readNumber(): JsonToken {
    let end = this.#at;
    while (NUMBER_BYTES.has(this.#bytes[end] ?? 0)) end += 1;
    if (end === this.#at) throw this.invalid('a JSON value', this.#found());
    this.#value = this.#bytes.slice(this.#at, end);
    if (!NUMBER.test(this.text)) throw this.invalid('a number', this.text);
    this.#at = end;
    this.#afterValue();
    return 'number';
  }

  /** Reads the string whose opening quote is next into `value`. */
  #readString(): void {
    const bytes = this.#bytes;
    const start = this.#at + 1;
    let end = start;
    let escaped = false;
    for (let byte = bytes[end]; byte !== QUOTE; byte = bytes[end]) {
      if (byte === undefined) throw this.invalid('a closing quote', 'the end of the input');
      if (byte < FIRST_PRINTABLE) {
        this.#tokenOffset = end;
        throw this.invalid('control characters as escapes', `byte ${byte}`);
      }
      if (byte === BACKSLASH) {
        escaped = true;
        end += 1; // whatever is escaped, it is not the closing quote
        if (end >= bytes.length) throw this.invalid('a closing quote', 'the end of the input');
      }
      end += 1;
    }
    this.#value = escaped ? this.#unescape(start, end) : bytes.slice(start, end);
    this.#at = end + 1;
  }

  #unescape(start: number, end: number): Uint8Array {
    const result = new Uint8Array(end - start); // no escape is shorter than what it stands for
    let length = 0;
    for (let at = start; at < end; ) {
      const byte = this.#bytes[at] ?? 0;
      if (byte !== BACKSLASH) {
        result[length++] = byte;
        at += 1;
        continue;
      }
      const letter = this.#bytes[at + 1] ?? 0;
      if (letter === LETTER_U) {
        const units = this.#unicodeEscape(at, end);
        const encoded = utf8(units);
        result.set(encoded, length);
        length += encoded.length;
        at += units.length * UNICODE_ESCAPE_BYTES;
        continue;
      }
      const plain = ESCAPES.get(letter);
      if (plain === undefined) throw this.#badEscape(at, 2);
      result[length++] = plain;
      at += 2;
    }
    return result.slice(0, length);
  }

  /** The character of the `\u` escape at `at`, or of the surrogate pair of two of them. */
  #unicodeEscape(at: number, end: number): string {
    const first = this.#codeUnit(at, end);
    if (first === undefined) throw this.#badEscape(at, UNICODE_ESCAPE_BYTES);
    if (first < 0xd800 || first > 0xdfff) return String.fromCharCode(first);
    // a surrogate that is not half of a pair is no character and has no UTF-8
    const second = first <= 0xdbff ? this.#codeUnit(at + UNICODE_ESCAPE_BYTES, end) : undefined;
    if (second === undefined || second < 0xdc00 || second > 0xdfff)
      throw this.#badEscape(at, UNICODE_ESCAPE_BYTES);
    return String.fromCharCode(first, second);
  }

  /** The UTF-16 unit of the `\u` escape at `at`; `undefined` where there is none. */
  #codeUnit(at: number, end: number): number | undefined {
    const text = displayBytes(
      this.#bytes.subarray(at + 1, Math.min(at + UNICODE_ESCAPE_BYTES, end)),
    );
    const isEscape = this.#bytes[at] === BACKSLASH && UNICODE_ESCAPE.test(text);
    return isEscape ? Number.parseInt(text.slice(1), 16) : undefined;
  }

  #badEscape(at: number, length: number): NarthexError {
    this.#tokenOffset = at;
    return this.invalid(
      'an escape of JSON',
      `"${displayBytes(this.#bytes.subarray(at, at + length))}"`,
    );
  }
}
