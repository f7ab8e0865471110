/**
 * The files of binary caches, answered out of castore. Which store paths a cache has, and in which
 * variant, is told by a {@link ServedCache}: the current view (`binaryCacheRoutes.ts`) and each
 * closure digest (`pinnedClosureRoutes.ts`) are caches of their own over the same content.
 *
 * NARs are never given a Content-Encoding: that would cost their length and ranges, and Nix does not
 * resume an encoded body.
 */
import type { BlobService, ServiceOptions } from '../castore/blobService.ts';
import { Digest } from '../castore/digest.ts';
import type { DirectoryService } from '../castore/directoryService.ts';
import { infusedNarUrl } from '../castore/infusedNarUrl.ts';
import type { Node } from '../castore/node.ts';
import type { Hash } from '../hash.ts';
import type { Limits } from '../limits.ts';
import { renderCacheInfo } from '../narinfo/cacheInfo.ts';
import { renderNarInfo } from '../narinfo/render.ts';
import { encodeNixbase32 } from '../nixbase32.ts';
import type { Claim } from '../pathinfo/claim.ts';
import type { PathInfo } from '../pathinfo/pathInfo.ts';
import { renderListing } from '../render/renderListing.ts';
import { renderLayout } from '../render/renderNar.ts';
import { renderNarZstd, zstdForm } from '../render/renderNarZstd.ts';
import { type EncodedBlobSource, encodedBlobSource } from '../render/zstdParts.ts';
import { STORE_DIR } from '../storePath.ts';
import { type CacheFile, digestOfHashPart } from './cachePath.ts';
import { isKnownToClient } from './conditional.ts';
import {
  bytesResponse,
  type CacheRequest,
  type CacheResponse,
  type HandleOptions,
  NOT_REMEMBERED,
  notFoundResponse,
  textResponse,
} from './http.ts';
import { InfusedNarFiles } from './infusedNar.ts';
import { LayoutCache } from './layoutCache.ts';
import type { PendingPaths } from './pendingPaths.ts';
import { rangeResponse } from './rangeResponse.ts';

/** Where content comes from, and how it is offered. */
export interface CacheFilesOptions {
  readonly blobService: BlobService;
  readonly directoryService: DirectoryService;
  /**
   * Which form narinfos point at; both are served. `zstd` falls back to `none` where the blob service
   * does not give its chunks as they lie. Default `none`.
   */
  readonly compression?: 'none' | 'zstd' | undefined;
  /**
   * What NAR URLs of narinfos name: the NarHash, or with `infused` the root node, for clients that fetch
   * over gRPC from here what they lack. Infused ones are never compressed. Default `narHash`.
   */
  readonly narUrls?: 'narHash' | 'infused' | undefined;
  /** Lower is asked first; cache.nixos.org has 40. Default {@link DEFAULT_PRIORITY}. */
  readonly priority?: number | undefined;
  /** Whether clients may ask for many paths at once. Default `true`. */
  readonly wantMassQuery?: boolean | undefined;
  /** Applied to what is rendered. */
  readonly limits?: Limits | undefined;
}

/** Before cache.nixos.org (40), since this cache is nearer. */
export const DEFAULT_PRIORITY = 30;

/** One binary cache: which store paths it has. */
export interface ServedCache {
  /** The PathInfo of the one variant that this cache has of a store path. */
  pathInfo(digest: Uint8Array, options: ServiceOptions): Promise<PathInfo | undefined>;
  /**
   * The root node of a NAR.
   * @param digest of a store path that has this NAR, where the URL names one
   */
  nodeOfNar(
    narHash: Hash,
    digest: Uint8Array | undefined,
    options: ServiceOptions,
  ): Promise<Node | undefined>;
  /** Whether the URLs of NARs must name a store path for {@link nodeOfNar}. */
  readonly narUrlsNameStorePath: boolean;
  /** Lines that `nix-cache-info` has besides its own; Nix ignores keys that it does not know. */
  readonly extraCacheInfo: readonly (readonly [key: string, value: string])[];
  /** `Cache-Control` of `nix-cache-info`, if any. */
  readonly cacheInfoControl: string | undefined;
  /** `Cache-Control` of narinfos and listings, if any. NARs may be kept forever anyway. */
  readonly metadataControl: string | undefined;
  /** Asked for narinfos and NARs that this cache has not. */
  readonly pending?: PendingPaths | undefined;
}

