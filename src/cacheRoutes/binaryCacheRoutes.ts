/**
 * The current view as a binary cache, read only:
 *
 *     /nix-cache-info
 *     /<hash part>.narinfo                    the claim, with the upstream's signatures
 *     /<hash part>.ls                         the listing, with narOffset
 *     /nar/<NarHash>.nar[?hash=<hash part>]   rendered from castore
 *     /nar/<NarHash>.nar.zst[?hash=…]         joined from chunks as they lie at rest
 *     /log/…  /realisations/…  /build-trace-v2/…  /debuginfo/…
 *                                             extra files as they are kept (extraFiles/extraFileName.ts)
 *
 * `hash` names a store path with that NAR, for PathInfo services without an index by NarHash; our own
 * narinfos carry it where it is needed. NARs of variants that are not current are served too: a NarHash
 * can mean one content only.
 */
import { parseExtraFileName } from '../extraFiles/extraFileName.ts';
import type { ExtraFileService } from '../extraFiles/extraFileService.ts';
import type { PathInfoService } from '../pathinfo/pathInfoService.ts';
import { CacheFiles, type CacheFilesOptions, type ServedCache } from './cacheFiles.ts';
import { parseCachePath } from './cachePath.ts';
import { type ExtraFileSource, extraFileResponse } from './extraFileResponse.ts';
import {
  type CacheRequest,
  type CacheResponse,
  type HandleOptions,
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
  /** Its extra files; without it there are none. */
  readonly extraFiles?: ExtraFileService | undefined;
}

/** The routes of a binary cache over the three services. */
export class BinaryCacheRoutes implements HttpRoutes {
  /** Answers the files; other caches over the same content may share it. */
  readonly files: CacheFiles;
  readonly #current: ServedCache;
  readonly #extras: ExtraFileSource | undefined;

  constructor(options: BinaryCacheOptions) {
    const { pathInfoService, narHashIndex, pending, extraFiles, blobService } = options;
    this.#extras = extraFiles && { extraFiles, blobService };
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
  async handle(request: CacheRequest, options: HandleOptions = {}): Promise<CacheResponse> {
    const path = request.path.replace(/^\//, '');
    if (path === request.path) return notFoundResponse(request);
    const file = parseCachePath(path, request.query);
    if (file !== undefined) {
      return methodRefusal(request) ?? this.files.answer(request, file, this.#current, options);
    }
    const extra = this.#extras && parseExtraFileName(path);
    if (this.#extras === undefined || extra === undefined) return notFoundResponse(request);
    return methodRefusal(request) ?? extraFileResponse(request, extra, this.#extras, options);
  }
}
