/** PathInfos in memory: for tests, and for closures that are looked at and thrown away. */
import { bytesKey, bytesOfKey } from '../bytes.ts';
import type { Digest } from '../castore/digest.ts';
import { checkReferences } from './closure.ts';
import {
  keyText,
  referencedVariants,
  settleCurrent,
  type VariantIndex,
  type VariantKey,
} from './currentView.ts';
import type { PathInfo } from './pathInfo.ts';
import type { PathInfoOptions } from './pathInfoService.ts';
import { type PreferResult, preferVariant } from './preferVariant.ts';
import type { VariantService } from './variantService.ts';

/** A {@link VariantService} that keeps all variants in memory, without bound. */
export class MemoryPathInfoService implements VariantService {
  readonly #variants = new Map<string, Map<string, PathInfo>>();
  /** Closure digest → digest of the store path; a closure digest covers the name. */
  readonly #closures = new Map<string, Uint8Array>();
  readonly #current = new Map<string, Digest>();
  readonly #referrers = new Map<string, Map<string, VariantKey>>();
  readonly #index: VariantIndex = {
    currentOf: (digest) => this.#current.get(bytesKey(digest)),
    setCurrent: (digest, closureDigest) => {
      if (closureDigest === undefined) this.#current.delete(bytesKey(digest));
      else this.#current.set(bytesKey(digest), closureDigest);
    },
    variant: (key) => this.#variants.get(bytesKey(key.digest))?.get(key.closureDigest.key),
    variantsOf: (digest) => this.#variants.get(bytesKey(digest))?.values() ?? [],
    referrersOf: (key) => this.#referrers.get(keyText(key))?.values() ?? [],
  };

  async get(digest: Uint8Array, options?: PathInfoOptions): Promise<PathInfo | undefined> {
    options?.signal?.throwIfAborted();
    const closureDigest = this.#current.get(bytesKey(digest));
    return closureDigest && this.#index.variant({ digest, closureDigest });
  }

  async has(digest: Uint8Array, options?: PathInfoOptions): Promise<boolean> {
    options?.signal?.throwIfAborted();
    return this.#current.has(bytesKey(digest));
  }

  async getVariant(
    digest: Uint8Array,
    closureDigest: Digest,
    options?: PathInfoOptions,
  ): Promise<PathInfo | undefined> {
    options?.signal?.throwIfAborted();
    return this.#index.variant({ digest, closureDigest });
  }

  async getByClosureDigest(
    closureDigest: Digest,
    options?: PathInfoOptions,
  ): Promise<PathInfo | undefined> {
    options?.signal?.throwIfAborted();
    const digest = this.#closures.get(closureDigest.key);
    return digest && this.#index.variant({ digest, closureDigest });
  }

  async *listVariants(digest: Uint8Array, options?: PathInfoOptions): AsyncGenerator<PathInfo> {
    const current = await this.get(digest, options);
    if (current !== undefined) yield current;
    for (const variant of [...this.#index.variantsOf(digest)]) {
      options?.signal?.throwIfAborted();
      if (current === undefined || !variant.sameVariant(current)) yield variant;
    }
  }

  async put(pathInfo: PathInfo, options?: PathInfoOptions): Promise<PathInfo> {
    options?.signal?.throwIfAborted();
    const references = referencedVariants(pathInfo);
    checkReferences(pathInfo, this.#index.variant);
    const { digest } = pathInfo.storePath;
    const key = { digest, closureDigest: pathInfo.closureDigest };
    const known = this.#index.variant(key);
    const kept = known?.unitedWith(pathInfo) ?? pathInfo;
    if (kept === known) return kept;
    const variants = this.#variants.get(bytesKey(digest)) ?? new Map<string, PathInfo>();
    this.#variants.set(bytesKey(digest), variants.set(key.closureDigest.key, kept));
    this.#closures.set(key.closureDigest.key, digest);
    for (const reference of references) {
      const referrers = this.#referrers.get(keyText(reference)) ?? new Map<string, VariantKey>();
      this.#referrers.set(keyText(reference), referrers.set(keyText(key), key));
    }
    settleCurrent(this.#index, key);
    return kept;
  }

  async putAll(pathInfos: readonly PathInfo[], options?: PathInfoOptions): Promise<PathInfo[]> {
    const kept: PathInfo[] = [];
    for (const pathInfo of pathInfos) kept.push(await this.put(pathInfo, options));
    return kept;
  }

  async prefer(
    digest: Uint8Array,
    closureDigest: Digest,
    options?: PathInfoOptions,
  ): Promise<PreferResult> {
    options?.signal?.throwIfAborted();
    return preferVariant(this.#index, { digest, closureDigest });
  }

  async *list(options?: PathInfoOptions): AsyncGenerator<PathInfo> {
    for (const digest of [...this.#current.keys()].sort()) {
      const pathInfo = await this.get(bytesOfKey(digest), options);
      if (pathInfo !== undefined) yield pathInfo;
    }
  }
}
