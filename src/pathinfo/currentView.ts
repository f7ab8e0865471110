/**
 * Which variant of a store path is current: the rule, apart from where variants are kept.
 *
 * The view stays coherent: a variant is current only while every variant that it refers to is.
 * Among those that can be current, a verified one goes before an unverified one; otherwise the
 * first stays. Where a variant ceases to be current, so do its referrers, and where one becomes
 * current its referrers may; both are followed without recursion.
 */
import { bytesKey } from '../bytes.ts';
import type { Digest } from '../castore/digest.ts';
import type { PathInfo } from './pathInfo.ts';

/** Names a variant. */
export interface VariantKey {
  /** 20 bytes. */
  readonly digest: Uint8Array;
  readonly closureDigest: Digest;
}

/** What the rule needs to see and change; all of it within one transaction. */
export interface VariantIndex {
  currentOf(digest: Uint8Array): Digest | undefined;
  setCurrent(digest: Uint8Array, closureDigest: Digest | undefined): void;
  variant(key: VariantKey): PathInfo | undefined;
  variantsOf(digest: Uint8Array): Iterable<PathInfo>;
  /** The variants that refer to this one. */
  referrersOf(key: VariantKey): Iterable<VariantKey>;
}

/** The variants that a PathInfo refers to, itself left out. */
export function referencedVariants(pathInfo: PathInfo): VariantKey[] {
  const keys: VariantKey[] = [];
  const seen = new Set([pathInfo.storePath.baseName]);
  for (const { baseName, digest } of pathInfo.claim.references) {
    if (seen.has(baseName)) continue;
    seen.add(baseName);
    const content = pathInfo.references.get(baseName);
    if (content !== undefined) keys.push({ digest, closureDigest: content.closureDigest });
  }
  return keys;
}

/**
 * Brings the current view up to date after `added` was kept, or kept with a better claim.
 *
 * Store paths of an honest upstream never refer to each other in a circle, but the variants of a
 * dishonest one may: their names do, while each closure digest stands on others. No variant then
 * takes the place of what it stands on itself, and no place changes hands twice in one call, so that
 * this ends whatever it is given.
 */
export function settleCurrent(index: VariantIndex, added: VariantKey): void {
  const isCurrent = (key: VariantKey) =>
    index.currentOf(key.digest)?.equals(key.closureDigest) === true;
  const replaced = new Set<string>();

  // What falls from the view falls because of a replacement, and of those there is at most one for
  // each digest; between two of them every place is filled at most once.
  const toPromote: VariantKey[] = [added];
  for (let key = toPromote.pop(); key !== undefined; key = toPromote.pop()) {
    const candidate = index.variant(key);
    if (candidate === undefined || isCurrent(key)) continue;
    const references = referencedVariants(candidate);
    if (!references.every(isCurrent)) continue;
    const current = index.currentOf(key.digest);
    if (current === undefined) {
      index.setCurrent(key.digest, key.closureDigest);
    } else {
      const holder = { digest: key.digest, closureDigest: current };
      if (!candidate.claim.verified || index.variant(holder)?.claim.verified === true) continue;
      const falling = currentUpwards(index, [holder]);
      if (replaced.has(bytesKey(key.digest)) || references.some((r) => falling.has(keyText(r)))) {
        continue;
      }
      replaced.add(bytesKey(key.digest));
      falling.delete(keyText(holder));
      for (const { digest } of falling.values()) index.setCurrent(digest, undefined);
      index.setCurrent(key.digest, key.closureDigest);
      for (const { digest } of falling.values()) toPromote.push(...keysOf(index, digest));
    }
    // one by one: there may be more than a call takes arguments
    for (const referrer of index.referrersOf(key)) toPromote.push(referrer);
  }
}

/** Current variants and all current ones above them, by {@link keyText}. */
export function currentUpwards(
  index: Pick<VariantIndex, 'currentOf' | 'referrersOf'>,
  from: readonly VariantKey[],
): Map<string, VariantKey> {
  const found = new Map(from.map((key) => [keyText(key), key]));
  const toVisit = [...from];
  for (let key = toVisit.pop(); key !== undefined; key = toVisit.pop()) {
    for (const referrer of index.referrersOf(key)) {
      if (found.has(keyText(referrer))) continue;
      if (index.currentOf(referrer.digest)?.equals(referrer.closureDigest) !== true) continue;
      found.set(keyText(referrer), referrer);
      toVisit.push(referrer);
    }
  }
  return found;
}

function keysOf(index: VariantIndex, digest: Uint8Array): VariantKey[] {
  return Array.from(index.variantsOf(digest), ({ closureDigest }) => ({ digest, closureDigest }));
}

/** A string that is equal exactly when the keys are. */
export function keyText({ digest, closureDigest }: VariantKey): string {
  return bytesKey(digest) + closureDigest.key;
}
