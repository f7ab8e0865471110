/**
 * Which variants stay: those that are pinned, that somebody relies on, or that are current and used
 * lately enough, with all they refer to.
 */
import { EMPTY } from '../../bytes.ts';
import { DIGEST_BYTES, Digest } from '../../castore/digest.ts';
import type { Node } from '../../castore/node.ts';
import { settleCurrent, type VariantKey } from '../../pathinfo/currentView.ts';
import { STORE_PATH_DIGEST_BYTES } from '../../storePath.ts';
import { linksOfRecord } from '../pathInfoCodec.ts';
import { decodeU48, encodeU48, referrerRowKey, variantRowKey } from '../schema.ts';
import type { Tables } from '../storeIndex.ts';
import { decodePin } from '../storePinService.ts';
import { VariantTable } from '../variantTable.ts';
import { newStamps } from './leaseTable.ts';

/** Uses may be written down while a collection runs, which has asked the clock before. */
const CLOCK_SKEW_MS = 60 * 60_000;

/** What retention goes by. */
export interface RetentionRules {
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Current variants last used before are no roots. */
  readonly usedSince?: number | undefined;
  /** Current variants that are no roots, by the key of their closure digest, unless used later than that. */
  readonly evicted?: ReadonlyMap<string, number> | undefined;
  /** How many stamps of each lease are not to be followed; of none by default. */
  readonly passedOver?: ReadonlyMap<number, number> | undefined;
}

/** A variant with what it stands on. */
export interface LinkedVariant extends VariantKey {
  readonly narHash: Uint8Array;
  readonly node: Node;
  readonly references: readonly Digest[];
}

/** A current variant that stays only as long as it is used. */
export interface Candidate {
  readonly variant: LinkedVariant;
  readonly usedAt: number;
}

/** The variants by what becomes of them. */
export interface Selection {
  /** By the keys of closure digests. */
  readonly all: ReadonlyMap<string, LinkedVariant>;
  readonly kept: ReadonlySet<string>;
  /** Those that are pinned or relied on. */
  readonly required: readonly LinkedVariant[];
  readonly candidates: readonly Candidate[];
  readonly removed: readonly LinkedVariant[];
}

/** Chooses. Reads only, and all in one turn. @throws STORE_INVALID */
export function selectVariants(tables: Tables, rules: RetentionRules): Selection {
  const all = new Map<string, LinkedVariant>();
  for (const { key, value } of tables.variant.withPrefix(EMPTY)) {
    const digest = key.slice(0, STORE_PATH_DIGEST_BYTES);
    const closureDigest = new Digest(key.slice(STORE_PATH_DIGEST_BYTES));
    all.set(closureDigest.key, { digest, closureDigest, ...linksOfRecord(value) });
  }
  const required = [...requiredKeys(tables, rules)].flatMap((key) => all.get(key) ?? []);
  const candidates: Candidate[] = [];
  for (const { value } of tables.current.withPrefix(EMPTY)) {
    const variant = all.get(new Digest(value).key);
    if (variant === undefined) continue;
    const usedAt = lastUseOf(tables, value, rules.now) ?? rules.now;
    if (rules.usedSince !== undefined && usedAt < rules.usedSince) continue;
    const evictedAt = rules.evicted?.get(variant.closureDigest.key);
    if (evictedAt === undefined || usedAt > evictedAt) candidates.push({ variant, usedAt });
  }
  const kept = closureOf(all, [...required, ...candidates.map(({ variant }) => variant)]);
  const removed = [...all].filter(([key]) => !kept.has(key)).map(([, variant]) => variant);
  return { all, kept, required, candidates, removed };
}

function* requiredKeys(tables: Tables, { passedOver = new Map() }: RetentionRules) {
  for (const { key, value } of tables.pin.withPrefix(EMPTY)) {
    yield decodePin(key, value).closureDigest.key;
  }
  for (const { kind, digest } of newStamps(tables, new Map(passedOver))) {
    if (kind === 'variant') yield digest.key;
  }
}

/**
 * When a variant was last used. What was kept before uses were written down, or was used by a clock that was far ahead,
 * counts as used when this is first seen.
 */
function lastUseOf(tables: Tables, closureDigest: Uint8Array, now: number): number | undefined {
  const stored = tables.used.get(closureDigest);
  const usedAt = stored && decodeU48(stored);
  return usedAt !== undefined && usedAt <= now + CLOCK_SKEW_MS ? usedAt : undefined;
}

/** The keys of variants and all they refer to. */
export function closureOf(
  all: ReadonlyMap<string, LinkedVariant>,
  roots: readonly LinkedVariant[],
): Set<string> {
  const kept = new Set(roots.map(({ closureDigest }) => closureDigest.key));
  // what is added while the walk goes on is visited by it
  for (const key of kept) {
    for (const reference of all.get(key)?.references ?? []) kept.add(reference.key);
  }
  return kept;
}

/**
 * Removes the variants that do not stay, and brings the current view up to date. Inside a transaction.
 * @throws STORE_INVALID
 */
export function removeVariants(tables: Tables, rules: RetentionRules): Selection {
  const selection = selectVariants(tables, rules);
  for (const { variant } of selection.candidates) {
    const { bytes } = variant.closureDigest;
    const isKnown = lastUseOf(tables, bytes, rules.now) !== undefined;
    if (!isKnown) tables.used.put(bytes, encodeU48(rules.now));
  }
  const emptied: Uint8Array[] = [];
  for (const { digest, closureDigest, references } of selection.removed) {
    tables.variant.remove(variantRowKey(digest, closureDigest));
    tables.closure.remove(closureDigest.bytes);
    tables.used.remove(closureDigest.bytes);
    for (const reference of references) {
      tables.referrer.remove(referrerRowKey(reference, closureDigest));
    }
    if (!isCurrent(tables, digest, closureDigest)) continue;
    tables.current.remove(digest);
    emptied.push(digest);
  }
  const variants = new VariantTable(tables);
  for (const digest of emptied) {
    const left = Array.from(variants.variantsOf(digest), ({ closureDigest }) => closureDigest);
    for (const closureDigest of left) settleCurrent(variants, { digest, closureDigest });
  }
  return selection;
}

function isCurrent(tables: Tables, digest: Uint8Array, closureDigest: Digest): boolean {
  const current = tables.current.get(digest);
  return current?.length === DIGEST_BYTES && new Digest(current).equals(closureDigest);
}
