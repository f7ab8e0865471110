/** What a PathInfo that is put stands on. */

import type { Node } from '../../castore/node.ts';
import type { PathInfo } from '../../pathinfo/pathInfo.ts';
import type { Tables } from '../storeIndex.ts';
import type { Stamp } from './leaseTable.ts';

/** Its variant and its content, as stamps. */
export function stampsOf(tables: Tables, { closureDigest, node }: PathInfo): Stamp[] {
  return [{ kind: 'variant', digest: closureDigest }, ...stampsOfNode(tables, node)];
}

/** The content of a node, as stamps. */
export function stampsOfNode(tables: Tables, node: Node): Stamp[] {
  if (node.type === 'symlink') return [];
  const { type, digest } = node;
  if (type === 'directory') return [{ kind: type, digest }];
  return [{ kind: tables.blob.has(digest.bytes) ? 'blob' : 'chunk', digest }];
}
