/** NARs that break a rule: where it is found, and what is said. */
import { describe, expect, it } from 'vitest';
import { concatBytes, utf8 } from '../../src/bytes.ts';
import { narString } from '../support/syntheticTree.ts';
import { chunksOf, traceNar } from './trace.ts';

/** Bytes that are no string: a length field, padding. */
const raw = (...bytes: readonly number[]): Uint8Array => Uint8Array.from(bytes);

function length(value: bigint): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
}

/** A NAR out of strings; byte arrays stand as they are. */
const nar = (...parts: readonly (string | Uint8Array)[]) =>
  concatBytes(parts.map((part) => (typeof part === 'string' ? narString(part) : part)));

const MAGIC = 'nix-archive-1';
const DIRECTORY = [MAGIC, '(', 'type', 'directory'];
const REGULAR = [MAGIC, '(', 'type', 'regular'];
const EMPTY_FILE = ['(', 'type', 'regular', 'contents', '', ')'];
const entry = (name: string | Uint8Array) => [
  'entry',
  '(',
  'name',
  name,
  'node',
  ...EMPTY_FILE,
  ')',
];

const named = (name: Uint8Array) => narString(name);
/** Offset of the first name: after the magic, "(", "type", "directory", "entry", "(", "name". */
const NAME_AT = 24 + 16 + 16 + 24 + 16 + 16 + 16;
/** Bytes of an entry like {@link entry} with a name of 1 to 8 bytes. */
const ENTRY_BYTES = 48 + 16 + 16 + 32 + 16 + 16 + 8 + 16 + 16;

type Row = readonly [
  name: string,
  nar: Uint8Array,
  offset: number,
  path: string,
  expected: string | number,
  actual: string | number | bigint,
];

