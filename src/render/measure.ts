/**
 * Measures what directories render to, before anything is rendered.
 *
 * Castore directories form a DAG: 64 tiny ones, each holding the next one twice, render to 2^64
 * files. So each digest is measured once, and measuring stops at the first sum above a limit. That is
 * also what keeps the sums exact: no limit is above 2^53, so a sum of two numbers that passed compares
 * rightly with it, though the sum itself may be rounded.
 */
import type { Digest } from '../castore/digest.ts';
import type { Directory } from '../castore/directory.ts';
import type { Node } from '../castore/node.ts';
import { checkLimit, DEFAULT_LIMITS, type Limits } from '../limits.ts';
import { directoryOverheadBytes, fileFramingBytes, symlinkFramingBytes } from '../nar/framing.ts';
import { type DirectorySource, fetchDirectory } from './fetchDirectory.ts';
import { displayPlace, type Place } from './place.ts';

/** What a directory renders to, wherever it stands. */
export interface Measure {
  /** Length in a NAR of all its entries, in bytes, without its own framing. */
  readonly bytes: number;
  /** Number of nodes below it, each counted as often as it occurs. */
  readonly entries: number;
  /** Nesting of directories, itself included. */
  readonly depth: number;
}

/** Measures by the digest's `key`. */
export type Measures = ReadonlyMap<string, Measure>;

/** Options of whatever measures a tree before it walks it. */
export interface MeasureOptions {
  readonly signal?: AbortSignal | undefined;
  /** Applied: `narBytes`, `narEntries`, `narDepth`. */
  readonly limits?: Limits | undefined;
}

/** A directory whose entries are being added up. */
interface OpenDirectory {
  readonly digest: Digest;
  readonly directory: Directory;
  readonly place: Place | undefined;
  next: number;
  bytes: number;
  entries: number;
  depth: number;
}

/** Length in a NAR of a file or symlink that stands under a name, or of the root when that is 0. */
export function leafBytes(node: Exclude<Node, { type: 'directory' }>, nameLength: number): number {
  return node.type === 'file'
    ? fileFramingBytes(nameLength, node.size, node.executable) + node.size
    : symlinkFramingBytes(nameLength, node.target.length);
}

/**
 * Measures a directory and all below it.
 * @throws LIMIT_EXCEEDED with `limit` and the `path` where it was passed
 * @throws DIRECTORY_MISSING
 */
export async function measureDirectories(
  root: Digest,
  source: DirectorySource,
  { signal, limits = DEFAULT_LIMITS }: MeasureOptions = {},
): Promise<Measures> {
  const measures = new Map<string, Measure>();
  const open: OpenDirectory[] = [];

  const enter = async (digest: Digest, place: Place | undefined) => {
    signal?.throwIfAborted();
    const depth = open.length + 1;
    if (depth > limits.narDepth) checkLimit(limits, 'narDepth', depth, pathFact(place));
    const directory = await fetchDirectory(source, digest, place, { signal });
    open.push({ digest, directory, place, next: 0, bytes: 0, entries: 0, depth: 1 });
  };

  await enter(root, undefined);
  for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
    const entry = top.directory.entries[top.next];
    if (entry === undefined) {
      measures.set(top.digest.key, { bytes: top.bytes, entries: top.entries, depth: top.depth });
      open.pop();
      continue;
    }
    const { name, node } = entry;
    if (node.type === 'directory') {
      const below = measures.get(node.digest.key);
      if (below === undefined) {
        await enter(node.digest, { name, parent: top.place });
        continue; // and come back to this entry when it is measured
      }
      top.bytes += directoryOverheadBytes(name.length) + below.bytes;
      top.entries += 1 + below.entries;
      top.depth = Math.max(top.depth, 1 + below.depth);
      // a directory that was measured at a shallower place may be too deep at this one
      const depth = open.length + below.depth;
      if (depth > limits.narDepth) checkLimit(limits, 'narDepth', depth, pathFact(top.place));
    } else {
      top.bytes += leafBytes(node, name.length);
      top.entries += 1;
    }
    top.next += 1;
    if (top.bytes > limits.narBytes) {
      checkLimit(limits, 'narBytes', top.bytes, pathFact(top.place));
    }
    if (top.entries > limits.narEntries) {
      checkLimit(limits, 'narEntries', top.entries, pathFact(top.place));
    }
  }
  return measures;
}

function pathFact(place: Place | undefined): { path: string } {
  return { path: displayPlace(place) };
}
