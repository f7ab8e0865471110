/** The contract of binary caches that are read from: over HTTP, in a directory, in a zip file. */
import type { Limits } from '../limits.ts';
import type { CacheInfo } from '../narinfo/cacheInfo.ts';

/** What every I/O method of an upstream takes. */
export interface UpstreamRequest {
  /** Aborts the call, or the reading of its body: it rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** What {@link Upstream.file} takes. */
export interface UpstreamFileRequest extends UpstreamRequest {
  /** The most bytes that the body may have; a longer one is refused, before it is read if it says so. */
  readonly maxBytes?: number | undefined;
}

/** A file of an upstream, being read. */
export interface UpstreamFile {
  /** Length of `body` in bytes, where it is known beforehand. The body has it, or fails. */
  readonly sizeBytes: number | undefined;
  /**
   * The contents, to be read once. Whoever gets it MUST read it to its end or call `return` on its
   * iterator, which gives back the connection or file at once, also before the first byte.
   */
  readonly body: AsyncIterable<Uint8Array>;
}

/**
 * A binary cache that is read from.
 *
 * - It says what the cache says. It verifies nothing: no signature, no hash, no compression.
 * - Absence is `undefined`; a failure is never absence, nor the other way round.
 * - Failures that may pass (see `http/retry.ts`) are retried inside; what is thrown is final.
 * - Everything read is bounded: by a limit, by `maxBytes`, or by the consumer's own pace.
 * - All methods MAY be called at the same time, any number of times.
 * - After disposal, or during it, calls and bodies fail with `UPSTREAM_FAILED` (kind `closed`).
 */
export interface Upstream extends AsyncDisposable {
  /**
   * The address, for people and for the origin of claims: absolute, without credentials, query and
   * slash at the end.
   */
  readonly url: string;

  /**
   * The cache's `nix-cache-info`, asked for once and kept. Only a success is kept.
   * @throws NOT_A_BINARY_CACHE there is none
   * @throws CACHE_INFO_INVALID it is malformed
   * @throws STORE_DIR_MISMATCH it is about another store directory
   * @throws LIMIT_EXCEEDED for cacheInfoBytes
   * @throws UPSTREAM_FAILED | UPSTREAM_STATUS | ZIP_INVALID
   */
  cacheInfo(request?: UpstreamRequest): Promise<CacheInfo>;

  /**
   * The bytes of a narinfo, not parsed.
   * @param hashPart 32 characters of nixbase32
   * @returns `undefined` if the cache has no such path
   * @throws STORE_PATH_INVALID `hashPart` is none
   * @throws LIMIT_EXCEEDED for narinfoBytes
   * @throws UPSTREAM_FAILED | UPSTREAM_STATUS | ZIP_INVALID
   */
  narinfo(hashPart: string, request?: UpstreamRequest): Promise<Uint8Array | undefined>;

  /**
   * Begins to read the file that a narinfo's `URL:` names.
   * @param url the value of the field, resolved against the address of the cache
   * @returns `undefined` if there is no such file
   * @throws UPSTREAM_URL_FORBIDDEN it leads out of the cache, or to where policy does not let it
   * @throws UPSTREAM_URL_INVALID it is not a URL
   * @throws LIMIT_EXCEEDED (limit `maxBytes`) also while the body is read
   * @throws COMPRESSION_UNSUPPORTED the server or zip file encodes it in a way that is not decoded
   * @throws UPSTREAM_FAILED | UPSTREAM_STATUS | ZIP_INVALID also while the body is read
   */
  file(url: string, request?: UpstreamFileRequest): Promise<UpstreamFile | undefined>;
}

/** What every kind of upstream is opened with. */
export interface UpstreamOptions {
  readonly limits?: Limits | undefined;
  /** The store directory that the cache must be for; `/nix/store` by default. */
  readonly storeDir?: string | undefined;
}
