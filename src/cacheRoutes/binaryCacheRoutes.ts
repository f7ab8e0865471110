/**
 * A binary cache as routes, read only:
 *
 *     /nix-cache-info
 *     /<hash part>.narinfo                    the claim, with the upstream's signatures
 *     /<hash part>.ls                         the listing, with narOffset
 *     /nar/<NarHash>.nar[?hash=<hash part>]   rendered from castore
 *     /nar/<NarHash>.nar.zst[?hash=…]         joined from chunks as they lie at rest
 *
 * `hash` names a store path with that NAR, for PathInfo services without an index by NarHash; our own
 * narinfos carry it where it is needed. NARs are never given a Content-Encoding: that would cost their
 * length and ranges, and Nix does not resume an encoded body.
 */
import type { BlobService, ServiceOptions } from '../castore/blobService.ts';
import type { DirectoryService } from '../castore/directoryService.ts';
import { isNarthexError } from '../errors.ts';
import { Hash } from '../hash.ts';
import type { Limits } from '../limits.ts';
import { renderCacheInfo } from '../narinfo/cacheInfo.ts';
import { renderNarInfo } from '../narinfo/render.ts';
import { encodeNixbase32 } from '../nixbase32.ts';
import type { Claim } from '../pathinfo/claim.ts';
import type { PathInfo } from '../pathinfo/pathInfo.ts';
import type { PathInfoService } from '../pathinfo/pathInfoService.ts';
import { NarLayout } from '../render/layout.ts';
import { renderListing } from '../render/renderListing.ts';
import { renderLayout } from '../render/renderNar.ts';
import { renderNarZstd, zstdForm } from '../render/renderNarZstd.ts';
import { type EncodedBlobSource, encodedBlobSource } from '../render/zstdParts.ts';
import { parseHashPart, STORE_DIR } from '../storePath.ts';
import {
  bytesResponse,
  type CacheRequest,
  type CacheResponse,
  type HttpRoutes,
  textResponse,
} from './http.ts';
import { LayoutCache } from './layoutCache.ts';
import { type NarHashIndex, nodeOfNar } from './narLookup.ts';
import { rangeResponse } from './rangeResponse.ts';

/** Options of {@link BinaryCacheRoutes}. */
export interface BinaryCacheOptions {
  readonly pathInfoService: PathInfoService;
  readonly blobService: BlobService;
  readonly directoryService: DirectoryService;
  /** Without one, NARs are found by the store path that their URL names. */
  readonly narHashIndex?: NarHashIndex | undefined;
  /**
   * Which form narinfos point at; both are served. `zstd` falls back to `none` where the blob service
   * does not give its chunks as they lie. Default `none`.
   */
  readonly compression?: 'none' | 'zstd' | undefined;
  /** Lower is asked first; cache.nixos.org has 40. Default {@link DEFAULT_PRIORITY}. */
  readonly priority?: number | undefined;
  /** Whether clients may ask for many paths at once. Default `true`. */
  readonly wantMassQuery?: boolean | undefined;
  /** Applied to what is rendered. */
  readonly limits?: Limits | undefined;
}

/** Before cache.nixos.org (40), since this cache is nearer. */
export const DEFAULT_PRIORITY = 30;

const CONTENT_TYPES = {
  cacheInfo: 'text/x-nix-cache-info',
  narinfo: 'text/x-nix-narinfo',
  nar: 'application/x-nix-nar',
  listing: 'application/json',
} as const;

const HASH_PART = '([0-9a-z]{32})';
const NAR_HASH = '([0-9a-z]{52})';
const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD']);

/** What comes when nothing was there a moment ago, and may be the next: never to be remembered. */
const NOT_REMEMBERED = { 'cache-control': 'no-store' } as const;

/** Answers a request whose path has matched; `part` is the variable part of the path. */
type Answer = (
  request: CacheRequest,
  part: string,
  options: ServiceOptions,
) => CacheResponse | Promise<CacheResponse>;

