/**
 * Changes to valid inputs. Random bytes hardly get past a magic; a valid input with some changes gets
 * far. An edit is plain data, so that fast-check can shrink a list of them, and the fuzzer draw it.
 */
import * as fc from 'fast-check';

const KINDS = [
  'flip', // a bit
  'byte', // another byte, often one that means something
  'number', // a u64 in little endian, often an extreme one
  'digits', // a decimal number in place of one
  'word', // a word of the format, put in
  'overwrite', // the same, over what is there
  'delete',
  'repeat', // a piece, put in again
  'move', // a piece, to somewhere else
  'splice', // the rest, from another input
  'truncate',
] as const;

/** A change; positions and lengths are fractions of what is there. */
export interface Edit {
  readonly kind: (typeof KINDS)[number];
  /** From 0 up to 1, exclusive. */
  readonly at: number;
  readonly to: number;
  /** From 0 to 2^32-1. */
  readonly value: number;
}

/** What edits draw on besides the input. */
export interface EditMaterial {
  readonly words: readonly Uint8Array[];
  readonly others: readonly Uint8Array[];
}

const NUMBERS: readonly bigint[] = [
  0n,
  1n,
  7n,
  8n,
  9n,
  63n,
  64n,
  255n,
  256n,
  4095n,
  4096n,
  65_535n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
];
const BYTES = [0, 1, 9, 10, 13, 32, 37, 47, 58, 64, 127, 128, 192, 254, 255];

/** The longest that an input gets. */
const MAX_INPUT_BYTES = 256 * 1024;
/** The bit of an edit's value that lets it keep to words of eight bytes. */
const ALIGNED = 0x80;
/** Pieces are mostly short. */
const MAX_PIECE_BYTES = 64;

/** Applies edits one after the other. */
export function edited(
  input: Uint8Array,
  edits: readonly Edit[],
  material: EditMaterial,
): Uint8Array {
  let bytes: Uint8Array = Uint8Array.from(input);
  for (const edit of edits) bytes = editedOnce(bytes, edit, material);
  return bytes.subarray(0, MAX_INPUT_BYTES);
}

const pick = <T>(list: readonly T[], value: number): T | undefined => list[value % list.length];

function editedOnce(bytes: Uint8Array, edit: Edit, { words, others }: EditMaterial): Uint8Array {
  const { kind, value } = edit;
  // many formats are made of words of eight bytes
  const wordBytes = value & ALIGNED ? 8 : 1;
  const whole = (count: number) => Math.ceil(count / wordBytes) * wordBytes;
  const place = (fraction: number, end: number) =>
    Math.floor((fraction * (end + 1)) / wordBytes) * wordBytes;
  const at = place(edit.at, bytes.length);
  const length = whole(1 + ((value >>> 8) % MAX_PIECE_BYTES));
  const word = pick(words, value >>> 8) ?? new Uint8Array(1);
  const replaced = (start: number, end: number, by: Uint8Array) =>
    Buffer.concat([bytes.subarray(0, start), by, bytes.subarray(end)]);
  switch (kind) {
    case 'flip':
      return at < bytes.length
        ? replaced(at, at + 1, Uint8Array.of((bytes[at] ?? 0) ^ (1 << (value % 8))))
        : bytes;
    case 'byte': {
      const known = pick(BYTES, value >>> 8) ?? 0;
      return replaced(at, at + 1, Uint8Array.of(value & 1 ? known : (value >>> 8) & 0xff));
    }
    case 'number': {
      const number = Buffer.alloc(8);
      number.writeBigUInt64LE(
        value & 1 ? (pick(NUMBERS, value >>> 1) ?? 0n) : BigInt(value >>> 20),
      );
      return replaced(at, Math.min(bytes.length, at + 8), number);
    }
    case 'digits':
      return digitsReplaced(bytes, edit.at, value);
    case 'word':
      return replaced(at, at, word);
    case 'overwrite':
      return replaced(at, at + word.length, word);
    case 'delete':
      return replaced(at, at + length, new Uint8Array(0));
    case 'repeat':
      return replaced(at, at, bytes.subarray(at, at + length));
    case 'move': {
      const piece = bytes.slice(at, at + length);
      const rest = replaced(at, at + length, new Uint8Array(0));
      const to = place(edit.to, rest.length);
      return Buffer.concat([rest.subarray(0, to), piece, rest.subarray(to)]);
    }
    case 'splice': {
      const other = pick(others, value) ?? bytes;
      return replaced(at, bytes.length, other.subarray(place(edit.to, other.length)));
    }
    case 'truncate':
      return bytes.subarray(0, at);
  }
}

/** Puts another number in place of one of those that stand by themselves. */
function digitsReplaced(bytes: Uint8Array, fraction: number, value: number): Uint8Array {
  const text = Buffer.from(bytes).toString('latin1');
  const numbers = [...text.matchAll(/(?<![0-9a-z])[0-9]+(?![0-9a-z])/g)];
  const found = numbers[Math.floor(fraction * numbers.length)];
  if (found === undefined) return bytes;
  const number = value & 1 ? String(pick(NUMBERS, value >>> 1)) : String(value);
  const end = found.index + found[0].length;
  return Buffer.from(text.slice(0, found.index) + number + text.slice(end), 'latin1');
}

const fraction = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

/** For properties that shrink. */
export const arbitraryEdits: fc.Arbitrary<Edit[]> = fc.array(
  fc.record({
    kind: fc.constantFrom(...KINDS),
    at: fraction,
    to: fraction,
    value: fc.nat(0xffff_ffff),
  }),
  { minLength: 1, maxLength: 8 },
);

/** Draws a list of edits. @param random from 0 up to 1, exclusive */
export function drawnEdits(random: () => number): Edit[] {
  const count = 1 + Math.floor(random() ** 2 * 8); // mostly few
  return Array.from({ length: count }, () => ({
    kind: KINDS[Math.floor(random() * KINDS.length)] ?? 'flip',
    at: random(),
    to: random(),
    value: Math.floor(random() * 2 ** 32),
  }));
}
