/**
 * Uploads as Nix sends them (`nix copy --to http://…`): `HEAD` for what is there, then NARs, then the
 * narinfos that name them.
 *
 *     PUT  nar/<any name>[.xz|.zst|…]   a NAR; what compresses it is told by its first bytes
 *     PUT  <hash part>.narinfo          needs its NAR and its references
 *     HEAD nar/<name as uploaded>       whether it was taken
 *
 * Everything else is passed on. What is refused is answered with 4xx and the error's code.
 */

import { concatBytes } from '../bytes.ts';
import type { ServiceOptions } from '../castore/blobService.ts';
import { decompress, parseCompression } from '../compression/compression.ts';
import type { Compression } from '../compression/decoders.ts';
import { detectCompression, MAGIC_BYTES } from '../compression/detect.ts';
import { type ErrorCode, isNarthexError, NarthexError } from '../errors.ts';
import type { Hash } from '../hash.ts';
import { DEFAULT_LIMITS, type Limits } from '../limits.ts';
import type { NarInfo } from '../narinfo/narinfo.ts';
import { parseNarInfo } from '../narinfo/parse.ts';
import type { PathInfo } from '../pathinfo/pathInfo.ts';
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

/** What takes uploads and checks them. */
export interface UploadTaker {
  putNar(
    file: AsyncIterable<Uint8Array>,
    compression: Compression,
    signal?: AbortSignal,
  ): Promise<UploadedNar>;
  putNarInfo(narInfo: NarInfo, uploader: string, options: ServiceOptions): Promise<PathInfo>;
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

/** File names below `nar/`: one level, nothing that could be mistaken for a way out. */
const NAR_FILE = /^nar\/[0-9A-Za-z][0-9A-Za-z._+-]{0,255}$/;
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
    const kind: UploadedFile = NAR_FILE.test(file) ? 'nar' : 'narinfo';
    const refused = (code: UploadRefusal) =>
      this.#options.onUpload?.({ type: 'refused', file: kind, uploader, code });
    if (uploader === undefined) {
      refused('UNAUTHENTICATED');
      return textResponse(request, 401, 'UNAUTHENTICATED', {
        ...NOT_REMEMBERED,
        'www-authenticate': 'Basic realm="narthex", charset="UTF-8"',
      });
    }
    if (this.#underWay >= this.#maxUploads) {
      refused('BUSY');
      return textResponse(request, 503, 'busy', RETRY_LATER);
    }
    using _place = this.#takePlace();
    try {
      const name = await this.#put(request, file, uploader, options);
      if (name === undefined) {
        return textResponse(request, 405, 'only NARs and narinfos are taken', {
          allow: 'GET, HEAD',
        });
      }
      this.#options.onUpload?.({ type: 'taken', file: kind, uploader, name });
      return bytesResponse(request, 201, new Uint8Array(), NOT_REMEMBERED);
    } catch (error) {
      if (isNarthexError(error)) refused(error.code);
      const status = isNarthexError(error) ? STATUS_OF_CODE[error.code] : undefined;
      if (status === undefined || !isNarthexError(error)) throw error;
      return textResponse(request, status, `${error.code}: ${error.message}`, NOT_REMEMBERED);
    }
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

  /** @returns the NarHash or store path that was taken; `undefined` where it is neither NAR nor narinfo */
  async #put(
    request: CacheRequest,
    file: string,
    uploader: string,
    options: ServiceOptions,
  ): Promise<string | undefined> {
    const { body = none(), headers } = request;
    const { signal } = options;
    if (NAR_FILE.test(file)) {
      const decoded = this.#decoded(
        body,
        headers['content-encoding'],
        this.#limits.narBytes,
        signal,
      );
      const nar = await peeked(decoded);
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
    const target = parseCachePath(file);
    if (target?.type !== 'narinfo') return undefined;
    const most = this.#limits.narinfoBytes;
    const text = await whole(this.#decoded(body, headers['content-encoding'], most, signal), most);
    const narInfo = parseNarInfo(text, { limits: this.#limits, url: file });
    if (`${narInfo.storePath.hashPart}.narinfo` !== file) {
      throw new NarthexError('STORE_PATH_MISMATCH', `${file} is about ${narInfo.storePath}`, {
        expected: file,
        actual: narInfo.storePath.absolute,
      });
    }
    this.#compareFile(narInfo);
    await this.#options.taker.putNarInfo(narInfo, uploader, options);
    return narInfo.storePath.absolute;
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

  #decoded(
    body: AsyncIterable<Uint8Array>,
    encoding: string | undefined,
    maxOutputBytes: number,
    signal: AbortSignal | undefined,
  ): AsyncIterable<Uint8Array> {
    if (encoding === undefined || encoding === '' || encoding === 'identity') return body;
    const compression = parseCompression(encoding === 'x-gzip' ? 'gzip' : encoding);
    return decompress(compression, body, { limits: this.#limits, maxOutputBytes, signal });
  }
}

async function* none(): AsyncGenerator<Uint8Array> {}

/** The bytes, and the first of them, which tell what they are. */
async function peeked(bytes: AsyncIterable<Uint8Array>) {
  const iterator = bytes[Symbol.asyncIterator]();
  const leave = async () => {
    await iterator.return?.();
  };
  const first: Uint8Array[] = [];
  let length = 0;
  while (length < MAGIC_BYTES) {
    const next = await iterator.next();
    if (next.done === true) break;
    first.push(next.value);
    length += next.value.length;
  }
  const all = (async function* () {
    try {
      yield* first;
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
        yield next.value;
      }
    } finally {
      await leave();
    }
  })();
  return { first: concatBytes(first), all, leave };
}

async function whole(bytes: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of bytes) {
    length += piece.length;
    if (length > maxBytes) {
      throw new NarthexError('LIMIT_EXCEEDED', `a narinfo has more than ${maxBytes} bytes`, {
        limit: 'narinfoBytes',
        expected: maxBytes,
      });
    }
    pieces.push(piece);
  }
  return concatBytes(pieces);
}
