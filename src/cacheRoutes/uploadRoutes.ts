/**
 * Uploads as Nix sends them (`nix copy --to http://…`): `HEAD` for what is there, then NARs, then the
 * narinfos that name them.
 *
 *     PUT  nar/<any name>[.xz|.zst|…]   a NAR; what compresses it is told by its first bytes
 *     PUT  <hash part>.narinfo          needs its NAR and its references
 *     HEAD nar/<name as uploaded>       whether it was taken
 *     PUT  <hash part>.ls               compared where its path is here, and not kept: it is made
 *     PUT  log/…  realisations/…  build-trace-v2/…  debuginfo/…
 *                                       kept in place of what is there (ingest/extraFileIntake.ts)
 *
 * Everything else is passed on. What is refused is answered with 4xx and the error's code.
 */
import type { ServiceOptions } from '../castore/blobService.ts';
import { decompress, parseCompression } from '../compression/compression.ts';
import type { Compression } from '../compression/decoders.ts';
import { detectCompression } from '../compression/detect.ts';
import { peekBytes } from '../compression/peekedBytes.ts';
import { type ErrorCode, isNarthexError, NarthexError } from '../errors.ts';
import type { ExtraFileName } from '../extraFiles/extraFileName.ts';
import type { Hash } from '../hash.ts';
import { DEFAULT_LIMITS, type Limits } from '../limits.ts';
import type { NarInfo } from '../narinfo/narinfo.ts';
import { parseNarInfo } from '../narinfo/parse.ts';
import type { PathInfo } from '../pathinfo/pathInfo.ts';
import { collect } from '../upstream/body.ts';
import { WeightedLru } from '../weightedLru.ts';
import { parseCachePath } from './cachePath.ts';
import {
  bytesResponse,
  type CacheRequest,
  type CacheResponse,
  type HttpRoutes,
  NOT_REMEMBERED,
  RETRY_LATER,
  textResponse,
} from './http.ts';
import type { UploadEvent, UploadedFile, UploadRefusal } from './uploadEvent.ts';
import { parseUploadTarget, type UploadTarget } from './uploadTarget.ts';

/** What takes uploads and checks them. */
export interface UploadTaker {
  putNar(
    file: AsyncIterable<Uint8Array>,
    compression: Compression,
    signal?: AbortSignal,
  ): Promise<UploadedNar>;
  putNarInfo(narInfo: NarInfo, uploader: string, options: ServiceOptions): Promise<PathInfo>;
}

/** What takes the other files of a cache. */
export interface ExtraFileTaker {
  /** @param options its `narHashOf` tells what a file of `nar/` is, as long as that is known */
  put(
    name: ExtraFileName,
    body: AsyncIterable<Uint8Array>,
    options: ServiceOptions & { narHashOf: (narFile: string) => Hash | undefined },
  ): Promise<void>;
  /** Told of each path that was taken. */
  pathTaken(pathInfo: PathInfo, options: ServiceOptions): Promise<void>;
}

/** A NAR that was uploaded. */
export interface UploadedNar {
  readonly narHash: Hash;
  readonly fileHash: Hash;
  readonly fileSize: number;
}

/** What {@link UploadRoutes} are made of. */
export interface UploadOptions {
  readonly taker: UploadTaker;
  /** Without it extra files are not taken. */
  readonly extraFiles?: ExtraFileTaker | undefined;
  /** Passes the listing of a path that is not here, or has it. `digest` is that of the store path. */
  readonly checkListing: (
    digest: Uint8Array,
    bytes: Uint8Array,
    options: ServiceOptions,
  ) => Promise<void>;
  /** From an `Authorization` header to the uploader's name. */
  readonly authorize: (authorization: string | undefined) => string | undefined;
  /** Answers all that is no upload. */
  readonly others: HttpRoutes;
  readonly limits?: Limits | undefined;
  /** How many at once; the next are told to come again. Default {@link DEFAULT_MAX_UPLOADS}. */
  readonly maxUploads?: number | undefined;
  /** Told of uploads. MUST NOT throw. */
  readonly onUpload?: ((event: UploadEvent) => void) | undefined;
}

/**
 * Uploads at once, by default. Each may hold the window of its decoder (8 MiB for what xz makes by default) and
 * what is on its way into the store; Nix sends 25 at once.
 */
export const DEFAULT_MAX_UPLOADS = 64;

/** Files of NARs that are remembered, for narinfos that come later. */
const REMEMBERED_FILES = 10_000;

const BROTLI = /\.br$/;

