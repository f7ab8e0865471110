/** The small files of a binary cache that every kind of upstream reads: what they mean. */
import { NarthexError } from '../errors.ts';
import { DEFAULT_LIMITS, type Limits } from '../limits.ts';
import { type CacheInfo, parseCacheInfo } from '../narinfo/cacheInfo.ts';
import { SingleFlight } from '../singleFlight.ts';
import { parseHashPart, STORE_DIR } from '../storePath.ts';
import type { UpstreamOptions } from './upstream.ts';

/** The name of the file by which a binary cache introduces itself. */
export const CACHE_INFO_FILE = 'nix-cache-info';

/**
 * The name of a path's narinfo.
 * @throws STORE_PATH_INVALID for what is not a hash part, which might lead anywhere
 */
export function narinfoFile(hashPart: string): string {
  parseHashPart(hashPart);
  return `${hashPart}.narinfo`;
}

const LESS_THAN = 0x3c;

/** A cache's `nix-cache-info`, read once for all who ask and kept. */
export class KeptCacheInfo {
  readonly #url: string;
  readonly #limits: Limits;
  readonly #storeDir: string;
  readonly #flight = new SingleFlight<CacheInfo>();
  #info: CacheInfo | undefined;

  constructor(url: string, { limits = DEFAULT_LIMITS, storeDir = STORE_DIR }: UpstreamOptions) {
    this.#url = url;
    this.#limits = limits;
    this.#storeDir = storeDir;
  }

  /** @param read gets the bytes of the file; `undefined` when there is none */
  async get(
    signal: AbortSignal | undefined,
    read: (signal: AbortSignal) => Promise<Uint8Array | undefined>,
  ): Promise<CacheInfo> {
    this.#info ??= await this.#flight.run(CACHE_INFO_FILE, signal, async (shared) =>
      this.#check(await read(shared)),
    );
    return this.#info;
  }

  #check(bytes: Uint8Array | undefined): CacheInfo {
    const url = this.#url;
    // portals and file servers answer everything with a page, in which the parser finds no fields
    if (bytes === undefined || bytes[0] === LESS_THAN) {
      const reason = bytes === undefined ? `has no ${CACHE_INFO_FILE}` : 'answers with a web page';
      throw new NarthexError('NOT_A_BINARY_CACHE', `${url} ${reason}`, { url });
    }
    const info = parseCacheInfo(bytes, { limits: this.#limits, url });
    if (info.storeDir !== this.#storeDir) {
      throw new NarthexError(
        'STORE_DIR_MISMATCH',
        `${url} is a cache for ${info.storeDir}, not for ${this.#storeDir}`,
        { url, expected: this.#storeDir, actual: info.storeDir },
      );
    }
    return info;
  }
}
