import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bytesKey, compareBytes, EMPTY, toHex, utf8 } from '../../src/bytes.ts';
import { Digest } from '../../src/castore/digest.ts';
import { Directory, decodeEntry, encodeEntry } from '../../src/castore/directory.ts';
import {
  DirectoryNode,
  equalNodes,
  FileNode,
  type Node,
  SymlinkNode,
} from '../../src/castore/node.ts';
import { thrownBy } from '../support/errors.ts';

const EMPTY_HEX = 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262';
const EMPTY_BLOB = Digest.of(EMPTY);

const anyDigest = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => new Digest(bytes));
const anySize = fc.nat({ max: 2 ** 31 - 1 });
const anyNode: fc.Arbitrary<Node> = fc.oneof(
  fc.tuple(anyDigest, anySize).map(([digest, size]) => new DirectoryNode(digest, size)),
  fc
    .tuple(anyDigest, anySize, fc.boolean())
    .map(([digest, size, executable]) => new FileNode(digest, size, executable)),
  fc.uint8Array({ minLength: 1, maxLength: 20, min: 1 }).map((target) => new SymlinkNode(target)),
);
const anyName = fc
  .uint8Array({ minLength: 1, maxLength: 4, min: 1 })
  .filter((name) => !name.includes(0x2f) && !['.', '..'].includes(bytesKey(name)));
const anyDirectory = fc
  .uniqueArray(fc.record({ name: anyName, node: anyNode }), {
    maxLength: 8,
    selector: ({ name }) => bytesKey(name),
  })
  .map((entries) => new Directory(entries));

describe('the canonical encoding', () => {
  // written out by hand from castore.proto: tag, length, then the fields of the entry
  const file = `0a052e6b656570 1220${EMPTY_HEX}`;
  test.each([
    ['nothing', [], ''],
    ['an empty file', [['.keep', new FileNode(EMPTY_BLOB, 0, false)]], `1229 ${file}`],
    ['an empty executable', [['.keep', new FileNode(EMPTY_BLOB, 0, true)]], `122b ${file} 2001`],
    [
      'a file of 300 bytes',
      [['.keep', new FileNode(EMPTY_BLOB, 300, false)]],
      `122c ${file} 18ac02`,
    ],
    ['a symlink', [['a', new SymlinkNode(utf8('b/c'))]], '1a08 0a0161 1203622f63'],
    [
      'a directory, then a file, then a symlink, whatever their names',
      [
        ['a', new SymlinkNode(utf8('x'))],
        ['b', new FileNode(EMPTY_BLOB, 0, false)],
        ['c', new DirectoryNode(EMPTY_BLOB, 0)],
      ],
      `0a25 0a0163 1220${EMPTY_HEX} 1225 0a0162 1220${EMPTY_HEX} 1a06 0a0161 120178`,
    ],
  ] as const)('of %s', (_, entries, hex) => {
    const directory = new Directory(entries.map(([name, node]) => ({ name: utf8(name), node })));
    expect(toHex(directory.encode())).toBe(hex.replaceAll(' ', ''));
    expect(directory.digest.hex).toBe(Digest.of(directory.encode()).hex);
  });

  test('round-trips, and does not depend on the order given', () => {
    fc.assert(
      fc.property(anyDirectory, (directory) => {
        const decoded = Directory.decode(directory.encode());
        expect(decoded.encode()).toEqual(directory.encode());
        expect(decoded.size).toBe(directory.size);
        const reversed = new Directory([...directory.entries].reverse());
        expect(reversed.digest.hex).toBe(directory.digest.hex);
        const names = decoded.entries.map(({ name }) => name);
        expect(names).toEqual([...names].sort(compareBytes));
        for (const { name, node } of directory.entries) {
          const found = decoded.get(name);
          expect(found !== undefined && equalNodes(found, node)).toBe(true);
        }
      }),
    );
  });

  test('whatever else is decoded encodes to the same bytes', () => {
    fc.assert(
      fc.property(anyDirectory, fc.nat(), fc.nat({ max: 255 }), (directory, at, byte) => {
        const damaged = Buffer.from(directory.encode());
        if (damaged.length > 0) damaged[at % damaged.length] = byte;
        try {
          expect(toHex(Directory.decode(damaged).encode())).toBe(toHex(damaged));
        } catch (error) {
          expect(error).toMatchObject({
            code: expect.stringMatching(/^(DIRECTORY|NODE|DIGEST)_INVALID$/),
          });
        }
      }),
      { numRuns: 500 },
    );
  });

  test('does not keep the encoding alive through its entries', () => {
    const encoded = new Directory([{ name: utf8('a'), node: new SymlinkNode(utf8('b')) }]).encode();
    const [entry] = Directory.decode(encoded).entries;
    encoded.fill(0);
    expect(entry?.name).toEqual(utf8('a'));
  });
});