/** The routes of a binary cache over the three services. */
export class BinaryCacheRoutes implements HttpRoutes {
  readonly #options: BinaryCacheOptions;
  readonly #layouts: LayoutCache;
  readonly #encodedBlobs: EncodedBlobSource | undefined;
  readonly #routes: readonly (readonly [path: RegExp, answer: Answer])[] = [
    [/^\/nix-cache-info$/, (request) => this.#cacheInfo(request)],
    [new RegExp(`^/${HASH_PART}\\.narinfo$`), (...args) => this.#narinfo(...args)],
    [new RegExp(`^/${HASH_PART}\\.ls$`), (...args) => this.#listing(...args)],
    [new RegExp(`^/nar/${NAR_HASH}\\.nar$`), (...args) => this.#nar(...args)],
    [new RegExp(`^/nar/${NAR_HASH}\\.nar\\.zst$`), (...args) => this.#narZst(...args)],
  ];

  constructor(options: BinaryCacheOptions) {
    this.#options = options;
    this.#layouts = new LayoutCache(options.directoryService, options.limits);
    this.#encodedBlobs = encodedBlobSource(options.blobService);
  }

  /** Answers whatever is asked: what is not here with 404. */
  async handle(request: CacheRequest, options: ServiceOptions = {}): Promise<CacheResponse> {
    for (const [path, answer] of this.#routes) {
      const match = path.exec(request.path);
      if (match === null) continue;
      if (!METHODS.has(request.method)) {
        const allow = [...METHODS].join(', ');
        return textResponse(request, 405, `only ${allow}`, { allow });
      }
      return answer(request, match[1] ?? '', options);
    }
    return notFound(request);
  }

  #cacheInfo(request: CacheRequest): CacheResponse {
    const { wantMassQuery = true, priority = DEFAULT_PRIORITY } = this.#options;
    const text = renderCacheInfo({ storeDir: STORE_DIR, wantMassQuery, priority });
    return bytesResponse(request, 200, Buffer.from(text), {
      'content-type': CONTENT_TYPES.cacheInfo,
    });
  }

  async #narinfo(
    request: CacheRequest,
    hashPart: string,
    options: ServiceOptions,
  ): Promise<CacheResponse> {
    const pathInfo = await this.#pathInfoOf(hashPart, options);
    if (pathInfo === undefined) return notFound(request);
    return bytesResponse(request, 200, Buffer.from(this.#narinfoText(pathInfo.claim)), {
      'content-type': CONTENT_TYPES.narinfo,
    });
  }

  async #listing(
    request: CacheRequest,
    hashPart: string,
    options: ServiceOptions,
  ): Promise<CacheResponse> {
    const pathInfo = await this.#pathInfoOf(hashPart, options);
    if (pathInfo === undefined) return notFound(request);
    const layout = await this.#layouts.layoutOf(pathInfo.node, options);
    const headers = { 'content-type': CONTENT_TYPES.listing };
    if (request.method === 'HEAD') return { status: 200, headers };
    return { status: 200, headers, body: renderListing(layout, options) };
  }

  async #nar(
    request: CacheRequest,
    narHash: string,
    options: ServiceOptions,
  ): Promise<CacheResponse> {
    const layout = await this.#layoutOfNar(request, narHash, options);
    if (!(layout instanceof NarLayout)) return layout;
    const { blobService } = this.#options;
    const { signal } = options;
    return rangeResponse(request, {
      sizeBytes: layout.narSizeBytes,
      etag: `"${narHash}"`,
      contentType: CONTENT_TYPES.nar,
      render: (range) => renderLayout(layout, blobService, { range, signal }),
    });
  }

  async #narZst(
    request: CacheRequest,
    narHash: string,
    options: ServiceOptions,
  ): Promise<CacheResponse> {
    const source = this.#encodedBlobs;
    if (source === undefined) return notFound(request);
    const layout = await this.#layoutOfNar(request, narHash, options);
    if (!(layout instanceof NarLayout)) return layout;
    const form = await zstdForm(layout, source, options);
    const { signal } = options;
    return rangeResponse(request, {
      sizeBytes: form.sizeBytes,
      etag: `"${form.validator.hex}"`,
      contentType: CONTENT_TYPES.nar,
      render: (range) => renderNarZstd(layout, source, { form, range, signal }),
    });
  }

  async #pathInfoOf(hashPart: string, options: ServiceOptions): Promise<PathInfo | undefined> {
    const digest = orUndefined(() => parseHashPart(hashPart));
    return digest && this.#options.pathInfoService.get(digest, options);
  }

  /** The layout of the NAR that is asked for, or the answer when there is none. */
  async #layoutOfNar(
    request: CacheRequest,
    narHashText: string,
    options: ServiceOptions,
  ): Promise<NarLayout | CacheResponse> {
    const narHash = orUndefined(() => Hash.parse(`sha256:${narHashText}`));
    if (narHash === undefined) return notFound(request);
    const hashPart = request.query.get('hash');
    const digest = hashPart === null ? undefined : orUndefined(() => parseHashPart(hashPart));
    if (hashPart !== null && digest === undefined) {
      return textResponse(request, 400, 'hash is not the hash part of a store path');
    }
    const { narHashIndex, pathInfoService } = this.#options;
    const node = await nodeOfNar(narHash, narHashIndex, digest, pathInfoService, options);
    return node === undefined ? notFound(request) : this.#layouts.layoutOf(node, options);
  }

  #narinfoText(claim: Claim): string {
    const { compression = 'none', narHashIndex } = this.#options;
    const zst = compression === 'zstd' && this.#encodedBlobs !== undefined;
    const query = narHashIndex === undefined ? `?hash=${claim.storePath.hashPart}` : '';
    return renderNarInfo({
      storePath: claim.storePath,
      url: `nar/${encodeNixbase32(claim.narHash.digest)}.nar${zst ? '.zst' : ''}${query}`,
      compression: zst ? 'zstd' : 'none',
      // of the compressed form both would need the whole to be made first; Nix needs neither
      fileHash: undefined,
      fileSize: undefined,
      narHash: claim.narHash,
      narSize: claim.narSize,
      references: claim.references,
      deriver: claim.deriver,
      system: undefined,
      signatures: claim.signatures,
      ca: claim.ca,
    });
  }
}

function notFound(request: CacheRequest): CacheResponse {
  return textResponse(request, 404, 'not found', NOT_REMEMBERED);
}

/** What `parse` gives, or `undefined` for text that it refuses. */
function orUndefined<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (isNarthexError(error)) return undefined;
    throw error;
  }
}
