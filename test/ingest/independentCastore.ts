/**
 * Castore digests as the tests' own second opinion: BLAKE3 by @noble/hashes, protobuf by hand, from
 * snix's `castore.proto` and without a look at `src/castore`.
 */
import { blake3 } from '@noble/hashes/blake3.js';
import type { Node } from '../../src/castore/node.ts';
import type { SyntheticTree } from '../support/syntheticTree.ts';

/** A node as plain data. Digests in hexadecimal. */
export type PlainNode =
  | { readonly type: 'directory'; readonly digest: string; readonly size: number }
  | {
      readonly type: 'file';
      readonly digest: string;
      readonly size: number;
      readonly executable: boolean;
    }
  | { readonly type: 'symlink'; readonly target: string };

/** BLAKE3 in hexadecimal. */
export function blake3Hex(content: Uint8Array): string {
  return Buffer.from(blake3(content)).toString('hex');
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  return Buffer.from([...bytes, rest]);
}

/** A length-delimited field, left out when it is empty. */
function bytesField(field: number, value: Uint8Array): Buffer {
  if (value.length === 0) return Buffer.alloc(0);
  return Buffer.concat([Buffer.of(field * 8 + 2), varint(value.length), value]);
}

/** A varint field, left out when it is 0. */
function numberField(field: number, value: number): Buffer {
  return value === 0 ? Buffer.alloc(0) : Buffer.concat([Buffer.of(field * 8), varint(value)]);
}

const LIST_FIELD = { directory: 1, file: 2, symlink: 3 } as const;

function entryMessage(name: Uint8Array, node: PlainNode): Buffer {
  if (node.type === 'symlink') {
    return Buffer.concat([bytesField(1, name), bytesField(2, Buffer.from(node.target, 'latin1'))]);
  }
  const parts = [
    bytesField(1, name),
    bytesField(2, Buffer.from(node.digest, 'hex')),
    numberField(3, node.size),
  ];
  if (node.type === 'file') parts.push(numberField(4, node.executable ? 1 : 0));
  return Buffer.concat(parts);
}

/** The root node that a tree must get. */
export function independentNode(tree: SyntheticTree): PlainNode {
  if (tree.type === 'symlink') {
    return { type: 'symlink', target: Buffer.from(tree.target).toString('latin1') };
  }
  if (tree.type === 'regular') {
    const { contents, executable } = tree;
    return { type: 'file', digest: blake3Hex(contents), size: contents.length, executable };
  }
  const entries = tree.entries
    .map(([name, child]) => ({ name, node: independentNode(child) }))
    .sort((a, b) => Buffer.compare(a.name, b.name));
  const lists = (['directory', 'file', 'symlink'] as const).flatMap((type) =>
    entries
      .filter(({ node }) => node.type === type)
      .map(({ name, node }) => {
        const message = entryMessage(name, node);
        const tag = Buffer.of(LIST_FIELD[type] * 8 + 2);
        return Buffer.concat([tag, varint(message.length), message]);
      }),
  );
  const size = entries.reduce(
    (sum, { node }) => sum + 1 + (node.type === 'directory' ? node.size : 0),
    0,
  );
  return { type: 'directory', digest: blake3Hex(Buffer.concat(lists)), size };
}

/** One of narthex's nodes as plain data. */
export function plainNode(node: Node): PlainNode {
  switch (node.type) {
    case 'directory':
      return { type: 'directory', digest: node.digest.hex, size: node.size };
    case 'file':
      return {
        type: 'file',
        digest: node.digest.hex,
        size: node.size,
        executable: node.executable,
      };
    case 'symlink':
      return { type: 'symlink', target: Buffer.from(node.target).toString('latin1') };
  }
}
