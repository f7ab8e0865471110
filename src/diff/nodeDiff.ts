/**
 * Merkle diff of two nodes: directories with equal digests are equal and are not read, so that the
 * cost is that of what differs.
 *
 * Directories form a DAG: 64 tiny ones render to 2^64 files. So two directories are compared once,
 * and where the same two meet again the change says at which place that was. The walk keeps a stack
 * of its own: at most one directory of each side at each depth is in memory, besides a few words for
 * each pair that was compared.
 */
import { compareBytes, EMPTY, equalBytes } from '../bytes.ts';
import type { DirectoryEntry } from '../castore/directory.ts';
import type { DirectoryNode, Node } from '../castore/node.ts';
import { checkLimit, DEFAULT_LIMITS, type Limits } from '../limits.ts';
import { type DirectorySource, fetchDirectory } from '../render/fetchDirectory.ts';
import { displayPlace, type Place, pathOfPlace } from '../render/place.ts';
import type { NodeChange } from './nodeChange.ts';
import type { Sides } from './sides.ts';

/** What {@link diffNodes} needs. */
export interface NodeDiffOptions {
  /** Where the directories of each side are; often the same service twice. */
  readonly directories: Sides<DirectorySource>;
  readonly signal?: AbortSignal | undefined;
  /** Applied: `diffEntries`, `narDepth`. */
  readonly limits?: Limits | undefined;
}

/** Nodes of the two sides at one place; at least one is there. */
interface Pair {
  readonly place: Place | undefined;
  readonly a: Node | undefined;
  readonly b: Node | undefined;
}

/** Two directories that were compared, or are being compared. */
interface Comparison {
  /** Where that was. */
  readonly place: Place | undefined;
  /** Whether a change was found; final once all below was compared. */
  differs: boolean;
}

/** Two directories whose entries are being merged. */
interface OpenPair {
  readonly comparison: Comparison;
  readonly a: readonly DirectoryEntry[];
  readonly b: readonly DirectoryEntry[];
  nextA: number;
  nextB: number;
}

/**
 * What differs between two nodes, `undefined` standing for nothing at all. In the order of names, a
 * directory before what is in it.
 *
 * @throws LIMIT_EXCEEDED `diffEntries` or `narDepth`, with the `path` where it was passed
 * @throws DIRECTORY_MISSING with `path`
 */
export async function* diffNodes(
  a: Node | undefined,
  b: Node | undefined,
  options: NodeDiffOptions,
): AsyncGenerator<NodeChange, void, undefined> {
  const { directories, signal, limits = DEFAULT_LIMITS } = options;
  const comparisons = new Map<string, Comparison>();
  const open: OpenPair[] = [];
  let entries = 0;

  const countEntry = (place: Place | undefined) => {
    entries += 1;
    if (entries > limits.diffEntries) checkLimit(limits, 'diffEntries', entries, pathFact(place));
  };
  const enter = async (directoryA?: DirectoryNode, directoryB?: DirectoryNode, place?: Place) => {
    signal?.throwIfAborted();
    const depth = open.length + 1;
    if (depth > limits.narDepth) checkLimit(limits, 'narDepth', depth, pathFact(place));
    countEntry(place);
    const read = async (source: DirectorySource, node: DirectoryNode | undefined) =>
      node === undefined ? [] : (await fetchDirectory(source, node.digest, place, options)).entries;
    const [entriesA, entriesB] = await Promise.all([
      read(directories.a, directoryA),
      read(directories.b, directoryB),
    ]);
    const comparison = { place, differs: false };
    comparisons.set(comparisonKey(directoryA, directoryB), comparison);
    open.push({ comparison, a: entriesA, b: entriesB, nextA: 0, nextB: 0 });
  };

  let pair: Pair | undefined =
    a === undefined && b === undefined ? undefined : { place: undefined, a, b };
  for (;;) {
    if (pair !== undefined) {
      const { place } = pair;
      const [directoryA, directoryB] = [directoryOf(pair.a), directoryOf(pair.b)];
      const before = comparisons.get(comparisonKey(directoryA, directoryB));
      const change = changeAt(pair, before?.differs === true ? before.place : undefined);
      if (change !== undefined) {
        countEntry(place);
        yield change;
        const top = open.at(-1);
        if (top !== undefined) top.comparison.differs = true;
      }
      if (before === undefined && !sameDirectory(directoryA, directoryB)) {
        await enter(directoryA, directoryB, place);
      }
    }
    const top = open.at(-1);
    if (top === undefined) return;
    pair = nextPair(top);
    if (pair === undefined) {
      open.pop();
      const parent = open.at(-1);
      if (parent !== undefined && top.comparison.differs) parent.comparison.differs = true;
    }
  }
}

/** Takes the next name of two open directories, with what each has there. */
function nextPair(open: OpenPair): Pair | undefined {
  const a = open.a[open.nextA];
  const b = open.b[open.nextB];
  if (a === undefined && b === undefined) return undefined;
  const order = a === undefined ? 1 : b === undefined ? -1 : compareBytes(a.name, b.name);
  if (order <= 0) open.nextA += 1;
  if (order >= 0) open.nextB += 1;
  const name = (order <= 0 ? a?.name : b?.name) ?? EMPTY;
  return {
    place: { name, parent: open.comparison.place },
    a: order <= 0 ? a?.node : undefined,
    b: order >= 0 ? b?.node : undefined,
  };
}

/**
 * The change at a place itself, if there is one.
 * @param before where the same two directories were compared already and found to differ
 */
function changeAt({ place, a, b }: Pair, before: Place | undefined): NodeChange | undefined {
  // no directory is below itself, so the root, which has no place, is never met again
  const sameAs = before === undefined ? undefined : pathOfPlace(before);
  const path = () => pathOfPlace(place); // most places are unchanged and need none
  if (a === undefined) return b && { type: 'added', path: path(), b, sameAs };
  if (b === undefined) return { type: 'removed', path: path(), a, sameAs };
  if (a.type === 'directory' && b.type === 'directory') {
    return sameAs && { type: 'repeated', path: path(), a, b, sameAs };
  }
  if (a.type === 'file' && b.type === 'file') {
    if (a.size !== b.size || !a.digest.equals(b.digest)) {
      return { type: 'changed', path: path(), a, b };
    }
    return a.executable === b.executable ? undefined : { type: 'mode', path: path(), a, b };
  }
  if (a.type === 'symlink' && b.type === 'symlink') {
    return equalBytes(a.target, b.target) ? undefined : { type: 'target', path: path(), a, b };
  }
  return { type: 'type', path: path(), a, b, sameAs };
}

function directoryOf(node: Node | undefined): DirectoryNode | undefined {
  return node?.type === 'directory' ? node : undefined;
}

/**
 * Whether there is nothing to compare: the same directory twice, or none at all. Digests decide: a
 * wrong count in a node changes nothing of what is in the directory.
 */
function sameDirectory(a: DirectoryNode | undefined, b: DirectoryNode | undefined): boolean {
  return a === undefined || b === undefined ? a === b : a.digest.equals(b.digest);
}

/** A string that is equal exactly when the directories are; a digest's key has a fixed length. */
function comparisonKey(a: DirectoryNode | undefined, b: DirectoryNode | undefined): string {
  if (a === undefined) return `b${b?.digest.key ?? ''}`;
  return b === undefined ? `a${a.digest.key}` : a.digest.key + b.digest.key;
}

function pathFact(place: Place | undefined): { path: string } {
  return { path: displayPlace(place) };
}
