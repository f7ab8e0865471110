import { describe, expect, test } from 'vitest';
import { utf8 } from '../../src/bytes.ts';
import { Digest } from '../../src/castore/digest.ts';
import {
  checkName,
  DirectoryNode,
  equalNodes,
  FileNode,
  type Node,
  SymlinkNode,
} from '../../src/castore/node.ts';
import { thrownBy } from '../support/errors.ts';

const A = Digest.of(utf8('a'));
const B = Digest.of(utf8('b'));

describe('a node is refused', () => {
  test.each([
    ['a negative size', 'size', () => new FileNode(A, -1, false)],
    ['a size that is no whole number', 'size', () => new FileNode(A, 1.5, false)],
    ['a size of 2^53', 'size', () => new DirectoryNode(A, 2 ** 53)],
    ['an empty target', 'target', () => new SymlinkNode(utf8(''))],
    ['a target of 4096 bytes', 'target', () => new SymlinkNode(new Uint8Array(4096).fill(0x61))],
    ['a target with NUL', 'target', () => new SymlinkNode(utf8('a\0b'))],
  ])('with %s', (_, field, make) => {
    expect(thrownBy(make)).toMatchObject({ code: 'NODE_INVALID', facts: { field } });
  });
});

test('the longest target and the largest sizes are taken', () => {
  expect(new SymlinkNode(new Uint8Array(4095).fill(0x2f)).target).toHaveLength(4095);
  expect(new FileNode(A, Number.MAX_SAFE_INTEGER, true).size).toBe(Number.MAX_SAFE_INTEGER);
  expect(new DirectoryNode(A, 0).size).toBe(0);
});

describe('names', () => {
  test.each(['a', ')', '...', '.a', '-', '__proto__', '\xff', 'é', '\n', 'a'.repeat(255)])(
    'may be %j',
    (name) => {
      const bytes = Buffer.from(name, 'latin1');
      expect(checkName(bytes)).toBe(bytes);
    },
  );

  test.each(['', '.', '..', '/', 'a/b', 'a\0', '\0', 'a'.repeat(256)])('may not be %j', (name) => {
    expect(thrownBy(() => checkName(utf8(name)))).toMatchObject({
      code: 'NODE_INVALID',
      facts: { field: 'name' },
    });
  });
});

test('nodes are equal exactly when their content is', () => {
  const nodes = (): Node[] => [
    new DirectoryNode(A, 1),
    new DirectoryNode(A, 2),
    new DirectoryNode(B, 1),
    new FileNode(A, 1, false),
    new FileNode(A, 1, true),
    new FileNode(A, 2, false),
    new FileNode(B, 1, false),
    new SymlinkNode(utf8('a')),
    new SymlinkNode(utf8('b')),
  ];
  const [left, right] = [nodes(), nodes()];
  for (const [i, a] of left.entries()) {
    for (const [j, b] of right.entries()) expect([i, j, equalNodes(a, b)]).toEqual([i, j, i === j]);
  }
});
