/**
 * `NixHTTPPathInfoService`: binary caches as a layer of a store hierarchy. What is asked for is
 * fetched, verified, brought into castore together with all that it refers to, and kept in the
 * hierarchy that the service was given.
 */
import type { BlobService } from './castore/blobService.ts';
import type { Digest } from './castore/digest.ts';
import type { DirectoryService } from './castore/directoryService.ts';
import { NarthexError } from './errors.ts';
import { ClosureIngest } from './ingest/closureIngest.ts';
import type { WalkLimits, WalkResult, WantedPath } from './ingest/closureWalk.ts';
import type { FrankenbuildPolicy } from './ingest/frankenbuild.ts';
import type { IngestEvent } from './ingest/ingestEvent.ts';
import type { NarReader } from './ingest/narReading.ts';
import { openUpstreams, type UpstreamAddress } from './ingest/openUpstreams.ts';
import { PresenceCheck } from './ingest/presence.ts';
import {
  type ContentByNarHash,
  type IngestSource,
  UpstreamIngest,
  type UpstreamIngestOptions,
} from './ingest/upstreamIngest.ts';
import { DEFAULT_LIMITS, type Limits } from './limits.ts';
import type { FindingService } from './pathinfo/finding.ts';
import type { PathInfo } from './pathinfo/pathInfo.ts';
import {
  IngestContext,
  type PathInfoOptions,
  type PathInfoService,
} from './pathinfo/pathInfoService.ts';
import { TrustPolicy } from './pathinfo/trustPolicy.ts';
import type { PublicKey } from './signature.ts';
import { formatHashPart } from './storePath.ts';
import type { OpenUpstreamOptions } from './upstream/openUpstream.ts';

/** Paths that are looked for at once: local look-ups and narinfos. */
export const DEFAULT_NARINFOS_IN_FLIGHT = 256;
/** NARs that are brought in at once. */
export const DEFAULT_NARS_IN_FLIGHT = 8;
/** NARs of at most `SMALL_NAR_BYTES` that are brought in besides. */
export const DEFAULT_SMALL_NARS_IN_FLIGHT = 48;

/** What a {@link NixHTTPPathInfoService} is made of. */
export interface NixHTTPPathInfoServiceOptions extends OpenUpstreamOptions {
  /**
   * The binary cache, or several: `http(s)://` and `file://` URLs, directories, zip files, or
   * upstreams that are open already. They are asked in the order of their priorities, and closed
   * with the service.
   */
  readonly baseUrl: UpstreamAddress | readonly UpstreamAddress[];
  /** Where file contents go. */
  readonly blobService: BlobService;
  /** Where directories go. */
  readonly directoryService: DirectoryService;
  /**
   * The hierarchy in which paths are looked for and into which they are put. It may contain this
   * very service.
   */
  readonly pathInfoService: PathInfoService;
  /** Keys whose signatures count. */
  readonly trustedKeys: readonly PublicKey[];
  /** False accepts all; what nobody verified is recorded as such. True by default. */
  readonly checkSignatures?: boolean | undefined;
  /** Reads NARs: that of a `WorkerPool` does so on other threads. On the calling thread by default. */
  readonly narReader?: NarReader | undefined;
  /**
   * Finds content by NarHash, so that it is not downloaded again. Only NAR hashes that were
   * computed from the content itself may be in it.
   */
  readonly contentByNarHash?: ContentByNarHash | undefined;
  /**
   * Keeps content that is stored or looked up while an ingest needs it, whatever is collected meanwhile;
   * disposed of when the ingest has ended.
   */
  readonly holdContent?: (() => Disposable | undefined) | undefined;
  /** Told what a NAR holds, once that is stored: what {@link contentByNarHash} may find later. */
  readonly recordContent?: UpstreamIngestOptions['recordContent'];
  /**
   * Castore services of an upstream's host, for narinfos whose URL names the content: only what is not
   * here is fetched then.
   */
  readonly castoreOf?: UpstreamIngestOptions['castoreOf'];
  /** Told why a NAR is fetched though its URL names its content. */
  readonly onInfusedFallback?: UpstreamIngestOptions['onInfusedFallback'];
  /** What is done where the upstream's world and ours differ; `off` by default. */
  readonly frankenbuild?: FrankenbuildPolicy | undefined;
  /** With `reject`: lets pass what an upstream does not have or could not be asked about. */
  readonly allowUnknown?: boolean | undefined;
  /** Where findings are kept. */
  readonly findings?: FindingService | undefined;
  /** Milliseconds since 1970; the clock by default. */
  readonly now?: (() => number) | undefined;
  readonly limits?: Limits | undefined;
  readonly walkLimits?: Partial<WalkLimits> | undefined;
}

