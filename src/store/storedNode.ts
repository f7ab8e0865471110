/** Whether the content of a node is in the index. */
import { EMPTY } from '../bytes.ts';
import { Digest } from '../castore/digest.ts';
import type { Node } from '../castore/node.ts';
import type { Tables } from './storeIndex.ts';

/** The blob that is always there. */
export const EMPTY_BLOB = Digest.of(EMPTY);

/** A symlink is stored with its node, and the empty blob is always there. */
export function isStoredNode(tables: Tables, node: Node): boolean {
  if (node.type === 'symlink') return true;
  const { digest } = node;
  if (node.type === 'directory') return tables.directory.has(digest.bytes);
  return (
    digest.equals(EMPTY_BLOB) || tables.chunk.has(digest.bytes) || tables.blob.has(digest.bytes)
  );
}
