/** Putting one PathInfo, inside a transaction. */
import { NarthexError } from '../errors.ts';
import { checkReferences } from '../pathinfo/closure.ts';
import { settleCurrent, type VariantIndex, type VariantKey } from '../pathinfo/currentView.ts';
import type { PathInfo } from '../pathinfo/pathInfo.ts';
import { isStoredNode } from './storedNode.ts';
import type { Tables } from './storeIndex.ts';
import type { VariantTable } from './variantTable.ts';

/**
 * Checks that what it refers to is kept, unites it with what is kept of the same variant, and
 * brings the current view up to date. Nothing is written where a check fails.
 * @returns what is kept now
 * @throws BLOB_MISSING | DIRECTORY_MISSING its content is not stored
 * @throws REFERENCE_MISSING a variant that it refers to is not
 * @throws PATH_INFO_INVALID one that it refers to has another root node than it says
 * @throws STORE_INVALID a record that had to be read is damaged; the transaction must not go on
 */
export function putPathInfo(tables: Tables, variants: VariantTable, pathInfo: PathInfo): PathInfo {
  const key = { digest: pathInfo.storePath.digest, closureDigest: pathInfo.closureDigest };
  const kept = variants.variant(key);
  if (kept === undefined) {
    checkContent(tables, pathInfo);
    checkReferences(pathInfo, (reference) => variants.variant(reference));
  }
  const united = kept?.unitedWith(pathInfo) ?? pathInfo;
  if (united === kept) return kept;
  variants.write(united);
  settleCurrent(withKnown(variants, key, united), key);
  return united;
}

/** The same index, which need not decode again what was just written. */
function withKnown(variants: VariantTable, known: VariantKey, pathInfo: PathInfo): VariantIndex {
  return {
    currentOf: (digest) => variants.currentOf(digest),
    setCurrent: (digest, closureDigest) => variants.setCurrent(digest, closureDigest),
    variant: (key) =>
      key.closureDigest.equals(known.closureDigest) ? pathInfo : variants.variant(key),
    variantsOf: (digest) => variants.variantsOf(digest),
    referrersOf: (key) => variants.referrersOf(key),
  };
}

function checkContent(tables: Tables, { node, storePath }: PathInfo): void {
  if (isStoredNode(tables, node) || node.type === 'symlink') return;
  const { digest } = node;
  throw new NarthexError(
    node.type === 'file' ? 'BLOB_MISSING' : 'DIRECTORY_MISSING',
    `the content of ${storePath.absolute} is not stored: ${node.type} ${digest}`,
    { storePath: storePath.absolute, digest: String(digest) },
  );
}
