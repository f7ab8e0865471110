/** An upstream that could not be opened, such as a directory that is not mounted. */
import type { CacheInfo } from '../narinfo/cacheInfo.ts';
import type {
  Upstream,
  UpstreamFile,
  UpstreamFileRequest,
  UpstreamRequest,
} from '../upstream/upstream.ts';

/**
 * Stands for an upstream that could not be opened and tries again each time it is asked, so that it
 * stops neither the others nor itself for good.
 */
export class LateUpstream implements Upstream {
  readonly url: string;
  readonly #open: () => Promise<Upstream>;
  #upstream: Upstream | undefined;

  /** @param open throws a `NarthexError` as long as the upstream cannot be opened */
  constructor(url: string, open: () => Promise<Upstream>) {
    this.url = url;
    this.#open = open;
  }

  async cacheInfo(request?: UpstreamRequest): Promise<CacheInfo> {
    return await (await this.#opened()).cacheInfo(request);
  }

  async narinfo(hashPart: string, request?: UpstreamRequest): Promise<Uint8Array | undefined> {
    return await (await this.#opened()).narinfo(hashPart, request);
  }

  async file(url: string, request?: UpstreamFileRequest): Promise<UpstreamFile | undefined> {
    return await (await this.#opened()).file(url, request);
  }

  async #opened(): Promise<Upstream> {
    if (this.#upstream !== undefined) return this.#upstream;
    const opened = await this.#open();
    if (this.#upstream === undefined) this.#upstream = opened;
    else await opened[Symbol.asyncDispose](); // two asked at the same time
    return this.#upstream;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#upstream?.[Symbol.asyncDispose]();
  }
}