describe('decoding refuses', () => {
  const link = (name: string, target = 'x') =>
    toHex(encodeEntry(utf8(name), new SymlinkNode(utf8(target))));
  test.each([
    ['names out of order', link('b') + link('a')],
    ['a name twice', link('a') + link('a')],
    ['an unknown list', '2206 0a0161 120178'],
    ['a list before another', `${link('a')} 1225 0a0162 1220${EMPTY_HEX}`],
    ['a varint for a list', '0801'],
    ['an unknown field', '1a09 0a0161 120178 1a0179'],
    ['fields out of order', '1a06 120178 0a0161'],
    ['a default written out', `1227 0a0162 1220${EMPTY_HEX} 1800`],
    ['executable 2', `1227 0a0162 1220${EMPTY_HEX} 2002`],
    ['an entry that is cut off', '1a06 0a0161 1201'],
    ['no name', '1a03 120178'],
    ['a name with a slash', link('a/b')],
    ['no target', '1a03 0a0161'],
    ['a digest of 31 bytes', `1224 0a0162 121f${EMPTY_HEX.slice(2)}`],
  ])('%s', (_, hex) => {
    const encoded = Buffer.from(hex.replaceAll(' ', ''), 'hex');
    expect(thrownBy(() => Directory.decode(encoded)).code).toMatch(
      /^(DIRECTORY|NODE|DIGEST)_INVALID$/,
    );
  });

  test('a name that stands in two lists', () => {
    const encoded = Buffer.from(
      `1225 0a0161 1220${EMPTY_HEX} ${link('a')}`.replaceAll(' ', ''),
      'hex',
    );
    expect(thrownBy(() => Directory.decode(encoded))).toMatchObject({
      code: 'DIRECTORY_INVALID',
      facts: { field: 'name', actual: 'a' },
    });
  });
});

test('the size is the number of all descendants', () => {
  const leaf = new Directory([
    { name: utf8('a'), node: new FileNode(EMPTY_BLOB, 0, false) },
    { name: utf8('b'), node: new SymlinkNode(utf8('a')) },
  ]);
  const root = new Directory([
    { name: utf8('x'), node: leaf.node },
    { name: utf8('y'), node: leaf.node },
  ]);
  expect([leaf.size, root.size, root.node.size]).toEqual([2, 6, 6]);
});

test('a size of 2^53 is refused', () => {
  const half = new DirectoryNode(EMPTY_BLOB, 2 ** 52);
  const make = () =>
    new Directory([
      { name: utf8('a'), node: half },
      { name: utf8('b'), node: half },
    ]);
  expect(thrownBy(make)).toMatchObject({ code: 'DIRECTORY_INVALID', facts: { field: 'size' } });
});

test('a name that is not there is not found', () => {
  const directory = new Directory(
    ['b', 'd', 'f'].map((name) => ({ name: utf8(name), node: new SymlinkNode(utf8('x')) })),
  );
  for (const name of ['', 'a', 'c', 'e', 'g', 'bb']) {
    expect(directory.get(utf8(name))).toBeUndefined();
  }
});

describe('an Entry', () => {
  test('round-trips with any name', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), anyNode, (name, node) => {
        const entry = decodeEntry(encodeEntry(name, node));
        expect(Buffer.compare(entry.name, name)).toBe(0);
        expect(equalNodes(entry.node, node)).toBe(true);
      }),
    );
  });

  test.each([
    ['nothing', ''],
    ['two nodes', '1a03 120178 1a03 120178'],
    ['an unknown node', '2203 120178'],
  ])('is not %s', (_, hex) => {
    const encoded = Buffer.from(hex.replaceAll(' ', ''), 'hex');
    expect(thrownBy(() => decodeEntry(encoded)).code).toBe('DIRECTORY_INVALID');
  });
});