// biome-ignore format: a row a line
const ROWS: readonly Row[] = [
  // the magic
  ['another version', nar('nix-archive-2'), 0, '/', '"nix-archive-1"', '"nix-archive-2"'],
  ['no NAR at all', utf8('<html><body>'), 0, '/', '"nix-archive-1"', `a string of ${Buffer.from('<html><b').readBigUInt64LE()} bytes`],
  ['a gzip file', raw(0x1f, 0x8b, 8, 0, 0, 0, 0, 0), 0, '/', '"nix-archive-1"', 'a string of 559903 bytes'],
  // the grammar
  ['no open parenthesis', nar(MAGIC, 'type'), 24, '/', '"("', '"type"'],
  ['no type', nar(MAGIC, '(', 'contents'), 40, '/', '"type"', '"contents"'],
  ['an unknown type', nar(MAGIC, '(', 'type', 'fifo'), 56, '/', '"regular" or "directory" or "symlink"', '"fifo"'],
  ['a file without contents', nar(...REGULAR, ')'), 72, '/', '"contents" or "executable"', '")"'],
  ['executable twice', nar(...REGULAR, 'executable', '', 'executable'), 72 + 24 + 8, '/', '"contents"', '"executable"'],
  ['executable with a value', nar(...REGULAR, 'executable', '1'), 72 + 24, '/', '""', '"1"'],
  ['executable after the contents', nar(...REGULAR, 'contents', '', 'executable', ''), 72 + 24, '/', '")"', '"executable"'],
  ['a symlink without target', nar(MAGIC, '(', 'type', 'symlink', ')'), 72, '/', '"target"', '")"'],
  ['an entry without name', nar(...DIRECTORY, 'entry', '(', 'node'), 80 + 32, '/', '"name"', '"node"'],
  ['an entry without node', nar(...DIRECTORY, 'entry', '(', 'name', 'a', ')'), NAME_AT + 16, '/a', '"node"', '")"'],
  ['two nodes in an entry', nar(...DIRECTORY, 'entry', '(', 'name', 'a', 'node', ...EMPTY_FILE, 'node'), 80 + ENTRY_BYTES - 16, '/a', '")"', '"node"'],
  ['an entry that ends early', nar(...DIRECTORY, 'entry', ')'), 80 + 16, '/', '"("', '")"'],
  ['something else in a directory', nar(...DIRECTORY, 'file'), 80, '/', '"entry" or ")"', '"file"'],
  ['a token that goes on', nar(...DIRECTORY, 'entry)'), 80, '/', '"entry" or ")"', '"entry)"'],
  ['a token of huge length', nar(...DIRECTORY, length(2n ** 64n - 1n)), 80, '/', '"entry" or ")"', 'a string of 18446744073709551615 bytes'],
  // names
  ['an empty name', nar(...DIRECTORY, ...entry('')), NAME_AT, '/', '1 to 255 bytes', 0n],
  ['a name of 256 bytes', nar(...DIRECTORY, ...entry('a'.repeat(256))), NAME_AT, '/', '1 to 255 bytes', 256n],
  ['a name of 2^63 bytes', nar(...DIRECTORY, 'entry', '(', 'name', length(2n ** 63n)), NAME_AT, '/', '1 to 255 bytes', 2n ** 63n],
  ['the name .', nar(...DIRECTORY, ...entry('.')), NAME_AT, '/', 'a name is not . or ..', '.'],
  ['the name ..', nar(...DIRECTORY, ...entry('..')), NAME_AT, '/', 'a name is not . or ..', '..'],
  ['a slash in a name', nar(...DIRECTORY, ...entry('a/b')), NAME_AT, '/', 'a name has no slash', 'a/b'],
  ['a NUL in a name', nar(...DIRECTORY, ...entry('a\0b')), NAME_AT, '/', 'a name has no NUL', 'a\\x00b'],
  ['a name twice', nar(...DIRECTORY, ...entry('a'), ...entry('a')), NAME_AT + ENTRY_BYTES, '/', 'a name after a', 'a'],
  ['names out of order', nar(...DIRECTORY, ...entry('b'), ...entry('a')), NAME_AT + ENTRY_BYTES, '/', 'a name after b', 'a'],
  ['a prefix after the longer name', nar(...DIRECTORY, ...entry('ab'), ...entry('a')), NAME_AT + ENTRY_BYTES, '/', 'a name after ab', 'a'],
  ['bytes in the order of signed char', nar(...DIRECTORY, ...entry(named(raw(0xff))), ...entry('a')), NAME_AT + ENTRY_BYTES, '/', 'a name after \\xff', 'a'],
  ['names in the order of UTF-16', nar(...DIRECTORY, ...entry('\u{1f980}'), ...entry('\ue000')), NAME_AT + ENTRY_BYTES, '/', 'a name after 🦀', '\ue000'],
  // targets
  ['an empty target', nar(MAGIC, '(', 'type', 'symlink', 'target', '', ')'), 88, '/', '1 to 4095 bytes', 0n],
  ['a target of 4096 bytes', nar(MAGIC, '(', 'type', 'symlink', 'target', length(4096n)), 88, '/', '1 to 4095 bytes', 4096n],
  ['a NUL in a target', nar(MAGIC, '(', 'type', 'symlink', 'target', 'a\0', ')'), 88, '/', 'a symlink target has no NUL', 'a\\x00'],
  // sizes
  ['a file of 2^53 bytes', nar(...REGULAR, 'contents', length(2n ** 53n)), 88, '/', 2 ** 53 - 1, 2n ** 53n],
  ['a file of 2^64 - 1 bytes', nar(...REGULAR, 'contents', length(2n ** 64n - 1n)), 88, '/', 2 ** 53 - 1, 2n ** 64n - 1n],
  // padding
  ['padding of a token', nar(length(13n), utf8(MAGIC), raw(0, 0, 1)), 23, '/', 0, 1],
  ['padding of a name', nar(...DIRECTORY, 'entry', '(', 'name', length(1n), utf8('a'), raw(0, 2, 0, 0, 0, 0, 0)), NAME_AT + 10, '/', 0, 2],
  ['padding of a target', nar(MAGIC, '(', 'type', 'symlink', 'target', length(7n), utf8('seventh'.slice(0, 7)), raw(3)), 88 + 15, '/', 0, 3],
  ['padding of contents', nar(...REGULAR, 'contents', length(3n), utf8('abc'), raw(0, 0, 0, 0, 4)), 88 + 8 + 7, '/', 0, 4],
  // the end
  ['a second root', nar(MAGIC, ...EMPTY_FILE, ...EMPTY_FILE), 112, '/', 'end of input', 'more bytes'],
  ['a second NAR', nar(MAGIC, ...EMPTY_FILE, MAGIC, ...EMPTY_FILE), 112, '/', 'end of input', 'more bytes'],
  ['a directory that does not end', nar(...DIRECTORY, ...entry('a')), 80 + ENTRY_BYTES, '/', '"entry" or ")"', 'end of input'],
  ['contents that do not end', nar(...REGULAR, 'contents', length(5n), utf8('abc')), 88 + 8 + 3, '/', '2 more bytes of contents', 'end of input'],
  ['padding that does not end', nar(...REGULAR, 'contents', length(3n), utf8('abc'), raw(0)), 88 + 8 + 4, '/', '4 more bytes of padding', 'end of input'],
  ['no node', nar(MAGIC), 24, '/', '"("', 'end of input'],
  ['nothing', raw(), 0, '/', '"nix-archive-1"', 'end of input'],
];

describe('malformed NARs are NAR_INVALID', () => {
  it.each(ROWS)('%s', (_name, bytes, offset, path, expected, actual) => {
    for (const chunkBytes of [bytes.length, 1, 3, 8]) {
      const { error } = traceNar(bytes, chunkBytes);
      expect(error?.code).toBe('NAR_INVALID');
      expect(error?.facts).toMatchObject({ offset, path, expected, actual });
    }
  });

  it('names the path down to a fault that lies deep', () => {
    const deep = nar(
      ...DIRECTORY,
      ...['entry', '(', 'name', 'bin', 'node', '(', 'type', 'directory'],
      ...['entry', '(', 'name', named(raw(0xff)), 'node', '(', 'type', 'regular', 'target'],
    );
    const { error } = traceNar(deep);
    expect(error?.facts['path']).toBe('/bin/\\xff');
    expect(error?.message).toBe(
      `expected "contents" or "executable", found "target", at byte ${deep.length - 16} (/bin/\\xff)`,
    );
  });

  it('does not wait for a string whose length is wrong already', () => {
    const start = nar(...DIRECTORY, 'entry', '(', 'name', length(256n));
    let pushed = 0;
    for (const chunk of chunksOf(start, 1)) pushed += chunk.length;
    expect(pushed).toBe(NAME_AT + 8);
    const { error } = traceNar(start, 1);
    expect(error?.facts['actual']).toBe(256n);
  });
});
