/** PathInfos in the embedded store: all variants, and a coherent view of the current ones. */
import { EMPTY } from '../bytes.ts';
import { Digest } from '../castore/digest.ts';
import type { PathInfo } from '../pathinfo/pathInfo.ts';
import type { PathInfoOptions } from '../pathinfo/pathInfoService.ts';
import { type PreferResult, preferVariant } from '../pathinfo/preferVariant.ts';
import type { VariantService } from '../pathinfo/variantService.ts';
import type { CommitQueue } from './commitQueue.ts';
import type { Lease } from './gc/lease.ts';
import type { LastUse } from './lastUse.ts';
import { decodePathInfo } from './pathInfoCodec.ts';
import { variantRowKey } from './schema.ts';
import type { StoreIndex, Tables } from './storeIndex.ts';
import type { VariantTable } from './variantTable.ts';

/** What a {@link StorePathInfoService} is made of. */
export interface StorePathInfoParts {
  readonly index: StoreIndex;
  readonly variants: VariantTable;
  readonly commits: CommitQueue;
  /** Throws when the store takes no writes. */
  readonly checkWritable: () => void;
  /** Keeps what is looked up under a hold; a store that is only read has none. */
  readonly lease: Lease | undefined;
  /** Told of what is looked up; a store that is only read has none. */
  readonly lastUse: LastUse | undefined;
}

/** The PathInfos of a store. */
export class StorePathInfoService implements VariantService {
  readonly #index: StoreIndex;
  readonly #tables: Tables;
  readonly #variants: VariantTable;
  readonly #commits: CommitQueue;
  readonly #checkWritable: () => void;
  readonly #lease: Lease | undefined;
  readonly #lastUse: LastUse | undefined;

  constructor({ index, variants, commits, checkWritable, lease, lastUse }: StorePathInfoParts) {
    this.#index = index;
    this.#tables = index.tables;
    this.#variants = variants;
    this.#commits = commits;
    this.#checkWritable = checkWritable;
    this.#lease = lease;
    this.#lastUse = lastUse;
  }

  async get(digest: Uint8Array, options?: PathInfoOptions): Promise<PathInfo | undefined> {
    options?.signal?.throwIfAborted();
    const closureDigest = this.#tables.current.getFresh(digest);
    return closureDigest && (await this.#used(digest, new Digest(closureDigest)));
  }

  async has(digest: Uint8Array, options?: PathInfoOptions): Promise<boolean> {
    options?.signal?.throwIfAborted();
    return this.#tables.current.getFresh(digest) !== undefined;
  }

  async getVariant(
    digest: Uint8Array,
    closureDigest: Digest,
    options?: PathInfoOptions,
  ): Promise<PathInfo | undefined> {
    options?.signal?.throwIfAborted();
    return await this.#used(digest, closureDigest);
  }

  /**
   * The variant with this closure digest, of whichever store path.
   * @throws STORE_INVALID | STORE_FAILED
   */
  async getByClosureDigest(
    closureDigest: Digest,
    options?: PathInfoOptions,
  ): Promise<PathInfo | undefined> {
    options?.signal?.throwIfAborted();
    const digest = this.#tables.closure.getFresh(closureDigest.bytes);
    return digest && (await this.#used(digest, closureDigest));
  }

  async *listVariants(digest: Uint8Array, options?: PathInfoOptions): AsyncGenerator<PathInfo> {
    const current = await this.get(digest, options);
    if (current !== undefined) yield current;
    for (const variant of this.#variants.variantsOf(digest)) {
      options?.signal?.throwIfAborted();
      if (current === undefined || !variant.sameVariant(current)) yield variant;
    }
  }

  async put(pathInfo: PathInfo, options?: PathInfoOptions): Promise<PathInfo> {
    const [kept = pathInfo] = await this.putAll([pathInfo], options);
    return kept;
  }

  async putAll(pathInfos: readonly PathInfo[], options?: PathInfoOptions): Promise<PathInfo[]> {
    options?.signal?.throwIfAborted();
    this.#checkWritable();
    return await this.#commits.putAll(pathInfos);
  }

  async prefer(
    digest: Uint8Array,
    closureDigest: Digest,
    options?: PathInfoOptions,
  ): Promise<PreferResult> {
    options?.signal?.throwIfAborted();
    this.#checkWritable();
    const wanted = { digest, closureDigest };
    return await this.#index.transaction(() => preferVariant(this.#variants, wanted));
  }

  async *list(options?: PathInfoOptions): AsyncGenerator<PathInfo> {
    for (const { key, value } of this.#tables.current.withPrefix(EMPTY)) {
      options?.signal?.throwIfAborted();
      const pathInfo = this.#variant(key, new Digest(value));
      if (pathInfo !== undefined) yield pathInfo;
    }
  }

  /** A variant that somebody asked for by name. */
  async #used(digest: Uint8Array, closureDigest: Digest): Promise<PathInfo | undefined> {
    const pathInfo = this.#variant(digest, closureDigest);
    if (pathInfo === undefined) return undefined;
    this.#lastUse?.note(closureDigest);
    const isThere = () => this.#variants.has({ digest, closureDigest });
    const kept = (await this.#lease?.watch('variant', closureDigest, isThere)) ?? true;
    return kept ? pathInfo : undefined;
  }

  #variant(digest: Uint8Array, closureDigest: Digest): PathInfo | undefined {
    const record = this.#tables.variant.getFresh(variantRowKey(digest, closureDigest));
    return record && decodePathInfo({ digest, closureDigest }, record);
  }
}
