/**
 * Choosing which variant is current: the rule, apart from where variants are kept. All or nothing,
 * without recursion, and the view stays coherent.
 *
 * - The variant and those of its whole closure become current. That cannot be where one of them is
 *   not kept, or where the closure holds two variants of one store path.
 * - What was current and stands on a variant that is replaced **falls**. No store path is to lose its
 *   place in the view, so for each that falls another kept variant follows, together with all it
 *   refers to; where none fits, the whole is refused. What does not fall is never touched: a variant fits
 *   only if each member of its closure is current already or takes an empty place.
 * - Referrers choose before what they refer to, since a variant fixes its whole closure: those without
 *   falling referrers first, then those whose falling referrers are done, each time in order of
 *   digests. Of several variants that fit a verified one goes first, then one without mixed edges, then
 *   the order of closure digests. Whoever wants another of them names it.
 * - Places that were empty are filled where a kept variant now stands on what is current.
 *
 * A choice is no lock: what is put later becomes current by the rule of `settleCurrent`, so a verified
 * variant still replaces an unverified one.
 */
import { bytesKey, compareBytes } from '../bytes.ts';
import type { Digest } from '../castore/digest.ts';
import {
  currentUpwards,
  keyText,
  referencedVariants,
  type VariantIndex,
  type VariantKey,
} from './currentView.ts';
import type { PathInfo } from './pathInfo.ts';

/** A variant that became current. */
export interface VariantSwitch extends VariantKey {
  /** The variant of the same store path that was. */
  readonly previous: Digest | undefined;
}

/** Why a variant cannot become current. */
export type PreferConflict =
  /** A variant of the closure is not kept; without `referrer` it is the one that was asked for. */
  | {
      readonly kind: 'missing';
      readonly variant: VariantKey;
      readonly referrer: VariantKey | undefined;
    }
  /** The closure holds several variants of one store path, in the order in which a walk meets them. */
  | { readonly kind: 'incoherent'; readonly variants: readonly VariantKey[] }
  /** A current variant refers to one that would cease to be current, and no other fits. */
  | { readonly kind: 'referrer'; readonly referrer: VariantKey; readonly reference: VariantKey };

/** What became of a preference. */
export type PreferResult =
  /** All that became current, what was asked for first; empty when everything was current before. */
  | { readonly outcome: 'switched'; readonly switched: readonly VariantSwitch[] }
  /** Nothing was changed. */
  | { readonly outcome: 'refused'; readonly conflicts: readonly PreferConflict[] };

/** Makes a variant and its whole closure current, or changes nothing and tells why. */
export function preferVariant(index: VariantIndex, wanted: VariantKey): PreferResult {
  const closure = closureOf(index, wanted);
  if (closure.conflicts.length > 0) return { outcome: 'refused', conflicts: closure.conflicts };

  const view = new ChangedView(index);
  const replaced: VariantKey[] = [];
  for (const key of closure.members) {
    const holder = index.currentOf(key.digest);
    if (holder !== undefined && !holder.equals(key.closureDigest)) {
      replaced.push({ digest: key.digest, closureDigest: holder });
    }
  }
  const falling = currentUpwards(index, replaced);
  for (const { digest } of falling.values()) view.empty(digest);
  for (const key of closure.members) view.fill(key);

  const conflicts = fillFallen(index, view, falling);
  if (conflicts.length > 0) return { outcome: 'refused', conflicts };
  fillEmpty(index, view);
  return { outcome: 'switched', switched: view.apply() };
}

/** The view as it would be. */
class ChangedView {
  readonly #index: VariantIndex;
  readonly #emptied = new Set<string>();
  readonly #filled = new Map<string, VariantKey>();

  constructor(index: VariantIndex) {
    this.#index = index;
  }

  currentOf(digest: Uint8Array): Digest | undefined {
    const place = bytesKey(digest);
    const filled = this.#filled.get(place);
    if (filled !== undefined) return filled.closureDigest;
    return this.#emptied.has(place) ? undefined : this.#index.currentOf(digest);
  }

  isCurrent({ digest, closureDigest }: VariantKey): boolean {
    return this.currentOf(digest)?.equals(closureDigest) === true;
  }

  empty(digest: Uint8Array): void {
    this.#emptied.add(bytesKey(digest));
  }

  fill(key: VariantKey): void {
    if (!this.isCurrent(key)) this.#filled.set(bytesKey(key.digest), key);
  }

