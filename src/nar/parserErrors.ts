/** What is told of a NAR that is wrong: the errors of the parser, in words and facts. */
import { displayBytes } from '../bytes.ts';
import { type ErrorFacts, NarthexError } from '../errors.ts';
import { STEPS, State } from './grammar.ts';
import {
  LENGTH_BYTES,
  LONGEST_TOKEN_BYTES,
  lengthAt,
  MAX_NAME_BYTES,
  MAX_TARGET_BYTES,
  stringBytes,
} from './wire.ts';

/** A place in a NAR: the offset of a token, and the path of the node that it belongs to. */
export type NarPlace = { readonly offset: number; readonly path: string };

/** @param facts an `offset` among them is that of a byte in the token */
export function invalidNar(where: NarPlace, message: string, facts: ErrorFacts): NarthexError {
  const all = { ...where, ...facts };
  return new NarthexError('NAR_INVALID', `${message}, at byte ${all.offset} (${all.path})`, all);
}

/** @param length as it is on the wire */
export function badStringLength(where: NarPlace, isName: boolean, length: bigint): NarthexError {
  const expected = `1 to ${isName ? MAX_NAME_BYTES : MAX_TARGET_BYTES} bytes`;
  const what = isName ? 'a name' : 'a symlink target';
  return invalidNar(where, `${what} has ${expected}`, { expected, actual: length });
}

/** A string, whole unless it is long, that is none of those that may come in `state`. */
export function unexpectedToken(
  where: NarPlace,
  state: State,
  bytes: Uint8Array,
  view: DataView,
  at: number,
): NarthexError {
  const expected = expectedIn(state, 0);
  const length = lengthAt(view, at);
  if (length > LONGEST_TOKEN_BYTES) {
    const actual = `a string of ${view.getBigUint64(at, true)} bytes`;
    return invalidNar(where, `expected ${expected}, found ${actual}`, { expected, actual });
  }
  const start = at + LENGTH_BYTES;
  const text = displayBytes(bytes.subarray(start, start + length));
  if (STEPS[state]?.some((step) => step.token.text === text)) {
    // the right string, so it is its padding
    const padding = bytes.subarray(start + length, at + stringBytes(length));
    const first = padding.findIndex((byte) => byte !== 0);
    return wrongPadding(where, where.offset + LENGTH_BYTES + length + first, padding[first]);
  }
  const actual = `"${text}"`;
  return invalidNar(where, `expected ${expected}, found ${actual}`, { expected, actual });
}

/** @param offset of the byte */
export function wrongPadding(
  where: NarPlace,
  offset: number,
  actual: number | undefined,
): NarthexError {
  return invalidNar(where, 'padding is not zero', { offset, expected: 0, actual });
}

/** What may come next, in words. @param left bytes of contents or padding still to come */
export function expectedIn(state: State, left: number): string {
  const steps = STEPS[state];
  if (steps !== undefined) return steps.map((step) => `"${step.token.text}"`).join(' or ');
  switch (state) {
    case State.FileSize:
      return 'the size of a file';
    case State.Contents:
      return `${left} more bytes of contents`;
    case State.ContentsPadding:
      return `${left} more bytes of padding`;
    case State.Target:
      return 'a symlink target';
    default:
      return 'a name';
  }
}

export function trailingBytes(where: NarPlace): NarthexError {
  return invalidNar(where, 'bytes follow the end of the NAR', {
    expected: 'end of input',
    actual: 'more bytes',
  });
}

/** @param declared the NarSize @param actual all there are, or more than declared and maybe not all */
export function otherNarSize(where: NarPlace, declared: number, actual: number): NarthexError {
  const message = `a NAR of ${declared} bytes was declared, this one has ${
    actual > declared ? 'at least ' : ''
  }${actual}`;
  return new NarthexError('NAR_SIZE_MISMATCH', message, { ...where, expected: declared, actual });
}

/** @param maxBytes the limit `narBytes` */
export function narTooLong(where: NarPlace, maxBytes: number, atLeastBytes: number): NarthexError {
  return new NarthexError(
    'LIMIT_EXCEEDED',
    `a NAR has ${atLeastBytes} bytes or more, the limit narBytes is ${maxBytes}`,
    { ...where, limit: 'narBytes', expected: maxBytes, actual: atLeastBytes },
  );
}
