/**
 * The current view as a binary cache, read only:
 *
 *     /nix-cache-info
 *     /<hash part>.narinfo                    the claim, with the upstream's signatures
 *     /<hash part>.ls                         the listing, with narOffset
 *     /nar/<NarHash>.nar[?hash=<hash part>]   rendered from castore
 *     /nar/<NarHash>.nar.zst[?hash=…]         joined from chunks as they lie at rest
 *
 * `hash` names a store path with that NAR, for PathInfo services without an index by NarHash; our own
 * narinfos carry it where it is needed. NARs of variants that are not current are served too: a NarHash
 * can mean one content only.
 */
import type { ServiceOptions } from '../castore/blobService.ts';
import type { PathInfoService } from '../pathinfo/pathInfoService.ts';
import { CacheFiles, type CacheFilesOptions, type ServedCache } from './cacheFiles.ts';
import { parseCachePath } from './cachePath.ts';
import {
  type CacheRequest,
  type CacheResponse,
  type HttpRoutes,
  methodRefusal,
  notFoundResponse,
} from './http.ts';
import { type NarHashIndex, nodeOfNar } from './narLookup.ts';
import type { PendingPaths } from './pendingPaths.ts';

/** Options of {@link BinaryCacheRoutes}. */
export interface BinaryCacheOptions extends CacheFilesOptions {
  readonly pathInfoService: PathInfoService;
  /** Without one, NARs are found by the store path that their URL names. */
  readonly narHashIndex?: NarHashIndex | undefined;
  /** Asked for narinfos and NARs that are not here; without it they are absent. */
  readonly pending?: PendingPaths | undefined;
}

/** The routes of a binary cache over the three services. */
export class BinaryCacheRoutes implements HttpRoutes {
  /** Answers the files; other caches over the same content may share it. */
  readonly files: CacheFiles;
  readonly #current: ServedCache;

  constructor(options: BinaryCacheOptions) {
    const { pathInfoService, narHashIndex, pending } = options;
    this.files = new CacheFiles(options);
    this.#current = {
      pathInfo: (digest, callOptions) => pathInfoService.get(digest, callOptions),
      nodeOfNar: (narHash, digest, callOptions) =>
        nodeOfNar(narHash, narHashIndex, digest, pathInfoService, callOptions),
      narUrlsNameStorePath: narHashIndex === undefined,
      extraCacheInfo: [],
      cacheInfoControl: undefined,
      metadataControl: undefined,
      pending,
    };
  }

  /** Answers whatever is asked: what is not here with 404. */
  async handle(request: CacheRequest, options: ServiceOptions = {}): Promise<CacheResponse> {
    const { path } = request;
    const file = path.startsWith('/') ? parseCachePath(path.slice(1), request.query) : undefined;
    if (file === undefined) return notFoundResponse(request);
    return methodRefusal(request) ?? this.files.answer(request, file, this.#current, options);
  }
}
