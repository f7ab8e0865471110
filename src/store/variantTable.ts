/** The variants, the current view and who refers to whom, as rows of the index. */
import { type Digest, Digest as DigestOf } from '../castore/digest.ts';
import type { VariantIndex, VariantKey } from '../pathinfo/currentView.ts';
import { referencedVariants } from '../pathinfo/currentView.ts';
import type { PathInfo } from '../pathinfo/pathInfo.ts';
import { decodePathInfo, encodePathInfo } from './pathInfoCodec.ts';
import { encodeNar, referrerRowKey, variantRowKey } from './schema.ts';
import type { Tables } from './storeIndex.ts';

/** Reads anywhere; writes inside a transaction only. Everything may throw STORE_INVALID. */
export class VariantTable implements VariantIndex {
  readonly #tables: Tables;

  constructor(tables: Tables) {
    this.#tables = tables;
  }

  currentOf(digest: Uint8Array): Digest | undefined {
    const closureDigest = this.#tables.current.get(digest);
    return closureDigest && new DigestOf(closureDigest);
  }

  setCurrent(digest: Uint8Array, closureDigest: Digest | undefined): void {
    if (closureDigest === undefined) this.#tables.current.remove(digest);
    else this.#tables.current.put(digest, closureDigest.bytes);
  }

  variant(key: VariantKey): PathInfo | undefined {
    const record = this.#tables.variant.get(variantRowKey(key.digest, key.closureDigest));
    return record && decodePathInfo(key, record);
  }

  has(key: VariantKey): boolean {
    return this.#tables.variant.has(variantRowKey(key.digest, key.closureDigest));
  }

  /** The keys of a store path's variants, whether or not their records can be read. */
  *keysOf(digest: Uint8Array): Generator<VariantKey, void, undefined> {
    for (const { key } of this.#tables.variant.withPrefix(digest)) {
      yield { digest, closureDigest: new DigestOf(key.slice(digest.length)) };
    }
  }

  *variantsOf(digest: Uint8Array): Generator<PathInfo, void, undefined> {
    for (const { key, value } of this.#tables.variant.withPrefix(digest)) {
      const closureDigest = new DigestOf(key.slice(digest.length));
      yield decodePathInfo({ digest, closureDigest }, value);
    }
  }

  *referrersOf(key: VariantKey): Generator<VariantKey, void, undefined> {
    const referred = key.closureDigest.bytes;
    for (const row of this.#tables.referrer.withPrefix(referred)) {
      yield { digest: row.value, closureDigest: new DigestOf(row.key.slice(referred.length)) };
    }
  }

  /** The store path digest of the variant with this closure digest. */
  digestOf(closureDigest: Digest): Uint8Array | undefined {
    return this.#tables.closure.get(closureDigest.bytes);
  }

  /** Puts a PathInfo's rows, all but the current view. */
  write(pathInfo: PathInfo): void {
    const { storePath, closureDigest, node, claim } = pathInfo;
    const { digest } = storePath;
    this.#tables.variant.put(variantRowKey(digest, closureDigest), encodePathInfo(pathInfo));
    this.#tables.closure.put(closureDigest.bytes, digest);
    for (const reference of referencedVariants(pathInfo)) {
      this.#tables.referrer.put(referrerRowKey(reference.closureDigest, closureDigest), digest);
    }
    if (!this.#tables.nar.has(claim.narHash.digest)) {
      const content = { narSize: claim.narSize, node };
      // whoever puts it may lie: it is served under this hash, and used for no other path
      this.#tables.nar.put(claim.narHash.digest, encodeNar({ content, computed: false }));
    }
  }
}
