/**
 * nixbase32, Nix's own base 32 (Nix: `src/libutil/base-nix-32.cc`, earlier `hash.cc`).
 *
 *     digit     0 1 2 3 4 5 6 7 8 9 a b c d f g h i j k l m n p q r s v w x y z   (no e, o, u, t)
 *     n bytes   ⌈8n / 5⌉ digits
 *
 * The bytes are read as one little-endian number, and its digits are written most significant
 * first: the *last* character holds the low five bits of the *first* byte. Only the canonical
 * spelling is accepted, that is, the spare bits of the first character are zero.
 */
import { NarthexError } from './errors.ts';
import { excerpt } from './excerpt.ts';

const ALPHABET = '0123456789abcdfghijklmnpqrsvwxyz';
const BITS_PER_DIGIT = 5;
const BITS_PER_BYTE = 8;
const DIGIT_MASK = (1 << BITS_PER_DIGIT) - 1;
const BYTE_MASK = (1 << BITS_PER_BYTE) - 1;

/** In {@link DIGIT_OF_CODE}: not a digit. */
const NO_DIGIT = 0xff;

/** The value of each ASCII character as a digit. */
const DIGIT_OF_CODE = new Uint8Array(128).fill(NO_DIGIT);
for (let digit = 0; digit < ALPHABET.length; digit++) {
  DIGIT_OF_CODE[ALPHABET.charCodeAt(digit)] = digit;
}

/** How many characters `byteLength` bytes take. */
export function nixbase32Length(byteLength: number): number {
  return Math.ceil((byteLength * BITS_PER_BYTE) / BITS_PER_DIGIT);
}

/** The nixbase32 text of `bytes`. */
export function encodeNixbase32(bytes: Uint8Array): string {
  const text = Buffer.allocUnsafe(nixbase32Length(bytes.length));
  let position = text.length;
  let pending = 0;
  let pendingBits = 0;
  for (const byte of bytes) {
    pending |= byte << pendingBits;
    pendingBits += BITS_PER_BYTE;
    while (pendingBits >= BITS_PER_DIGIT) {
      text[--position] = ALPHABET.charCodeAt(pending & DIGIT_MASK);
      pending >>>= BITS_PER_DIGIT;
      pendingBits -= BITS_PER_DIGIT;
    }
  }
  if (pendingBits > 0) text[--position] = ALPHABET.charCodeAt(pending);
  return text.toString('latin1');
}

/**
 * The bytes that `text` spells.
 * @throws NIXBASE32_INVALID with `actual`, and `index` where one character is to blame: a character
 *   outside the alphabet, a length that no number of bytes has, spare bits that are not zero
 */
export function decodeNixbase32(text: string): Uint8Array {
  const byteLength = Math.floor((text.length * BITS_PER_DIGIT) / BITS_PER_BYTE);
  if (nixbase32Length(byteLength) !== text.length) {
    throw new NarthexError(
      'NIXBASE32_INVALID',
      `no bytes are ${text.length} characters long in nixbase32: '${excerpt(text)}'`,
      { actual: excerpt(text), length: text.length },
    );
  }
  const bytes = new Uint8Array(byteLength);
  let position = 0;
  let pending = 0;
  let pendingBits = 0;
  for (let index = text.length - 1; index >= 0; index--) {
    const digit = DIGIT_OF_CODE[text.charCodeAt(index)] ?? NO_DIGIT;
    if (digit === NO_DIGIT) {
      throw new NarthexError(
        'NIXBASE32_INVALID',
        `character ${index} of '${excerpt(text)}' is not in the nixbase32 alphabet`,
        { actual: excerpt(text), index, expected: ALPHABET },
      );
    }
    pending |= digit << pendingBits;
    pendingBits += BITS_PER_DIGIT;
    if (pendingBits >= BITS_PER_BYTE) {
      bytes[position++] = pending & BYTE_MASK;
      pending >>>= BITS_PER_BYTE;
      pendingBits -= BITS_PER_BYTE;
    }
  }
  if (pending !== 0) {
    throw new NarthexError(
      'NIXBASE32_INVALID',
      `the spare bits of the first character of '${excerpt(text)}' are not zero`,
      { actual: excerpt(text), index: 0, expected: encodeNixbase32(bytes) },
    );
  }
  return bytes;
}
