/** Looks up variants, current or not, and how they are named on the command line. */
import { DIGEST_BYTES, Digest } from '../castore/digest.ts';
import type { Store } from '../composition/openStore.ts';
import { NarthexError } from '../errors.ts';
import { excerpt } from '../excerpt.ts';
import type { PathInfo } from '../pathinfo/pathInfo.ts';
import type { StorePathQuery } from '../storePath.ts';

/** A variant of a path with the information whether it is the current one. */
export interface StoredVariant {
  readonly pathInfo: PathInfo;
  readonly current: boolean;
}

/** All variants of a path, the current one first. @throws PATH_NOT_FOUND there is none */
export async function requireVariants(
  store: Store,
  query: StorePathQuery,
  signal: AbortSignal,
): Promise<StoredVariant[]> {
  const current = await store.pathInfos.get(query.digest, { signal });
  const all: StoredVariant[] = [];
  for await (const pathInfo of store.pathInfos.listVariants(query.digest, { signal })) {
    all.push({ pathInfo, current: current?.sameVariant(pathInfo) === true });
  }
  const variants = all.filter(
    ({ pathInfo }) => query.name === undefined || query.name === pathInfo.storePath.name,
  );
  if (variants.length === 0) throw pathNotFound(query, all[0]?.pathInfo);
  return variants;
}

function pathNotFound(query: StorePathQuery, other: PathInfo | undefined): NarthexError {
  const asked = query.storePath?.absolute ?? query.hashPart;
  const actual = other?.storePath.absolute;
  const but = actual === undefined ? '' : `, but ${actual} is`;
  return new NarthexError('PATH_NOT_FOUND', `${asked} is not in the store${but}`, {
    storePath: asked,
    actual,
  });
}

/** Fewer digits than these name a variant by accident. */
const HEX_PREFIX = /^[0-9a-f]{8,}$/i;

/** A closure digest, or the lower-case hexadecimal digits that it begins with. */
export type ClosureDigestQuery = Digest | string;

/** Reads `blake3-<base64>`, or 8 to 64 hexadecimal digits. @throws USAGE */
export function parseClosureDigestQuery(text: string): ClosureDigestQuery {
  if (HEX_PREFIX.test(text) && text.length <= 2 * DIGEST_BYTES) return text.toLowerCase();
  try {
    return Digest.parse(text);
  } catch (error) {
    throw new NarthexError(
      'USAGE',
      `a closure digest is blake3-…, or its first 8 or more hexadecimal digits, not '${excerpt(text)}'`,
      { actual: excerpt(text) },
      error,
    );
  }
}

/**
 * The one that is meant.
 * @throws PATH_NOT_FOUND none has that closure digest
 * @throws USAGE several begin so
 */
export function variantOf(
  variants: readonly StoredVariant[],
  query: ClosureDigestQuery,
): StoredVariant {
  const found = variants.filter(({ pathInfo: { closureDigest } }) =>
    typeof query === 'string' ? closureDigest.hex.startsWith(query) : closureDigest.equals(query),
  );
  const [only, another] = found;
  const storePath = variants[0]?.pathInfo.storePath.absolute;
  if (only === undefined) {
    throw new NarthexError(
      'PATH_NOT_FOUND',
      `${storePath} has no variant ${query}; see: narthex variants`,
      { storePath, closureDigest: String(query) },
    );
  }
  if (another !== undefined) {
    throw new NarthexError(
      'USAGE',
      `the closure digests of ${found.length} variants of ${storePath} begin with ${query}`,
      { storePath, actual: String(query) },
    );
  }
  return only;
}

/** Hexadecimal digits that text shows of a closure digest; nobody meets 64 equal bits by accident. */
const SHOWN_HEX_DIGITS = 16;

/** The beginning of a closure digest, as `prefer` takes it. */
export function shortDigest(closureDigest: Digest): string {
  return closureDigest.hex.slice(0, SHOWN_HEX_DIGITS);
}
