/**
 * Closure digests as the tests' own second opinion: BLAKE3 by @noble/hashes, all bytes spelled in
 * hexadecimal from docs/closure-digest.md, nothing of `src`.
 */
import { blake3 } from '@noble/hashes/blake3.js';
import { independentNode, type PlainNode } from '../ingest/independentCastore.ts';
import { syntheticTreeOf, type VectorInput } from './closureDigestVectors.ts';

/** What comes out for one path, in hexadecimal. */
export interface IndependentResult {
  readonly entry: string;
  readonly message: string;
  readonly closureDigest: string;
}

const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const hexOfText = (text: string, encoding: BufferEncoding = 'utf8') =>
  hexOf(Buffer.from(text, encoding));
const lengthOf = (hex: string) => hex.length / 2;

function u64(value: number): string {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return hexOf(bytes);
}

function varint(value: number): string {
  const low = value % 128;
  return value < 128
    ? hexOf(Buffer.of(low))
    : hexOf(Buffer.of(low + 128)) + varint(Math.floor(value / 128));
}

const field = (hex: string) => u64(lengthOf(hex)) + hex;
const optional = (tag: string, value: number) => (value === 0 ? '' : tag + varint(value));

/** The `Entry` of a node without a name. */
function entryOf(node: PlainNode): string {
  const delimited = (tag: string, hex: string) => tag + varint(lengthOf(hex)) + hex;
  switch (node.type) {
    case 'directory':
      return delimited('0a', delimited('12', node.digest) + optional('18', node.size));
    case 'file': {
      const rest = optional('18', node.size) + optional('20', node.executable ? 1 : 0);
      return delimited('12', delimited('12', node.digest) + rest);
    }
    case 'symlink':
      return delimited('1a', delimited('12', hexOfText(node.target, 'latin1')));
  }
}

/** @param digests closure digests by base name, to which this one is added */
export function independentClosureDigest(
  context: string,
  { baseName, tree, references }: VectorInput,
  digests: Map<string, string>,
): IndependentResult {
  const entry = entryOf(independentNode(syntheticTreeOf(tree)));
  // hexadecimal sorts as its bytes do
  const others = [...new Set(references)]
    .filter((name) => name !== baseName)
    .map((name) => [hexOfText(name), digests.get(name) ?? ''] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const message = [
    field(hexOfText(baseName)),
    field(entry),
    references.includes(baseName) ? '01' : '00',
    u64(others.length),
    ...others.flat().map(field),
  ].join('');
  const hashed = blake3(Buffer.from(message, 'hex'), { context: Buffer.from(context) });
  digests.set(baseName, hexOf(hashed));
  return { entry, message, closureDigest: hexOf(hashed) };
}
