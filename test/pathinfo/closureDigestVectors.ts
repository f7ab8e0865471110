/** The test vectors of docs/closure-digest.md, as they stand in the file. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { bytesOfJson, type JsonBytes } from '../../src/bytes.ts';
import {
  directory,
  executable,
  file,
  type SyntheticTree,
  symlink,
} from '../support/syntheticTree.ts';

/** Where they are. */
export const VECTORS_FILE = fileURLToPath(
  new URL('../../docs/closure-digest-vectors.json', import.meta.url),
);

/** Bytes, as text or otherwise. */
export type VectorBytes = JsonBytes | { readonly repeat: string; readonly times: number };

/** A tree. */
export type VectorTree =
  | { readonly type: 'file'; readonly executable: boolean; readonly contents: VectorBytes }
  | { readonly type: 'symlink'; readonly target: JsonBytes }
  | {
      readonly type: 'directory';
      readonly entries: readonly (readonly [name: JsonBytes, tree: VectorTree])[];
    };

/** A store path: what is given. */
export interface VectorInput {
  readonly baseName: string;
  readonly tree: VectorTree;
  /** Base names, in the order of the narinfo. */
  readonly references: readonly string[];
}

/** A store path and what comes out, in hexadecimal. */
export interface VectorPath extends VectorInput {
  /** The canonical `Entry` of the root node. */
  readonly entry: string;
  /** What is hashed. */
  readonly message: string;
  readonly closureDigest: string;
}

/** The file. */
export interface Vectors {
  readonly context: string;
  readonly vectors: readonly { readonly name: string; readonly paths: readonly VectorPath[] }[];
  readonly chain: {
    readonly length: number;
    readonly paths: readonly {
      readonly index: number;
      readonly baseName: string;
      readonly closureDigest: string;
    }[];
  };
}

/** Reads the file. */
export function readVectors(): Vectors {
  return JSON.parse(readFileSync(VECTORS_FILE, 'utf8'));
}

/** The paths of the chain, of which the file has the rule only. */
export function chainPaths(length: number): VectorInput[] {
  const name = (index: number) => `${String(index).padStart(32, '0')}-chain`;
  return Array.from({ length }, (_, index) => ({
    baseName: name(index),
    tree: { type: 'symlink', target: String(index) },
    references: index === 0 ? [] : [name(index - 1)],
  }));
}

function bytesOf(json: VectorBytes): Uint8Array {
  return typeof json === 'object' && 'repeat' in json
    ? Buffer.from(json.repeat.repeat(json.times))
    : bytesOfJson(json);
}

/** The tree for the tests' other tools. */
export function syntheticTreeOf(tree: VectorTree): SyntheticTree {
  switch (tree.type) {
    case 'symlink':
      return symlink(bytesOf(tree.target));
    case 'file':
      return (tree.executable ? executable : file)(bytesOf(tree.contents));
    case 'directory':
      return directory(
        tree.entries.map(([name, child]) => [bytesOf(name), syntheticTreeOf(child)] as const),
      );
  }
}

/** The paths, each after those that it refers to. */
export function referencesFirst<T extends VectorInput>(paths: readonly T[]): T[] {
  const sorted = new Map<string, T>();
  while (sorted.size < paths.length) {
    const before = sorted.size;
    for (const path of paths) {
      const { baseName, references } = path;
      if (references.every((name) => name === baseName || sorted.has(name))) {
        sorted.set(baseName, path);
      }
    }
    if (sorted.size === before) throw new Error('references in a circle, or missing');
  }
  return [...sorted.values()];
}
