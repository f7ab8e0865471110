/**
 * NAR on the wire: one deterministic byte string for a file tree. What is here is shared by the
 * parser and the writer; nothing here does more than arithmetic and constants.
 *
 * Source: Nix `src/libutil/archive.cc` and figure 5.2 of E. Dolstra's thesis.
 *
 * ## Grammar
 *
 *     nar       = "nix-archive-1" node
 *     node      = "(" "type" ( regular | symlink | directory ) ")"
 *     regular   = "regular" [ "executable" "" ] "contents" string
 *     symlink   = "symlink" "target" string
 *     directory = "directory" entry*
 *     entry     = "entry" "(" "name" string "node" node ")"
 *
 * Everything in quotes is a string too. A string is its length in bytes as an unsigned 64-bit
 * little-endian integer, its bytes, and zero bytes up to the next multiple of 8. So every token
 * begins at a multiple of 8. Strings are bytes without an encoding. A string has its meaning by its
 * place alone: an entry may be *named* `)`, `node` or `type`.
 *
 * ## What is enforced, by the parser and the writer alike
 *
 * - the grammar, the zero padding, and nothing after the last `)`
 * - `executable` comes before `contents`, and its value is empty
 * - entry names: 1 to 255 bytes, no `/`, no NUL, not `.` or `..`; within a directory strictly
 *   increasing in byte order, so that duplicates are impossible
 * - symlink targets: 1 to 4095 bytes, no NUL
 * - file sizes up to 2^53 - 1 bytes
 * - by the parser only: the limits on depth, entries and bytes of `limits.ts`
 *
 * ## What is not
 *
 * Where a symlink leads; whether names are UTF-8, or clash on a file system that folds case; Nix's
 * limit of 64 directory levels (2026), because older caches hold deeper trees.
 */
import { utf8 } from '../bytes.ts';

/** Bytes of a length field. */
export const LENGTH_BYTES = 8;

/** Longest name of a directory entry in bytes: Linux's NAME_MAX. */
export const MAX_NAME_BYTES = 255;

/** Longest symlink target in bytes: Linux's PATH_MAX less the final NUL. */
export const MAX_TARGET_BYTES = 4095;

/** Number of zero bytes after a string (or a file's contents) of `lengthBytes`, below 2^53: 0 to 7. */
export function paddingBytes(lengthBytes: number): number {
  // exact above 2^32 too: the operator takes its operand modulo 2^32
  return -lengthBytes & 7;
}

/** Bytes that a string of `lengthBytes` takes on the wire: length field, bytes, padding. */
export function stringBytes(lengthBytes: number): number {
  return LENGTH_BYTES + lengthBytes + paddingBytes(lengthBytes);
}

const HIGH_WORD = 2 ** 32;
const HIGH_WORD_END = 2 ** 21;

/**
 * The unsigned 64-bit length at `at`: exact up to 2^53 - 1, and above it `Infinity`, which no limit
 * lets pass. The one place where lengths are narrowed; it makes no bigint because it runs for every
 * token.
 */
export function lengthAt(view: DataView, at: number): number {
  const high = view.getUint32(at + 4, true);
  return high < HIGH_WORD_END
    ? high * HIGH_WORD + view.getUint32(at, true)
    : Number.POSITIVE_INFINITY;
}

/** Writes the length field of a string. */
export function setLength(view: DataView, at: number, lengthBytes: number): void {
  view.setUint32(at, lengthBytes % HIGH_WORD, true);
  view.setUint32(at + 4, Math.floor(lengthBytes / HIGH_WORD), true);
}

/** The wire form of several strings, one after the other. */
export function encodeStrings(...strings: readonly string[]): Uint8Array {
  const encoded = strings.map((text) => utf8(text));
  const total = encoded.reduce((sum, bytes) => sum + stringBytes(bytes.length), 0);
  const wire = new Uint8Array(total);
  const view = new DataView(wire.buffer);
  let at = 0;
  for (const bytes of encoded) {
    setLength(view, at, bytes.length);
    wire.set(bytes, at + LENGTH_BYTES);
    at += stringBytes(bytes.length);
  }
  return wire;
}

/** A string of the grammar. */
export interface Token {
  readonly text: string;
  /** Length of its wire form in bytes: a multiple of 8. */
  readonly wireBytes: number;
  /** Its wire form as little-endian 32-bit words; a plain array is read faster than a typed one. */
  readonly words: readonly number[];
}

function token(text: string): Token {
  const wire = encodeStrings(text);
  const view = new DataView(wire.buffer);
  const words = Array.from({ length: wire.length / 4 }, (_, i) => view.getInt32(i * 4, true));
  return { text, wireBytes: wire.length, words };
}

/** The strings of the grammar. */
export const TOKENS = {
  magic: token('nix-archive-1'),
  open: token('('),
  close: token(')'),
  type: token('type'),
  regular: token('regular'),
  executable: token('executable'),
  empty: token(''),
  contents: token('contents'),
  symlink: token('symlink'),
  target: token('target'),
  directory: token('directory'),
  entry: token('entry'),
  name: token('name'),
  node: token('node'),
} as const satisfies Record<string, Token>;

/** Length in bytes of the longest string of the grammar, without length field and padding. */
export const LONGEST_TOKEN_BYTES: number = TOKENS.magic.text.length;

/** Whether `expected`, padding included, lies at `at`. `view` must reach that far. */
export function isTokenAt(view: DataView, at: number, expected: Token): boolean {
  const { words } = expected;
  for (let i = 0; i < words.length; i++) {
    if (view.getInt32(at + i * 4, true) !== words[i]) return false;
  }
  return true;
}

/** Runs of strings between a writer's variable parts. */
export const FRAMING = {
  /** Before the root node. */
  magic: encodeStrings('nix-archive-1'),
  /** Before an entry's name. */
  beforeName: encodeStrings('entry', '(', 'name'),
  /** Between an entry's name and its node. */
  afterName: encodeStrings('node'),
  /** Up to the length of the contents. */
  regular: encodeStrings('(', 'type', 'regular', 'contents'),
  /** Up to the length of the contents. */
  executable: encodeStrings('(', 'type', 'regular', 'executable', '', 'contents'),
  /** Up to the target. */
  symlink: encodeStrings('(', 'type', 'symlink', 'target'),
  /** Up to the first entry. */
  directory: encodeStrings('(', 'type', 'directory'),
  /** After the root node. */
  closeRoot: encodeStrings(')'),
  /** After any other node: its own end and its entry's. */
  closeEntry: encodeStrings(')', ')'),
} as const;
