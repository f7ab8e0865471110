import { blake3 as nobleBlake3 } from '@noble/hashes/blake3.js';
import { expect, test } from 'vitest';
import { toHex, utf8 } from '../../src/bytes.ts';
import { Digest } from '../../src/castore/digest.ts';
import { DirectoryNode, FileNode, type Node, SymlinkNode } from '../../src/castore/node.ts';
import { type ClosureDigestInput, closureDigest } from '../../src/pathinfo/closureDigest.ts';

const EMPTY_HEX = 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262';
const EMPTY_BLOB = Digest.of(Uint8Array.of());
const LINK = new SymlinkNode(utf8('x'));
const [ONE, TWO] = [Digest.of(utf8('1')), Digest.of(utf8('2'))];
const NAME = '00000000000000000000000000000000-a';

const u64 = (value: number) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes.toString('hex');
};
const field = (hex: string) => u64(hex.length / 2) + hex;
const text = (value: string) => Buffer.from(value).toString('hex');

/** The rule, spelled out in hexadecimal and hashed by another implementation. */
function byHand(...parts: string[]): string {
  const content = Buffer.from(parts.join(''), 'hex');
  return toHex(nobleBlake3(content, { context: utf8('narthex closure v1') }));
}

test.each<[string, ClosureDigestInput, string[]]>([
  [
    'a symlink without references',
    { baseName: NAME, node: LINK, selfReferring: false, references: [] },
    [field(text(NAME)), field('1a03120178'), '00', u64(0)],
  ],
  [
    'an executable that refers to itself',
    {
      baseName: NAME,
      node: new FileNode(EMPTY_BLOB, 3, true),
      selfReferring: true,
      references: [],
    },
    [field(text(NAME)), field(`12261220${EMPTY_HEX}18032001`), '01', u64(0)],
  ],
  [
    'a directory with references, sorted',
    {
      baseName: NAME,
      node: new DirectoryNode(EMPTY_BLOB, 0),
      selfReferring: false,
      references: [
        ['b', TWO],
        ['a', ONE],
      ],
    },
    [
      field(text(NAME)),
      field(`0a221220${EMPTY_HEX}`),
      '00',
      u64(2),
      field(text('a')),
      field(ONE.hex),
      field(text('b')),
      field(TWO.hex),
    ],
  ],
])('of %s', (_, input, parts) => {
  expect(closureDigest(input).hex).toBe(byHand(...parts));
});

test('does not change from one version to the next', () => {
  const input = {
    baseName: NAME,
    node: new DirectoryNode(EMPTY_BLOB, 0),
    selfReferring: true,
    references: [['a', ONE]] as const,
  };
  expect(closureDigest(input).hex).toMatchInlineSnapshot(
    `"665f78c2e03c2e87e65de3f309be83e0a356fcdbb0e4282a852bacb42cb3ef18"`,
  );
});

test('tells everything apart that it covers', () => {
  const base: ClosureDigestInput = {
    baseName: NAME,
    node: LINK,
    selfReferring: false,
    references: [['a', ONE]],
  };
  const nodes: Node[] = [
    new SymlinkNode(utf8('y')),
    new FileNode(EMPTY_BLOB, 0, false),
    new FileNode(EMPTY_BLOB, 0, true),
    new DirectoryNode(EMPTY_BLOB, 0),
  ];
  const inputs: ClosureDigestInput[] = [
    base,
    { ...base, baseName: `${NAME}b` },
    { ...base, selfReferring: true },
    { ...base, references: [] },
    { ...base, references: [['b', ONE]] },
    { ...base, references: [['a', TWO]] },
    {
      ...base,
      references: [
        ['a', ONE],
        ['b', TWO],
      ],
    },
    ...nodes.map((node) => ({ ...base, node })),
  ];
  expect(new Set(inputs.map((input) => closureDigest(input).hex)).size).toBe(inputs.length);
});
