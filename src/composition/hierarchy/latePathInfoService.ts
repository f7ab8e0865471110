/** A PathInfo service that is made later than those that refer to it. */
import type { Digest } from '../../castore/digest.ts';
import type { PathInfo } from '../../pathinfo/pathInfo.ts';
import type { PathInfoOptions, PathInfoService } from '../../pathinfo/pathInfoService.ts';

/** Stands for a service that is not asked before it is made. */
export class LatePathInfoService implements PathInfoService {
  readonly #service: () => Promise<PathInfoService>;

  constructor(service: () => Promise<PathInfoService>) {
    this.#service = service;
  }

  async get(digest: Uint8Array, options?: PathInfoOptions): Promise<PathInfo | undefined> {
    return await (await this.#service()).get(digest, options);
  }

  async has(digest: Uint8Array, options?: PathInfoOptions): Promise<boolean> {
    return await (await this.#service()).has(digest, options);
  }

  async getVariant(
    digest: Uint8Array,
    closureDigest: Digest,
    options?: PathInfoOptions,
  ): Promise<PathInfo | undefined> {
    return await (await this.#service()).getVariant(digest, closureDigest, options);
  }

  async *listVariants(digest: Uint8Array, options?: PathInfoOptions): AsyncGenerator<PathInfo> {
    yield* (await this.#service()).listVariants(digest, options);
  }

  async put(pathInfo: PathInfo, options?: PathInfoOptions): Promise<PathInfo> {
    return await (await this.#service()).put(pathInfo, options);
  }

  async putAll(pathInfos: readonly PathInfo[], options?: PathInfoOptions): Promise<PathInfo[]> {
    return await (await this.#service()).putAll(pathInfos, options);
  }

  async *list(options?: PathInfoOptions): AsyncGenerator<PathInfo> {
    yield* (await this.#service()).list(options);
  }
}
