/** A service that keeps in memory what was asked for last. */
import { bytesKey } from '../../bytes.ts';
import type { Digest } from '../../castore/digest.ts';
import { WeightedLru } from '../../weightedLru.ts';
import { keyText } from '../currentView.ts';
import type { PathInfo } from '../pathInfo.ts';
import type { PathInfoOptions, PathInfoService } from '../pathInfoService.ts';
import type { PreferResult } from '../preferVariant.ts';
import type { VariantService } from '../variantService.ts';
import { getByClosureDigest, prefer } from './variantMethods.ts';

/** For so long what is kept in memory stands for what is kept underneath. */
export const DEFAULT_LRU_TTL_MS = 60_000;

/** How much is kept, and for how long. */
export interface LruPathInfoOptions {
  /** PathInfos and their references, counted together. */
  readonly maxEntries: number;
  /** Milliseconds. */
  readonly ttlMs?: number | undefined;
  /** Milliseconds since any moment. */
  readonly now: () => number;
}

interface Kept {
  readonly pathInfo: PathInfo;
  readonly until: number;
}

/**
 * Remembers PathInfos, never that there is none. Writes through it are seen at once; what others write
 * to the service underneath is seen after the time to live.
 */
export class LruPathInfoService implements VariantService {
  readonly #inner: PathInfoService;
  readonly #ttlMs: number;
  readonly #now: () => number;
  readonly #maxEntries: number;
  #kept: WeightedLru<Kept>;

  constructor(inner: PathInfoService, options: LruPathInfoOptions) {
    const { maxEntries, ttlMs = DEFAULT_LRU_TTL_MS, now } = options;
    this.#inner = inner;
    this.#maxEntries = maxEntries;
    this.#ttlMs = ttlMs;
    this.#now = now;
    this.#kept = this.#nothing();
  }

  async get(digest: Uint8Array, options?: PathInfoOptions): Promise<PathInfo | undefined> {
    return await this.#through(bytesKey(digest), options, () => this.#inner.get(digest, options));
  }

  async has(digest: Uint8Array, options?: PathInfoOptions): Promise<boolean> {
    options?.signal?.throwIfAborted();
    return this.#find(bytesKey(digest)) !== undefined || (await this.#inner.has(digest, options));
  }

  async getVariant(
    digest: Uint8Array,
    closureDigest: Digest,
    options?: PathInfoOptions,
  ): Promise<PathInfo | undefined> {
    return await this.#through(keyText({ digest, closureDigest }), options, () =>
      this.#inner.getVariant(digest, closureDigest, options),
    );
  }

  listVariants(digest: Uint8Array, options?: PathInfoOptions): AsyncIterable<PathInfo> {
    return this.#inner.listVariants(digest, options);
  }

  async put(pathInfo: PathInfo, options?: PathInfoOptions): Promise<PathInfo> {
    return await this.#writing(() => this.#inner.put(pathInfo, options));
  }

  async putAll(pathInfos: readonly PathInfo[], options?: PathInfoOptions): Promise<PathInfo[]> {
    return await this.#writing(() => this.#inner.putAll(pathInfos, options));
  }

  list(options?: PathInfoOptions): AsyncIterable<PathInfo> {
    return this.#inner.list(options);
  }

  async getByClosureDigest(
    closureDigest: Digest,
    options?: PathInfoOptions,
  ): Promise<PathInfo | undefined> {
    return await this.#through(closureDigest.key, options, () =>
      getByClosureDigest(this.#inner, closureDigest, options),
    );
  }

  async prefer(
    digest: Uint8Array,
    closureDigest: Digest,
    options?: PathInfoOptions,
  ): Promise<PreferResult> {
    return await this.#writing(() => prefer(this.#inner, digest, closureDigest, options));
  }

  async #through(
    key: string,
    options: PathInfoOptions | undefined,
    ask: () => Promise<PathInfo | undefined>,
  ): Promise<PathInfo | undefined> {
    options?.signal?.throwIfAborted();
    const found = this.#find(key);
    if (found !== undefined) return found;
    const kept = this.#kept;
    const pathInfo = await ask();
    // an answer from before a write goes where nobody looks any more
    if (pathInfo !== undefined) kept.set(key, { pathInfo, until: this.#now() + this.#ttlMs });
    return pathInfo;
  }

  #find(key: string): PathInfo | undefined {
    const kept = this.#kept.get(key);
    if (kept === undefined || this.#now() < kept.until) return kept?.pathInfo;
    this.#kept.delete(key);
    return undefined;
  }

  /** One put may change what is current under many store paths, so all is forgotten. */
  async #writing<T>(write: () => Promise<T>): Promise<T> {
    try {
      return await write();
    } finally {
      this.#kept = this.#nothing();
    }
  }

  #nothing(): WeightedLru<Kept> {
    return new WeightedLru(this.#maxEntries, ({ pathInfo }) => 1 + pathInfo.references.size);
  }
}
