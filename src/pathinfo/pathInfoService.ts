/** The contract of services that keep PathInfos, and of the options that their calls carry. */
import type { ServiceOptions } from '../castore/blobService.ts';
import type { Digest } from '../castore/digest.ts';
import type { PathInfo } from './pathInfo.ts';

/**
 * Which services are in the middle of answering. A hierarchy may contain a service that asks that
 * very hierarchy; such a service answers `undefined` when it finds itself in the context.
 */
export class IngestContext {
  readonly #services: ReadonlySet<object>;

  constructor(services: Iterable<object> = []) {
    this.#services = new Set(services);
  }

  /** Whether `service` is in the middle of answering. */
  includes(service: object): boolean {
    return this.#services.has(service);
  }

  /** The context for what `service` asks in turn. */
  with(service: object): IngestContext {
    return new IngestContext([...this.#services, service]);
  }
}

/** What every method of a {@link PathInfoService} takes. Combinators pass it on whole. */
export interface PathInfoOptions extends ServiceOptions {
  readonly context?: IngestContext | undefined;
}

/**
 * Keeps PathInfos by the digest of the store path and, since one store path may stand for several
 * worlds, by closure digest.
 *
 * - The **current view** is coherent: a variant is current only while all variants that it refers
 *   to are current. `get`, `has` and `list` see the current view alone.
 * - A variant that is kept implies that the variants it refers to, and the content of all, are kept.
 * - Absence is `undefined` or `false`. A failure is never absence.
 * - `put` of the same variant unites signatures and keeps or fills in deriver and CA. A verified
 *   variant becomes current before an unverified one; otherwise the first stays. Nothing is ever
 *   overwritten: a service that cannot hold another variant beside refuses with `VARIANT_CONFLICT`.
 */
export interface PathInfoService {
  /**
   * The current variant.
   * @param digest the 20 bytes of the store path's hash part
   */
  get(digest: Uint8Array, options?: PathInfoOptions): Promise<PathInfo | undefined>;

  /** Whether there is a current variant. */
  has(digest: Uint8Array, options?: PathInfoOptions): Promise<boolean>;

  /** One variant, current or not. */
  getVariant(
    digest: Uint8Array,
    closureDigest: Digest,
    options?: PathInfoOptions,
  ): Promise<PathInfo | undefined>;

  /** All variants of a store path, the current one first. */
  listVariants(digest: Uint8Array, options?: PathInfoOptions): AsyncIterable<PathInfo>;

  /**
   * Keeps a PathInfo, durably once the promise is fulfilled.
   * @returns what is kept now: united with what was there
   * @throws READ_ONLY the service takes no writes
   * @throws REFERENCE_MISSING content or a variant that it refers to is not kept
   * @throws PATH_INFO_INVALID a variant that it refers to has another root node than it says
   * @throws VARIANT_CONFLICT the service holds another variant and can hold only one
   */
  put(pathInfo: PathInfo, options?: PathInfoOptions): Promise<PathInfo>;

  /**
   * Keeps several, as if put one by one in the order given (references before referrers), but
   * faster where the service can. When one is refused those before it may have been kept.
   */
  putAll(pathInfos: readonly PathInfo[], options?: PathInfoOptions): Promise<PathInfo[]>;

  /** All current variants, in order of their digests. */
  list(options?: PathInfoOptions): AsyncIterable<PathInfo>;
}