  /** What was filled so far, in that order. */
  get filled(): VariantKey[] {
    return [...this.#filled.values()];
  }

  /** Writes the changes. Every place that was emptied has been filled. */
  apply(): VariantSwitch[] {
    return this.filled.map(({ digest, closureDigest }) => {
      const previous = this.#index.currentOf(digest);
      this.#index.setCurrent(digest, closureDigest);
      return { digest, closureDigest, previous };
    });
  }
}

/** The variants of a closure, breadth first, and what is wrong with it. */
function closureOf(index: VariantIndex, root: VariantKey) {
  const members = new Map([[keyText(root), root]]);
  const referrers = new Map<string, VariantKey>();
  const byPlace = new Map<string, VariantKey[]>();
  const conflicts: PreferConflict[] = [];
  // what is added while the walk goes on is visited by it
  for (const [text, key] of members) {
    const pathInfo = index.variant(key);
    if (pathInfo === undefined) {
      conflicts.push({ kind: 'missing', variant: key, referrer: referrers.get(text) });
      continue;
    }
    const place = bytesKey(key.digest);
    const sharers = byPlace.get(place);
    if (sharers === undefined) byPlace.set(place, [key]);
    else sharers.push(key);
    for (const reference of referencedVariants(pathInfo)) {
      const referenceText = keyText(reference);
      if (members.has(referenceText)) continue;
      members.set(referenceText, reference);
      referrers.set(referenceText, key);
    }
  }
  for (const variants of byPlace.values()) {
    if (variants.length > 1) conflicts.push({ kind: 'incoherent', variants });
  }
  return { members: [...members.values()], conflicts };
}

/** Fills every place that fell, and tells which it cannot. */
function fillFallen(
  index: VariantIndex,
  view: ChangedView,
  falling: ReadonlyMap<string, VariantKey>,
): PreferConflict[] {
  const conflicts: PreferConflict[] = [];
  // variants whose closures cannot be in the view: places that are filled stay so
  const unfit = new Set(falling.keys());
  for (const fallen of referrersFirst(index, falling)) {
    if (view.currentOf(fallen.digest) !== undefined) continue;
    const follower = [...index.variantsOf(fallen.digest)]
      .sort(byRank)
      .find((candidate) => fillClosure(index, view, candidate, unfit));
    if (follower !== undefined) continue;
    // it fell because of a reference; only a damaged store does not know which
    const [reference = fallen] = fallenReferences(index, falling, fallen);
    conflicts.push({ kind: 'referrer', referrer: fallen, reference });
  }
  return conflicts;
}

/** Puts a variant and its closure into the view if all of it fits; what does not becomes `unfit`. */
function fillClosure(
  index: VariantIndex,
  view: ChangedView,
  candidate: PathInfo,
  unfit: Set<string>,
): boolean {
  const { storePath, closureDigest } = candidate;
  const root: VariantKey = { digest: storePath.digest, closureDigest };
  const added = new Map<string, VariantKey>();
  const toVisit = [root];
  for (let key = toVisit.pop(); key !== undefined; key = toVisit.pop()) {
    const place = bytesKey(key.digest);
    const holder = added.get(place)?.closureDigest ?? view.currentOf(key.digest);
    if (holder?.equals(key.closureDigest) === true) continue;
    const pathInfo =
      holder !== undefined || unfit.has(keyText(key)) ? undefined : index.variant(key);
    if (pathInfo === undefined) {
      unfit.add(keyText(root));
      return false;
    }
    added.set(place, key);
    toVisit.push(...referencedVariants(pathInfo));
  }
  for (const key of added.values()) view.fill(key);
  return true;
}

/** Fills places that nobody holds, from below. */
function fillEmpty(index: VariantIndex, view: ChangedView): void {
  const risen = view.filled;
  // what is added while the loop goes on is visited by it
  for (const key of risen) {
    for (const { digest } of [...index.referrersOf(key)].sort(byKey)) {
      if (view.currentOf(digest) !== undefined) continue;
      const fitting = [...index.variantsOf(digest)]
        .sort(byRank)
        .find((variant) => referencedVariants(variant).every((one) => view.isCurrent(one)));
      if (fitting === undefined) continue;
      const filled = { digest, closureDigest: fitting.closureDigest };
      view.fill(filled);
      risen.push(filled);
    }
  }
}

/** What falls, level by level from the top. Variants, unlike names, never refer to each other in a circle. */
function referrersFirst(
  index: VariantIndex,
  falling: ReadonlyMap<string, VariantKey>,
): VariantKey[] {
  const below = new Map<string, VariantKey[]>();
  const referrerCount = new Map<string, number>();
  for (const [text, key] of falling) {
    const references = fallenReferences(index, falling, key);
    below.set(text, references);
    for (const reference of references) {
      const referenceText = keyText(reference);
      referrerCount.set(referenceText, (referrerCount.get(referenceText) ?? 0) + 1);
    }
  }
  const ordered: VariantKey[] = [];
  let level = [...falling.values()].filter((key) => !referrerCount.has(keyText(key)));
  while (level.length > 0) {
    const next: VariantKey[] = [];
    for (const key of level.sort(byKey)) {
      ordered.push(key);
      for (const reference of below.get(keyText(key)) ?? []) {
        const text = keyText(reference);
        const left = (referrerCount.get(text) ?? 0) - 1;
        referrerCount.set(text, left);
        if (left === 0) next.push(reference);
      }
    }
    level = next;
  }
  return ordered;
}

function fallenReferences(
  index: VariantIndex,
  falling: ReadonlyMap<string, VariantKey>,
  key: VariantKey,
): VariantKey[] {
  const pathInfo = index.variant(key);
  if (pathInfo === undefined) return [];
  return referencedVariants(pathInfo).filter((reference) => falling.has(keyText(reference)));
}

function byKey(a: VariantKey, b: VariantKey): number {
  return (
    compareBytes(a.digest, b.digest) || compareBytes(a.closureDigest.bytes, b.closureDigest.bytes)
  );
}

/** Of variants of one store path: verified ones, then those without mixed edges, then by closure digest. */
function byRank(a: PathInfo, b: PathInfo): number {
  return (
    Number(b.claim.verified) - Number(a.claim.verified) ||
    Number(hasMixedEdge(a)) - Number(hasMixedEdge(b)) ||
    compareBytes(a.closureDigest.bytes, b.closureDigest.bytes)
  );
}

function hasMixedEdge({ references }: PathInfo): boolean {
  return references.values().some(({ evidence }) => evidence === 'mixed');
}