/** Errors that are the uploader's, with their status; others are ours. */
const STATUS_OF_CODE: Partial<Record<ErrorCode, number>> = {
  LIMIT_EXCEEDED: 413,
  NAR_MISSING: 409,
  REFERENCE_MISSING: 409,
  VARIANT_CONFLICT: 409,
  SIGNATURE_MISSING: 403,
  SIGNATURE_MISMATCH: 403,
  COMPRESSION_UNSUPPORTED: 415,
  NARINFO_INVALID: 400,
  REALISATION_INVALID: 400,
  DEBUG_INFO_INVALID: 400,
  LISTING_INVALID: 400,
  LISTING_MISMATCH: 409,
  NAR_INVALID: 400,
  NAR_HASH_MISMATCH: 400,
  NAR_SIZE_MISMATCH: 400,
  FILE_HASH_MISMATCH: 400,
  FILE_SIZE_MISMATCH: 400,
  STORE_PATH_MISMATCH: 400,
  STORE_PATH_INVALID: 400,
  HASH_INVALID: 400,
  SIGNATURE_INVALID: 400,
  CONTENT_ADDRESS_INVALID: 400,
  CONTENT_ADDRESS_MISMATCH: 400,
  COMPRESSION_INVALID: 400,
  COMPRESSION_TRUNCATED: 400,
  COMPRESSION_TRAILING: 400,
  PATH_INFO_INVALID: 400,
};

/** Takes uploads, and passes on what is none. */
export class UploadRoutes implements HttpRoutes {
  readonly #options: UploadOptions;
  readonly #limits: Limits;
  readonly #maxUploads: number;
  #underWay = 0;
  readonly #files = new WeightedLru<UploadedNar>(REMEMBERED_FILES, () => 1);

  constructor(options: UploadOptions) {
    this.#options = options;
    this.#limits = options.limits ?? DEFAULT_LIMITS;
    this.#maxUploads = options.maxUploads ?? DEFAULT_MAX_UPLOADS;
  }

  async handle(request: CacheRequest, options: ServiceOptions = {}): Promise<CacheResponse> {
    const { method, path } = request;
    const file = path.slice(1);
    if (method === 'HEAD' && this.#files.get(file) !== undefined)
      return { status: 200, headers: {} };
    if (method !== 'PUT') return await this.#options.others.handle(request, options);
    const uploader = this.#options.authorize(request.headers['authorization']);
    const target = this.#targetOf(file);
    const kind: UploadedFile = target?.file ?? 'other';
    const refused = (code: UploadRefusal) =>
      this.#options.onUpload?.({ type: 'refused', file: kind, uploader, code });
    if (uploader === undefined) {
      refused('UNAUTHENTICATED');
      return textResponse(request, 401, 'UNAUTHENTICATED', {
        ...NOT_REMEMBERED,
        'www-authenticate': 'Basic realm="narthex", charset="UTF-8"',
      });
    }
    if (target === undefined) {
      return textResponse(request, 405, 'no such file is taken', { allow: 'GET, HEAD' });
    }
    if (this.#underWay >= this.#maxUploads) {
      refused('BUSY');
      return textResponse(request, 503, 'busy', RETRY_LATER);
    }
    using _place = this.#takePlace();
    try {
      const name = await this.#put(request, target, uploader, options);
      this.#options.onUpload?.({ type: 'taken', file: kind, uploader, name });
      return bytesResponse(request, 201, new Uint8Array(), NOT_REMEMBERED);
    } catch (error) {
      if (isNarthexError(error)) refused(error.code);
      const status = isNarthexError(error) ? STATUS_OF_CODE[error.code] : undefined;
      if (status === undefined || !isNarthexError(error)) throw error;
      return textResponse(request, status, `${error.code}: ${error.message}`, NOT_REMEMBERED);
    }
  }

  #targetOf(file: string): UploadTarget | undefined {
    const target = parseUploadTarget(file);
    const isExtra = target !== undefined && 'name' in target;
    return isExtra && this.#options.extraFiles === undefined ? undefined : target;
  }