const CONTENT_TYPES = {
  cacheInfo: 'text/x-nix-cache-info',
  narinfo: 'text/x-nix-narinfo',
  nar: 'application/x-nix-nar',
  listing: 'application/json',
} as const;

/** Answers for the files of any number of caches over the same content. */
export class CacheFiles {
  readonly #options: CacheFilesOptions;
  readonly #layouts: LayoutCache;
  readonly #infusedNars: InfusedNarFiles;
  readonly #encodedBlobs: EncodedBlobSource | undefined;

  constructor(options: CacheFilesOptions) {
    this.#options = options;
    this.#layouts = new LayoutCache(options.directoryService, options.limits);
    this.#infusedNars = new InfusedNarFiles({ ...options, layouts: this.#layouts });
    this.#encodedBlobs = encodedBlobSource(options.blobService);
  }

  /** Answers a `GET` or `HEAD` for a file of `cache`: what it has not with 404. */
  async answer(
    request: CacheRequest,
    file: CacheFile,
    cache: ServedCache,
    options: HandleOptions,
  ): Promise<CacheResponse> {
    if (file.type === 'cacheInfo') return this.#cacheInfo(request, cache);
    if (file.type === 'nar') return this.#nar(request, file, cache, options);
    if (file.type === 'infusedNar') return this.#infusedNars.answer(request, file, options);
    const pathInfo = await cache.pathInfo(file.digest, options);
    if (pathInfo === undefined) {
      return file.type === 'narinfo'
        ? this.#pendingNarinfo(request, file.digest, cache, options)
        : notFoundResponse(request);
    }
    return file.type === 'narinfo'
      ? this.#narinfo(request, pathInfo, cache)
      : this.#listing(request, pathInfo, cache, options);
  }

