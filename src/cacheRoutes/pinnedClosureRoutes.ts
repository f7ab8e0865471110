/**
 * Each closure as a binary cache of its own, read only and for good:
 *
 *     /closure/<closure digest>/nix-cache-info
 *     /closure/<closure digest>/<hash part>.narinfo
 *     /closure/<closure digest>/<hash part>.ls
 *     /closure/<closure digest>/nar/<NarHash>.nar[.zst]
 *
 * Such a cache has exactly the store paths of that closure, each in the variant that the closure holds,
 * whether that is the current one or not. The digest is written as 64 hexadecimal digits in lower
 * case, or as 43 characters of urlsafe base64. `docs/serving.md` tells what is answered when.
 */
import type { ServiceOptions } from '../castore/blobService.ts';
import { Digest } from '../castore/digest.ts';
import { DEFAULT_LIMITS, type Limits } from '../limits.ts';
import type { VariantKey } from '../pathinfo/currentView.ts';
import { SingleFlight } from '../singleFlight.ts';
import { WeightedLru } from '../weightedLru.ts';
import type { CacheFiles, ServedCache } from './cacheFiles.ts';
import { parseCachePath } from './cachePath.ts';
import {
  type CacheRequest,
  type CacheResponse,
  type HttpRoutes,
  methodRefusal,
  NOT_REMEMBERED,
  notFoundResponse,
  textResponse,
} from './http.ts';
import { type ClosureConflict, type ClosureSource, PinnedClosure } from './pinnedClosure.ts';
import { FOREVER } from './rangeResponse.ts';

/** What the paths of these routes begin with. */
export const PINNED_CLOSURE_PREFIX = '/closure/';

/** Where a closure is served: `/closure/<hexadecimal digest>`. Nix adds the slash. */
export function pinnedClosurePath(closureDigest: Digest): string {
  return PINNED_CLOSURE_PREFIX + closureDigest.hex;
}

/** Options of {@link PinnedClosureRoutes}. */
export interface PinnedClosureOptions {
  readonly pathInfoService: ClosureSource;
  /** Answers the files. Take the one of the routes beside, so that layouts are kept once. */
  readonly files: CacheFiles;
  /** Of these `pinnedClosurePaths` bounds memory and the size of a closure. */
  readonly limits?: Limits | undefined;
}

/** The routes of all closures that are kept. */
export class PinnedClosureRoutes implements HttpRoutes {
  readonly #source: ClosureSource;
  readonly #files: CacheFiles;
  readonly #limits: Limits;
  readonly #closures: WeightedLru<PinnedClosure>;
  readonly #loads = new SingleFlight<PinnedClosure | undefined>();

  constructor({ pathInfoService, files, limits = DEFAULT_LIMITS }: PinnedClosureOptions) {
    this.#source = pathInfoService;
    this.#files = files;
    this.#limits = limits;
    // one that is not refused always fits
    this.#closures = new WeightedLru(limits.pinnedClosurePaths, ({ size }) => size);
  }

  /**
   * Answers whatever is asked: what is not here with 404, a closure that holds a store path twice with
   * 409.
   * @throws LIMIT_EXCEEDED `pinnedClosurePaths`
   * @throws REFERENCE_MISSING a part of the closure is gone
   */
  async handle(request: CacheRequest, options: ServiceOptions = {}): Promise<CacheResponse> {
    const place = parsePinnedPath(request.path);
    const file = place && parseCachePath(place.path, request.query);
    if (place === undefined || file === undefined) return notFoundResponse(request);
    const refusal = methodRefusal(request);
    if (refusal !== undefined) return refusal;
    // it tells what is known about the references, and that may have become more
    const anew = file.type === 'cacheInfo';
    const closure = await this.#closureOf(place.closureDigest, anew, options);
    if (closure === undefined) return notFoundResponse(request);
    if (closure.conflict !== undefined) return conflictResponse(request, closure.conflict);
    return this.#files.answer(request, file, this.#cacheOf(closure), options);
  }

  async #closureOf(
    closureDigest: Digest,
    anew: boolean,
    options: ServiceOptions,
  ): Promise<PinnedClosure | undefined> {
    const { key } = closureDigest;
    const kept = anew ? undefined : this.#closures.get(key);
    if (kept !== undefined) return kept;
    return this.#loads.run(key, options.signal, async (signal) => {
      const closure = await PinnedClosure.load(this.#source, closureDigest, this.#limits, {
        signal,
      });
      if (closure === undefined) this.#closures.delete(key);
      else this.#closures.set(key, closure);
      return closure;
    });
  }

  #cacheOf(closure: PinnedClosure): ServedCache {
    const pathInfoOf = async (variant: VariantKey | undefined, options: ServiceOptions) =>
      variant && this.#source.getVariant(variant.digest, variant.closureDigest, options);
    return {
      pathInfo: (digest, options) => pathInfoOf(closure.variant(digest), options),
      async nodeOfNar(narHash, _digest, options) {
        return (await pathInfoOf(closure.variantWithNar(narHash), options))?.node;
      },
      narUrlsNameStorePath: false,
      extraCacheInfo: cacheInfoOf(closure),
      cacheInfoControl: 'no-cache',
      metadataControl: FOREVER,
    };
  }
}

/** The closure that a path names, and what follows, without the slash between. */
function parsePinnedPath(path: string): { closureDigest: Digest; path: string } | undefined {
  const groups = PINNED_PATH.exec(path)?.groups;
  if (groups === undefined) return undefined;
  const { hex, base64url, path: below = '' } = groups;
  const closureDigest = new Digest(
    hex === undefined ? Buffer.from(base64url ?? '', 'base64url') : Buffer.from(hex, 'hex'),
  );
  return { closureDigest, path: below };
}

/** The last of 43 characters of base64 carries 4 bits: its spare ones are zero in these only. */
const PINNED_PATH =
  /^\/closure\/(?:(?<hex>[0-9a-f]{64})|(?<base64url>[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]))\/(?<path>.*)$/;

function cacheInfoOf(closure: PinnedClosure): ServedCache['extraCacheInfo'] {
  const { same, mixed, unchecked } = closure.references;
  return [
    ['ClosureDigest', closure.closureDigest.hex],
    ['ClosureRoot', closure.root.baseName],
    ['ClosurePaths', String(closure.size)],
    ['ClosureReferences', `${same} same, ${mixed} mixed, ${unchecked} unchecked`],
  ];
}

function conflictResponse(request: CacheRequest, conflict: ClosureConflict): CacheResponse {
  const { storePath, closureDigests, sameContent } = conflict;
  const [a, b] = closureDigests.map(({ hex }) => hex);
  const difference = sameContent ? 'the same content above other references' : 'other content';
  return textResponse(
    request,
    409,
    `this closure is incoherent: it holds ${storePath.absolute} twice, with ${difference}, ` +
      `as ${a} and as ${b}; a binary cache can hold it once`,
    NOT_REMEMBERED,
  );
}
