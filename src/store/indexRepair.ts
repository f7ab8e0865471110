/** Rows of the index that follow from PathInfos, made anew from those. All inside a transaction. */
import { EMPTY } from '../bytes.ts';
import type { Digest } from '../castore/digest.ts';
import { isNarthexError } from '../errors.ts';
import {
  currentUpwards,
  referencedVariants,
  settleCurrent,
  type VariantIndex,
  type VariantKey,
} from '../pathinfo/currentView.ts';
import { decodeNar, referrerRowKey, variantRowKey } from './schema.ts';
import { isStoredNode } from './storedNode.ts';
import type { Tables } from './storeIndex.ts';
import type { VariantTable } from './variantTable.ts';

/** A row that says something about variants or NARs and may be wrong. */
export type RelationRow =
  | { readonly table: 'closure'; readonly closureDigest: Digest }
  | { readonly table: 'referrer'; readonly referred: Digest; readonly referrer: VariantKey }
  | { readonly table: 'nar'; readonly narHash: Uint8Array };

/** Puts the rows that follow from a PathInfo. @throws STORE_INVALID its record is damaged */
export function repairRelations(variants: VariantTable, key: VariantKey): void {
  const pathInfo = variants.variant(key);
  if (pathInfo !== undefined) variants.write(pathInfo);
}

/**
 * Sees to it that the current variant of a store path is there and all that it refers to is current; what
 * falls from the view falls with all above it, and what fits takes the place.
 */
export function repairCurrent(variants: VariantTable, digest: Uint8Array): void {
  const index = withoutDamaged(variants);
  const fallen = new Map([['', digest]]);
  const held = variants.currentOf(digest);
  if (held !== undefined) {
    const key = { digest, closureDigest: held };
    const pathInfo = index.variant(key);
    const isWhole =
      pathInfo !== undefined &&
      referencedVariants(pathInfo).every(
        (reference) => index.currentOf(reference.digest)?.equals(reference.closureDigest) === true,
      );
    if (isWhole) return;
    for (const [text, above] of currentUpwards(index, [key])) {
      index.setCurrent(above.digest, undefined);
      fallen.set(text, above.digest);
    }
  }
  for (const each of fallen.values()) {
    for (const { closureDigest } of [...index.variantsOf(each)]) {
      settleCurrent(index, { digest: each, closureDigest });
    }
  }
}

/** Takes a row out, if what it says is still not so. */
export function dropStaleRow(tables: Tables, variants: VariantTable, row: RelationRow): void {
  switch (row.table) {
    case 'closure': {
      const { closureDigest } = row;
      const digest = variants.digestOf(closureDigest);
      if (digest === undefined || variants.has({ digest, closureDigest })) return;
      tables.closure.remove(closureDigest.bytes);
      return;
    }
    case 'referrer':
      if (tables.variant.has(variantRowKey(row.referrer.digest, row.referrer.closureDigest)))
        return;
      tables.referrer.remove(referrerRowKey(row.referred, row.referrer.closureDigest));
      return;
    case 'nar':
      if (isWholeNar(tables, row.narHash)) return;
      tables.nar.remove(row.narHash);
  }
}

function isWholeNar(tables: Tables, narHash: Uint8Array): boolean {
  try {
    return isStoredNode(tables, decodeNar(tables.nar.get(narHash) ?? EMPTY).content.node);
  } catch (error) {
    if (isNarthexError(error, 'STORE_INVALID')) return false;
    throw error;
  }
}

/** The same index, in which PathInfos that are damaged are not there: they can be current nowhere. */
function withoutDamaged(variants: VariantTable): VariantIndex {
  const variant = (key: VariantKey) => {
    try {
      return variants.variant(key);
    } catch (error) {
      if (isNarthexError(error, 'STORE_INVALID')) return undefined;
      throw error;
    }
  };
  return {
    currentOf: (digest) => variants.currentOf(digest),
    setCurrent: (digest, closureDigest) => variants.setCurrent(digest, closureDigest),
    variant,
    *variantsOf(digest) {
      for (const key of variants.keysOf(digest)) {
        const pathInfo = variant(key);
        if (pathInfo !== undefined) yield pathInfo;
      }
    },
    referrersOf: (key) => variants.referrersOf(key),
  };
}
