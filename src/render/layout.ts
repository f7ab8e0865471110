/**
 * The layout of a NAR: what lies at which offset, computed from castore directories alone.
 *
 * Sizes are known per directory digest (`measure.ts`), so a walk that begins at an offset passes by
 * whole subtrees. Walks use a stack of their own: depth costs no call stack.
 */
import { EMPTY } from '../bytes.ts';
import type { Directory } from '../castore/directory.ts';
import type { DirectoryNode, FileNode, Node, SymlinkNode } from '../castore/node.ts';
import { checkLimit, DEFAULT_LIMITS } from '../limits.ts';
import {
  directoryHeadBytes,
  directoryOverheadBytes,
  directoryTailBytes,
  fileHeadBytes,
} from '../nar/framing.ts';
import { type DirectorySource, fetchDirectory } from './fetchDirectory.ts';
import {
  leafBytes,
  type Measure,
  type MeasureOptions,
  type Measures,
  measureDirectories,
} from './measure.ts';
import type { Place } from './place.ts';

/** Bytes `start` to `end` (not included). */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** A node as a walk comes by it. Offsets are in the NAR. */
export type NarStep =
  | {
      readonly type: 'directory';
      /** Empty for the root. */
      readonly name: Uint8Array;
      readonly node: DirectoryNode;
      readonly place: Place | undefined;
      /** Where its framing begins. */
      readonly offset: number;
    }
  | {
      readonly type: 'directoryEnd';
      readonly name: Uint8Array;
      /** Where its closing framing begins. */
      readonly offset: number;
    }
  | {
      readonly type: 'file';
      readonly name: Uint8Array;
      readonly node: FileNode;
      readonly place: Place | undefined;
      readonly offset: number;
      /** Where its contents begin: the `narOffset` of listings. */
      readonly contentsOffset: number;
    }
  | {
      readonly type: 'symlink';
      readonly name: Uint8Array;
      readonly node: SymlinkNode;
      readonly place: Place | undefined;
      readonly offset: number;
    };

/** A directory that a walk is in. */
interface OpenDirectory {
  readonly name: Uint8Array;
  readonly place: Place | undefined;
  readonly directory: Directory;
  next: number;
}

/** Where everything lies in the NAR of a node that was measured and found within the limits. */
export class NarLayout {
  readonly root: Node;
  /** Length of the NAR in bytes. */
  readonly narSizeBytes: number;
  /** Number of nodes in the NAR. */
  readonly entryCount: number;
  readonly #measures: Measures;
  readonly #source: DirectorySource;

  private constructor(root: Node, measures: Measures, source: DirectorySource) {
    this.root = root;
    this.#measures = measures;
    this.#source = source;
    this.narSizeBytes = this.#lengthOf(root, 0);
    this.entryCount = 1 + (root.type === 'directory' ? this.#measureOf(root).entries : 0);
  }

  /**
   * Measures the NAR of `root`.
   * @throws LIMIT_EXCEEDED `narBytes`, `narEntries` or `narDepth`, before anything is rendered
   * @throws DIRECTORY_MISSING with `path`
   */
  static async of(
    root: Node,
    source: DirectorySource,
    options: MeasureOptions = {},
  ): Promise<NarLayout> {
    const { limits = DEFAULT_LIMITS } = options;
    const measures =
      root.type === 'directory'
        ? await measureDirectories(root.digest, source, options)
        : new Map<string, Measure>();
    const layout = new NarLayout(root, measures, source);
    checkLimit(limits, 'narBytes', layout.narSizeBytes);
    checkLimit(limits, 'narEntries', layout.entryCount);
    return layout;
  }

  /** How many different directories it knows: what its memory grows with. */
  get directoryCount(): number {
    return this.#measures.size;
  }

  /**
   * All of the NAR, or `range` where it is given.
   * @throws RangeError it is not within the NAR: a mistake of the caller
   */
  checkedRange(range: ByteRange | undefined): ByteRange {
    const { start, end } = range ?? { start: 0, end: this.narSizeBytes };
    if (!(0 <= start && start <= end && end <= this.narSizeBytes)) {
      throw new RangeError(`no bytes ${start} to ${end} in a NAR of ${this.narSizeBytes}`);
    }
    return { start, end };
  }

  /**
   * The nodes in the order of the NAR. Given a range, subtrees that lie outside are passed by: the
   * steps are the nodes that have a byte in the range, and the directories that the range lies in.
   * @throws DIRECTORY_MISSING one is gone since the layout was made
   */
  async *steps(
    range?: ByteRange,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): AsyncGenerator<NarStep, void, undefined> {
    const { start, end } = this.checkedRange(range);
    const { signal } = options;
    const open: OpenDirectory[] = [];
    let offset = 0;
    // the root stands as the only entry of a directory that has no framing
    let name: Uint8Array = EMPTY;
    let node: Node | undefined = this.root;
    let place: Place | undefined;
    while (offset < end) {
      if (node === undefined) {
        const closed = open.pop();
        if (closed === undefined) return;
        yield { type: 'directoryEnd', name: closed.name, offset };
        offset += directoryTailBytes(closed.name.length);
      } else {
        const length = this.#lengthOf(node, name.length);
        if (offset + length <= start) {
          offset += length;
        } else if (node.type === 'directory') {
          signal?.throwIfAborted();
          yield { type: 'directory', name, node, place, offset };
          const directory = await fetchDirectory(this.#source, node.digest, place, { signal });
          open.push({ name, place, directory, next: 0 });
          offset += directoryHeadBytes(name.length);
        } else if (node.type === 'file') {
          const contentsOffset = offset + fileHeadBytes(name.length, node.executable);
          yield { type: 'file', name, node, place, offset, contentsOffset };
          offset += length;
        } else {
          yield { type: 'symlink', name, node, place, offset };
          offset += length;
        }
      }
      const top = open.at(-1);
      const entry = top?.directory.entries[top.next];
      node = entry?.node;
      if (top !== undefined && entry !== undefined) {
        top.next += 1;
        name = entry.name;
        place = { name, parent: top.place };
      }
    }
  }

  #lengthOf(node: Node, nameLength: number): number {
    if (node.type !== 'directory') return leafBytes(node, nameLength);
    return directoryOverheadBytes(nameLength) + this.#measureOf(node).bytes;
  }

  #measureOf({ digest }: DirectoryNode): Measure {
    const measure = this.#measures.get(digest.key);
    // every directory of the tree was measured, so this would be a mistake of this module
    if (measure === undefined) throw new TypeError(`directory ${digest} was not measured`);
    return measure;
  }
}

/**
 * Length in bytes of the NAR of `root`.
 * @throws LIMIT_EXCEEDED, DIRECTORY_MISSING
 */
export async function narSize(
  root: Node,
  source: DirectorySource,
  options: MeasureOptions = {},
): Promise<number> {
  return (await NarLayout.of(root, source, options)).narSizeBytes;
}
