/** What differs between two nodes, place by place. */
import type { DirectoryNode, FileNode, Node, SymlinkNode } from '../castore/node.ts';

/** Where a change is. */
interface ChangedPlace {
  /** Names from the compared nodes down, joined by `/`; empty for these nodes themselves. */
  readonly path: Uint8Array;
}

/**
 * A change that may have others below it. These follow it, unless the very same directories were
 * compared before: then `sameAs` is the place where, and what is below there is below here, too.
 */
interface ChangeOfTree extends ChangedPlace {
  readonly sameAs: Uint8Array | undefined;
}

/** A difference at one place. */
export type NodeChange =
  /** Only `b` has something here. */
  | (ChangeOfTree & { readonly type: 'added'; readonly b: Node })
  /** Only `a` has something here. */
  | (ChangeOfTree & { readonly type: 'removed'; readonly a: Node })
  /** Something of another type: what is below a directory follows as added or removed. */
  | (ChangeOfTree & { readonly type: 'type'; readonly a: Node; readonly b: Node })
  /** Other contents of a file; the executable bit may differ as well. */
  | (ChangedPlace & { readonly type: 'changed'; readonly a: FileNode; readonly b: FileNode })
  /** The same contents, another executable bit. */
  | (ChangedPlace & { readonly type: 'mode'; readonly a: FileNode; readonly b: FileNode })
  /** Another target of a symlink. */
  | (ChangedPlace & { readonly type: 'target'; readonly a: SymlinkNode; readonly b: SymlinkNode })
  /** Two directories that differ as two others do, which were compared at `sameAs`. */
  | (ChangedPlace & {
      readonly type: 'repeated';
      readonly a: DirectoryNode;
      readonly b: DirectoryNode;
      readonly sameAs: Uint8Array;
    });