  #cacheInfo(request: CacheRequest, cache: ServedCache): CacheResponse {
    const { wantMassQuery = true, priority = DEFAULT_PRIORITY } = this.#options;
    const own = renderCacheInfo({ storeDir: STORE_DIR, wantMassQuery, priority });
    const lines = cache.extraCacheInfo.map(([key, value]) => `${key}: ${value}\n`);
    const text = own + lines.join('');
    return metadataResponse(request, text, CONTENT_TYPES.cacheInfo, cache.cacheInfoControl);
  }

  #narinfo(request: CacheRequest, { claim, node }: PathInfo, cache: ServedCache): CacheResponse {
    const text = this.#narinfoText(claim, node, cache.narUrlsNameStorePath);
    return metadataResponse(request, text, CONTENT_TYPES.narinfo, cache.metadataControl);
  }

  /** A narinfo that may not hold for long: what it promises is on its way. */
  async #pendingNarinfo(
    request: CacheRequest,
    digest: Uint8Array,
    cache: ServedCache,
    options: ServiceOptions,
  ): Promise<CacheResponse> {
    const ingest = request.method !== 'HEAD';
    const claim = await cache.pending?.claim(digest, { ...options, ingest });
    if (claim === undefined) return notFoundResponse(request);
    const text = this.#narinfoText(claim, undefined, cache.narUrlsNameStorePath);
    const control = NOT_REMEMBERED['cache-control'];
    return metadataResponse(request, text, CONTENT_TYPES.narinfo, control);
  }

  async #listing(
    request: CacheRequest,
    { node, claim }: PathInfo,
    { metadataControl }: ServedCache,
    options: ServiceOptions,
  ): Promise<CacheResponse> {
    // a NAR determines its listing
    const etag = `"${encodeNixbase32(claim.narHash.digest)}.ls"`;
    const validity = validityHeaders(etag, metadataControl);
    if (isKnownToClient(request, etag)) return { status: 304, headers: validity };
    const layout = await this.#layouts.layoutOf(node, options);
    const headers = { ...validity, 'content-type': CONTENT_TYPES.listing };
    if (request.method === 'HEAD') return { status: 200, headers };
    return { status: 200, headers, body: renderListing(layout, options) };
  }

  async #nar(
    request: CacheRequest,
    file: Extract<CacheFile, { type: 'nar' }>,
    cache: ServedCache,
    options: HandleOptions,
  ): Promise<CacheResponse> {
    const { narHash, compression } = file;
    const source = this.#encodedBlobs;
    if (compression === 'zstd' && source === undefined) return notFoundResponse(request);
    const hashPart = request.query.get('hash');
    const digest = hashPart === null ? undefined : digestOfHashPart(hashPart);
    if (hashPart !== null && digest === undefined) {
      return textResponse(request, 400, 'hash is not the hash part of a store path');
    }
    let node = await cache.nodeOfNar(narHash, digest, options);
    if (node === undefined && cache.pending !== undefined) {
      const response = await pendingNar(request, file, cache.pending, options);
      if (response !== undefined) return response;
      // it may have been kept since it was looked for above
      node = await cache.nodeOfNar(narHash, digest, options);
    }
    if (node === undefined) return notFoundResponse(request);
    const layout = await this.#layouts.layoutOf(node, options);
    const { signal, lentPieces } = options;
    const contentType = CONTENT_TYPES.nar;
    if (compression === 'zstd' && source !== undefined) {
      const form = await zstdForm(layout, source, options);
      return rangeResponse(request, {
        sizeBytes: form.sizeBytes,
        etag: `"${form.validator.hex}"`,
        contentType,
        render: (range) => renderNarZstd(layout, source, { form, range, signal, lentPieces }),
      });
    }
    const { blobService } = this.#options;
    return rangeResponse(request, {
      sizeBytes: layout.narSizeBytes,
      etag: narEtag(narHash),
      contentType,
      render: (range) => renderLayout(layout, blobService, { range, signal, lentPieces }),
    });
  }

  /** @param node `undefined` where the content is not known yet: its NAR goes by its NarHash, as it is */
  #narinfoText(claim: Claim, node: Node | undefined, nameStorePath: boolean): string {
    const infused = this.#options.narUrls === 'infused';
    const zst =
      !infused &&
      node !== undefined &&
      this.#options.compression === 'zstd' &&
      this.#encodedBlobs !== undefined;
    const query = nameStorePath ? `?hash=${claim.storePath.hashPart}` : '';
    return renderNarInfo({
      storePath: claim.storePath,
      url:
        infused && node !== undefined
          ? infusedNarUrl(node, claim.narSize)
          : `nar/${encodeNixbase32(claim.narHash.digest)}.nar${zst ? '.zst' : ''}${query}`,
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

/** A NAR that is on its way, as far as it has come; `undefined` where it is not. */
async function pendingNar(
  request: CacheRequest,
  { narHash, compression }: Extract<CacheFile, { type: 'nar' }>,
  paths: PendingPaths,
  options: ServiceOptions,
): Promise<CacheResponse | undefined> {
  // nobody was told of another form
  if (compression !== 'none') return undefined;
  const nar = await paths.nar(narHash, { ...options, ingest: request.method !== 'HEAD' });
  return (
    nar &&
    rangeResponse(request, {
      sizeBytes: nar.narSize,
      etag: narEtag(narHash),
      contentType: CONTENT_TYPES.nar,
      // nobody knows yet whether its bytes are right: nothing in between may give them to others
      cacheControl: NOT_REMEMBERED['cache-control'],
      render: (range) => nar.read(range, options),
    })
  );
}

function narEtag(narHash: Hash): string {
  return `"${encodeNixbase32(narHash.digest)}"`;
}

function metadataResponse(
  request: CacheRequest,
  text: string,
  contentType: string,
  control: string | undefined,
): CacheResponse {
  const body = Buffer.from(text);
  const etag = `"${Digest.of(body).hex}"`;
  const validity = validityHeaders(etag, control);
  if (isKnownToClient(request, etag)) return { status: 304, headers: validity };
  return bytesResponse(request, 200, body, { ...validity, 'content-type': contentType });
}

function validityHeaders(etag: string, control: string | undefined): Record<string, string> {
  return control === undefined ? { etag } : { etag, 'cache-control': control };
}
