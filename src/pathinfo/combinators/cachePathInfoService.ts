/** A service in front of one that is farther away. */
import { bytesKey } from '../../bytes.ts';
import type { Digest } from '../../castore/digest.ts';
import { SingleFlight } from '../../singleFlight.ts';
import { keyText } from '../currentView.ts';
import type { PathInfo } from '../pathInfo.ts';
import type { PathInfoOptions, PathInfoService } from '../pathInfoService.ts';
import type { PreferResult } from '../preferVariant.ts';
import type { VariantService } from '../variantService.ts';
import { Absences } from './absences.ts';
import { bringClosure, type CopyContent } from './bringClosure.ts';
import { getByClosureDigest, isVariantService, prefer } from './variantMethods.ts';

/** For so long what far did not have is not asked for again. */
export const DEFAULT_NEGATIVE_TTL_MS = 5_000;

/** What a {@link CachePathInfoService} is made of. */
export interface CachePathInfoOptions {
  /** Asked first; takes what comes from far, and all that is put. */
  readonly near: PathInfoService;
  /** Asked for what is not near; never put to. */
  readonly far: PathInfoService;
  /** Brings the content of a path that comes from far to where near expects it. */
  readonly copyContent?: CopyContent | undefined;
  /** How long an absence is remembered, in milliseconds; 0 not at all. A failure never is. */
  readonly negativeTtlMs?: number | undefined;
  /** Milliseconds since any moment. */
  readonly now: () => number;
}

/**
 * Reads what is near, else what is far, which is then near as well, with its content and its whole
 * closure. What is put goes to near only.
 *
 * - What far has is seen as near sees it afterwards: a path whose references are current near in other
 *   variants is near by its closure digest only, and `get` does not give it, for the current view is
 *   coherent.
 * - Who asks for the same at the same time shares one question to far, except those who ask in the
 *   middle of an answer (`context`): they might wait for themselves.
 */
export class CachePathInfoService implements VariantService {
  readonly #near: PathInfoService;
  readonly #far: PathInfoService;
  readonly #copyContent: CopyContent | undefined;
  readonly #absences: Absences;
  readonly #flights = new SingleFlight<PathInfo | undefined>();

  constructor(options: CachePathInfoOptions) {
    const { near, far, copyContent, negativeTtlMs = DEFAULT_NEGATIVE_TTL_MS } = options;
    this.#near = near;
    this.#far = far;
    this.#copyContent = copyContent;
    this.#absences = new Absences(negativeTtlMs, options.now);
  }

  async get(digest: Uint8Array, options?: PathInfoOptions): Promise<PathInfo | undefined> {
    const near = await this.#near.get(digest, options);
    if (near !== undefined) return near;
    const brought = await this.#bring(bytesKey(digest), options, (shared) =>
      this.#far.get(digest, shared),
    );
    return brought && (await this.#near.get(digest, options));
  }

  async has(digest: Uint8Array, options?: PathInfoOptions): Promise<boolean> {
    if (await this.#near.has(digest, options)) return true;
    if (options?.context === undefined && this.#absences.has(bytesKey(digest))) return false;
    return await this.#far.has(digest, options);
  }

  async getVariant(
    digest: Uint8Array,
    closureDigest: Digest,
    options?: PathInfoOptions,
  ): Promise<PathInfo | undefined> {
    const near = await this.#near.getVariant(digest, closureDigest, options);
    if (near !== undefined) return near;
    const brought = await this.#bring(keyText({ digest, closureDigest }), options, (shared) =>
      this.#far.getVariant(digest, closureDigest, shared),
    );
    return brought && (await this.#near.getVariant(digest, closureDigest, options));
  }

  /** Those that are near, then what far has besides; nothing is brought near. */
  async *listVariants(digest: Uint8Array, options?: PathInfoOptions): AsyncGenerator<PathInfo> {
    const seen = new Set<string>();
    for (const service of [this.#near, this.#far]) {
      for await (const pathInfo of service.listVariants(digest, options)) {
        const key = pathInfo.closureDigest.key;
        if (seen.size < seen.add(key).size) yield pathInfo;
      }
    }
  }

  async put(pathInfo: PathInfo, options?: PathInfoOptions): Promise<PathInfo> {
    const [kept = pathInfo] = await this.putAll([pathInfo], options);
    return kept;
  }

  async putAll(pathInfos: readonly PathInfo[], options?: PathInfoOptions): Promise<PathInfo[]> {
    try {
      return await this.#near.putAll(pathInfos, options);
    } finally {
      this.#absences.clear();
    }
  }

  /** What is near: far may be all that there is. */
  list(options?: PathInfoOptions): AsyncIterable<PathInfo> {
    return this.#near.list(options);
  }

  async getByClosureDigest(
    closureDigest: Digest,
    options?: PathInfoOptions,
  ): Promise<PathInfo | undefined> {
    const near = await getByClosureDigest(this.#near, closureDigest, options);
    if (near !== undefined || !isVariantService(this.#far)) return near;
    const far = this.#far;
    const brought = await this.#bring(closureDigest.key, options, (shared) =>
      far.getByClosureDigest(closureDigest, shared),
    );
    return brought && (await getByClosureDigest(this.#near, closureDigest, options));
  }

  /** Among what is near. */
  async prefer(
    digest: Uint8Array,
    closureDigest: Digest,
    options?: PathInfoOptions,
  ): Promise<PreferResult> {
    try {
      return await prefer(this.#near, digest, closureDigest, options);
    } finally {
      this.#absences.clear();
    }
  }

  /** What far has, once it is near. */
  async #bring(
    key: string,
    options: PathInfoOptions | undefined,
    ask: (options: PathInfoOptions) => Promise<PathInfo | undefined>,
  ): Promise<PathInfo | undefined> {
    // whoever is in the middle of answering says "absent" of what it is about to give
    if (options?.context !== undefined) return await this.#bringWith(options, ask);
    if (this.#absences.has(key)) return undefined;
    const brought = await this.#flights.run(key, options?.signal, (signal) =>
      this.#bringWith({ signal }, ask),
    );
    if (brought === undefined) this.#absences.add(key);
    return brought;
  }

  async #bringWith(
    options: PathInfoOptions,
    ask: (options: PathInfoOptions) => Promise<PathInfo | undefined>,
  ): Promise<PathInfo | undefined> {
    const found = await ask(options);
    if (found === undefined) return undefined;
    const { digest } = found.storePath;
    // far may have put it here itself
    if ((await this.#near.getVariant(digest, found.closureDigest, options)) === undefined) {
      await bringClosure(found, {
        ...options,
        from: this.#far,
        to: this.#near,
        copyContent: this.#copyContent,
      });
    }
    return found;
  }
}
