/**
 * File trees made up by tests, and a NAR encoder of the tests' own: a few lines that share nothing
 * with `src/nar`, so that the two check each other.
 */
import { createHash } from 'node:crypto';
import { compareBytes, jsonOfBytes, utf8 } from '../../src/bytes.ts';
import type { FileTree } from './fileTree.ts';

/** A tree as it is about to be encoded. */
export type SyntheticTree =
  | { readonly type: 'regular'; readonly executable: boolean; readonly contents: Uint8Array }
  | { readonly type: 'symlink'; readonly target: Uint8Array }
  | {
      readonly type: 'directory';
      /** In the order in which they are encoded. */
      readonly entries: readonly (readonly [name: Uint8Array, tree: SyntheticTree])[];
    };

/** Entries by name. An array of pairs where names are bytes, repeated, or `__proto__`. */
export type SyntheticEntries =
  | Readonly<Record<string, SyntheticTree>>
  | readonly (readonly [name: string | Uint8Array, tree: SyntheticTree])[];

const bytesOf = (text: string | Uint8Array) => (typeof text === 'string' ? utf8(text) : text);

/** A regular file. */
export function file(contents: string | Uint8Array): SyntheticTree {
  return { type: 'regular', executable: false, contents: bytesOf(contents) };
}

/** An executable file. */
export function executable(contents: string | Uint8Array): SyntheticTree {
  return { type: 'regular', executable: true, contents: bytesOf(contents) };
}

/** A symlink. */
export function symlink(target: string | Uint8Array): SyntheticTree {
  return { type: 'symlink', target: bytesOf(target) };
}

/** A directory whose entries are encoded in the order given, right or wrong. */
export function unsortedDirectory(entries: SyntheticEntries): SyntheticTree {
  const pairs = Array.isArray(entries) ? entries : Object.entries(entries);
  return { type: 'directory', entries: pairs.map(([name, tree]) => [bytesOf(name), tree]) };
}

/** A directory, sorted as NARs want it. */
export function directory(entries: SyntheticEntries = {}): SyntheticTree {
  const unsorted = unsortedDirectory(entries);
  if (unsorted.type !== 'directory') return unsorted;
  const sorted = [...unsorted.entries].sort(([a], [b]) => compareBytes(a, b));
  return { type: 'directory', entries: sorted };
}

/** `depth` directories, each the only entry `name` of the one above, around `inner`. */
export function nested(depth: number, inner: SyntheticTree, name = 'd'): SyntheticTree {
  let tree = inner;
  for (let level = 0; level < depth; level++) tree = directory([[name, tree]]);
  return tree;
}

const NAR_ALIGNMENT = 8;

/** One string of a NAR: length, bytes, padding. */
export function narString(text: string | Uint8Array): Uint8Array {
  const bytes = bytesOf(text);
  const padded = Math.ceil(bytes.length / NAR_ALIGNMENT) * NAR_ALIGNMENT;
  const result = Buffer.alloc(NAR_ALIGNMENT + padded);
  result.writeBigUInt64LE(BigInt(bytes.length));
  result.set(bytes, NAR_ALIGNMENT);
  return result;
}

/** The strings of a node as yet to be written; an explicit stack, as trees may be deep. */
function* narStrings(root: SyntheticTree): Generator<string | Uint8Array> {
  const pending: (string | Uint8Array | SyntheticTree)[] = [root];
  for (let item = pending.pop(); item !== undefined; item = pending.pop()) {
    if (typeof item === 'string' || item instanceof Uint8Array) {
      yield item;
    } else if (item.type === 'regular') {
      yield* ['(', 'type', 'regular'];
      if (item.executable) yield* ['executable', ''];
      yield* ['contents', item.contents, ')'];
    } else if (item.type === 'symlink') {
      yield* ['(', 'type', 'symlink', 'target', item.target, ')'];
    } else {
      yield* ['(', 'type', 'directory'];
      pending.push(')');
      for (const [name, tree] of item.entries.toReversed()) {
        pending.push(')', tree, 'node', name, 'name', '(', 'entry');
      }
    }
  }
}

/** The NAR of a tree. */
export function encodeNar(tree: SyntheticTree): Uint8Array {
  const parts = [narString('nix-archive-1')];
  for (const text of narStrings(tree)) parts.push(narString(text));
  return Buffer.concat(parts);
}

/** What `readFileTree` finds where the tree was restored. */
export function fileTreeOf(tree: SyntheticTree): FileTree {
  if (tree.type === 'symlink') return { type: 'symlink', target: jsonOfBytes(tree.target) };
  if (tree.type === 'directory') {
    const entries = tree.entries.map(
      ([name, child]) => [jsonOfBytes(name), fileTreeOf(child)] as const,
    );
    return { type: 'directory', entries };
  }
  const { contents } = tree;
  const hash = createHash('sha256').update(contents).digest('hex');
  return { type: 'regular', executable: tree.executable, size: contents.length, sha256: hash };
}