export type { IngestEvent } from './ingest/ingestEvent.ts';

/** What an ingest takes besides the options of every call. */
export interface IngestOptions extends PathInfoOptions {
  /** Told in order. What it throws aborts the ingest. */
  readonly onEvent?: ((event: IngestEvent) => void) | undefined;
  /**
   * In place of {@link NixHTTPPathInfoService.source}, which it asks in turn: for what is shared with others.
   * Only with the policy `off`; plans ask the upstreams by themselves.
   */
  readonly source?: IngestSource | undefined;
}

/** Binary caches as a {@link PathInfoService} that takes no writes and cannot be listed. */
export class NixHTTPPathInfoService implements PathInfoService, AsyncDisposable {
  readonly #options: NixHTTPPathInfoServiceOptions;
  readonly #trust: TrustPolicy;
  readonly #upstreams: UpstreamIngest;
  readonly #closures: ClosureIngest;

  constructor(options: NixHTTPPathInfoServiceOptions) {
    const { baseUrl, limits = DEFAULT_LIMITS, checkSignatures = true } = options;
    const policy = options.frankenbuild ?? 'off';
    this.#options = options;
    this.#trust = new TrustPolicy(options.trustedKeys, { checkSignatures });
    this.#upstreams = new UpstreamIngest({
      open: () => openUpstreams(Array.isArray(baseUrl) ? baseUrl : [baseUrl], options),
      trust: this.#trust,
      limits,
      blobService: options.blobService,
      directoryService: options.directoryService,
      narReader: options.narReader,
      contentByNarHash: options.contentByNarHash,
      recordContent: options.recordContent,
      castoreOf: options.castoreOf,
      onInfusedFallback: options.onInfusedFallback,
      rememberNarInfos: policy !== 'off',
    });
    this.#closures = new ClosureIngest({
      upstreams: this.#upstreams,
      hierarchy: options.pathInfoService,
      trust: this.#trust,
      walkLimits: {
        narinfosInFlight: DEFAULT_NARINFOS_IN_FLIGHT,
        narsInFlight: DEFAULT_NARS_IN_FLIGHT,
        smallNarsInFlight: DEFAULT_SMALL_NARS_IN_FLIGHT,
        ...options.walkLimits,
      },
      policy,
      allowUnknown: options.allowUnknown ?? false,
      findings: options.findings,
      now: options.now ?? Date.now,
    });
  }

  /**
   * The PathInfo, from the hierarchy or after it was brought in with its closure. `undefined` when
   * neither has it, and when the service finds itself in `options.context`.
   *
   * @throws SIGNATURE_MISSING | SIGNATURE_MISMATCH | STORE_PATH_MISMATCH | NARINFO_INVALID and what
   *   `ingestNar` (ingest/narIngest.ts) throws
   * @throws REFERENCE_FAILED a path below could not be brought in; the chain is named
   * @throws REFERENCE_CYCLE | UPSTREAM_FAILED | UPSTREAM_STATUS
   */
  async get(digest: Uint8Array, options: IngestOptions = {}): Promise<PathInfo | undefined> {
    if (options.context?.includes(this)) return undefined;
    const wanted = { digest, hashPart: formatHashPart(digest), name: undefined };
    const [result] = await this.ingest([wanted], options);
    if (result?.outcome === 'failed') throw result.error;
    return result?.outcome === 'kept' ? result.pathInfo : undefined;
  }

  /**
   * Whether it is in the hierarchy, or an upstream has a narinfo for it that verifies. Nothing is
   * brought in.
   * @throws what {@link get} throws about narinfos
   */
  async has(digest: Uint8Array, options: PathInfoOptions = {}): Promise<boolean> {
    if (options.context?.includes(this)) return false;
    const { signal } = options;
    const wanted = { digest, hashPart: formatHashPart(digest), name: undefined };
    const context = (options.context ?? new IngestContext()).with(this);
    const presence = new PresenceCheck(this.#options.pathInfoService, this.#trust, {
      signal,
      context,
    });
    if ((await presence.find(digest)) !== undefined) return true;
    return (await this.#upstreams.findNarInfo(wanted, signal)) !== undefined;
  }

  /** The variant, if it is the one that {@link get} gives. */
  async getVariant(
    digest: Uint8Array,
    closureDigest: Digest,
    options?: PathInfoOptions,
  ): Promise<PathInfo | undefined> {
    const pathInfo = await this.get(digest, options);
    return pathInfo?.closureDigest.equals(closureDigest) ? pathInfo : undefined;
  }

  /** What {@link get} gives: an upstream knows one variant. */
  async *listVariants(digest: Uint8Array, options?: PathInfoOptions): AsyncGenerator<PathInfo> {
    const pathInfo = await this.get(digest, options);
    if (pathInfo !== undefined) yield pathInfo;
  }

  /** @throws READ_ONLY always */
  async put(pathInfo: PathInfo): Promise<PathInfo> {
    throw new NarthexError('READ_ONLY', 'a binary cache that is read takes no PathInfos', {
      storePath: pathInfo.storePath.absolute,
    });
  }

  /** @throws READ_ONLY unless there is nothing to put */
  async putAll(pathInfos: readonly PathInfo[]): Promise<PathInfo[]> {
    const [first] = pathInfos;
    return first === undefined ? [] : [await this.put(first)];
  }

  /** @throws UNSUPPORTED always: a binary cache cannot be listed */
  // biome-ignore lint/correctness/useYield: the contract is an iterable, and this one only fails
  async *list(): AsyncGenerator<PathInfo> {
    throw new NarthexError('UNSUPPORTED', 'a binary cache cannot be listed', { method: 'list' });
  }

  /**
   * Brings in the closures of several paths at once. Independent paths are kept even when others
   * fail.
   * @returns what became of each, in order
   * @throws the signal's reason
   */
  async ingest(wanted: readonly WantedPath[], options: IngestOptions = {}): Promise<WalkResult[]> {
    const { signal, onEvent } = withSafeListener(options);
    const context = (options.context ?? new IngestContext()).with(this);
    const { source } = options;
    using _held = this.#options.holdContent?.();
    return await this.#closures.run(wanted, { signal, context, onEvent, source });
  }

  /** The narinfos and contents of its upstreams, path by path: what {@link ingest} puts together. */
  get source(): IngestSource {
    return this.#upstreams;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#upstreams[Symbol.asyncDispose]();
  }
}

/** The same options, with a listener that aborts the ingest instead of throwing into it. */
function withSafeListener(options: IngestOptions): Pick<IngestOptions, 'signal' | 'onEvent'> {
  const { signal, onEvent } = options;
  if (onEvent === undefined) return { signal };
  const failed = new AbortController();
  return {
    signal: signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal]),
    onEvent(event) {
      if (failed.signal.aborted) return;
      try {
        onEvent(event);
      } catch (error) {
        failed.abort(error);
      }
    },
  };
}