  #takePlace(): Disposable {
    const { onUpload } = this.#options;
    this.#underWay++;
    onUpload?.({ type: 'begun' });
    return {
      [Symbol.dispose]: () => {
        this.#underWay--;
        onUpload?.({ type: 'ended' });
      },
    };
  }

  /** @returns what it is called in {@link UploadEvent} */
  async #put(
    request: CacheRequest,
    target: UploadTarget,
    uploader: string,
    options: ServiceOptions,
  ): Promise<string> {
    const { signal } = options;
    const file = request.path.slice(1);
    if (target.file === 'nar') {
      return await this.#putNar(
        file,
        this.#decoded(request, this.#limits.narBytes, signal),
        signal,
      );
    }
    if (target.file === 'narinfo') {
      const bytes = await this.#whole(request, 'narinfoBytes', options);
      return await this.#putNarInfo(file, bytes, { ...options, uploader });
    }
    if (target.file === 'listing') {
      const bytes = await this.#whole(request, 'listingBytes', options);
      await this.#options.checkListing(target.digest, bytes, options);
      return file;
    }
    // how much of it there may be is for its kind to say
    const body = this.#decoded(request, Number.POSITIVE_INFINITY, signal);
    const narHashOf = (narFile: string) => this.#narHashOf(narFile);
    await this.#options.extraFiles?.put(target.name, body, { signal, narHashOf });
    return file;
  }

  async #putNar(
    file: string,
    decoded: AsyncIterable<Uint8Array>,
    signal: AbortSignal | undefined,
  ): Promise<string> {
    const nar = await peekBytes(decoded);
    const compression = detectCompression(nar.first) ?? (BROTLI.test(file) ? 'br' : undefined);
    if (compression === undefined) {
      await nar.leave();
      throw new NarthexError('NAR_INVALID', `${file} is no NAR, compressed or not`, {
        url: file,
      });
    }
    const uploaded = await this.#options.taker.putNar(nar.all, compression, signal);
    this.#files.set(file, uploaded);
    return uploaded.narHash.toString();
  }

  async #putNarInfo(
    file: string,
    bytes: Uint8Array,
    { uploader, ...options }: ServiceOptions & { readonly uploader: string },
  ): Promise<string> {
    const narInfo = parseNarInfo(bytes, { limits: this.#limits, url: file });
    if (`${narInfo.storePath.hashPart}.narinfo` !== file) {
      throw new NarthexError('STORE_PATH_MISMATCH', `${file} is about ${narInfo.storePath}`, {
        expected: file,
        actual: narInfo.storePath.absolute,
      });
    }
    this.#compareFile(narInfo);
    const { taker, extraFiles } = this.#options;
    const pathInfo = await taker.putNarInfo(narInfo, uploader, options);
    await extraFiles?.pathTaken(pathInfo, options);
    return narInfo.storePath.absolute;
  }

  /** The NarHash of a file that was uploaded, or that we name so ourselves. */
  #narHashOf(narFile: string): Hash | undefined {
    const uploaded = this.#files.get(narFile);
    if (uploaded !== undefined) return uploaded.narHash;
    const ours = parseCachePath(narFile);
    return ours?.type === 'nar' ? ours.narHash : undefined;
  }

  /** What the narinfo says of a file that came by the URL that it names. */
  #compareFile({ url, narHash, fileHash, fileSize, storePath }: NarInfo): void {
    const uploaded = this.#files.get(url);
    if (uploaded === undefined) return;
    const compare = (
      code: 'NAR_HASH_MISMATCH' | 'FILE_HASH_MISMATCH' | 'FILE_SIZE_MISMATCH',
      expected: string | number,
      actual: string | number,
    ) => {
      if (expected === actual) return;
      const facts = { storePath: storePath.absolute, url, expected, actual };
      throw new NarthexError(code, `${url} was uploaded with ${actual}, not ${expected}`, facts);
    };
    compare('NAR_HASH_MISMATCH', narHash.toNixbase32(), uploaded.narHash.toNixbase32());
    if (fileSize !== undefined) compare('FILE_SIZE_MISMATCH', fileSize, uploaded.fileSize);
    if (fileHash?.algorithm === 'sha256') {
      compare('FILE_HASH_MISMATCH', fileHash.toNixbase32(), uploaded.fileHash.toNixbase32());
    }
  }

  /** All of a body that is small, by the limit called `limit`. */
  async #whole(
    request: CacheRequest,
    limit: 'narinfoBytes' | 'listingBytes',
    { signal }: ServiceOptions,
  ): Promise<Uint8Array> {
    const limits = this.#limits;
    const decoded = this.#decoded(request, limits[limit], signal);
    return await collect(decoded, limits, limit, request.path.slice(1));
  }

  #decoded(
    { body = none(), headers }: CacheRequest,
    maxOutputBytes: number,
    signal: AbortSignal | undefined,
  ): AsyncIterable<Uint8Array> {
    const encoding = headers['content-encoding'];
    if (encoding === undefined || encoding === '' || encoding === 'identity') return body;
    const compression = parseCompression(encoding === 'x-gzip' ? 'gzip' : encoding);
    return decompress(compression, body, { limits: this.#limits, maxOutputBytes, signal });
  }
}

async function* none(): AsyncGenerator<Uint8Array> {}
