/**
 * The lines of a narinfo, not yet their meaning:
 *
 *     narinfo = *line
 *     line    = key ":" [ " " value ] LF       the value may be empty, with the space or without
 *
 * Values are bytes to Nix. They come as text with one character a byte (Latin-1), so that those of
 * unknown keys, which need not be UTF-8, pass through; {@link textOfField} reads the few that may
 * hold more than ASCII. A CR is a byte of the value like any other, as in Nix: a narinfo with CRLF
 * fails where its first known value is read. Every line ends with LF: without the last one the
 * narinfo may have been cut off, and Nix refuses it too.
 */
import { decodeUtf8 } from '../bytes.ts';
import { NarthexError } from '../errors.ts';
import { excerpt } from '../excerpt.ts';

/** One line. */
export interface NarInfoField {
  readonly key: string;
  /** One character a byte. */
  readonly value: string;
  /** Counted from 1. */
  readonly line: number;
}

const LF = 0x0a;
const COLON = 0x3a;
const SPACE = 0x20;

/**
 * The lines of `bytes` one after the other, each in memory of its own.
 * @throws NARINFO_INVALID with `line` for one without `": "` or without its LF
 */
export function* narInfoFields(bytes: Uint8Array): Generator<NarInfoField, void> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  let start = 0;
  for (let line = 1; start < buffer.length; line++) {
    const end = buffer.indexOf(LF, start);
    if (end === -1) {
      throw new NarthexError('NARINFO_INVALID', `line ${line} does not end with a line feed`, {
        line,
        offset: buffer.length,
      });
    }
    const colon = buffer.indexOf(COLON, start);
    if (colon === -1 || colon > end || (colon + 1 < end && buffer[colon + 1] !== SPACE)) {
      const actual = excerpt(buffer.toString('latin1', start, end));
      throw new NarthexError('NARINFO_INVALID', `line ${line} is not 'Key: value': '${actual}'`, {
        line,
        offset: start,
        expected: 'Key: value',
        actual,
      });
    }
    yield {
      key: buffer.toString('latin1', start, colon),
      value: buffer.toString('latin1', Math.min(colon + 2, end), end),
      line,
    };
    start = end + 1;
  }
}

const CONTROL_CHARACTER = /\p{Cc}/u;
const BEYOND_ASCII = /[^\0-\x7f]/;

/** Whether `text` can stand in a line without becoming another one. */
export function isFieldText(text: string): boolean {
  return !CONTROL_CHARACTER.test(text);
}

/** The UTF-8 text of a value, or why it is none that can be used. */
export function textOfField(value: string): { text: string } | { refused: string } {
  const text = BEYOND_ASCII.test(value) ? decodeUtf8(Buffer.from(value, 'latin1')) : value;
  if (text === undefined) return { refused: 'is not UTF-8' };
  return isFieldText(text) ? { text } : { refused: 'has control characters' };
}
