/** A service whose PathInfos are changed on the way in or out. */
import type { Digest } from '../../castore/digest.ts';
import type { PathInfo } from '../pathInfo.ts';
import type { PathInfoOptions, PathInfoService } from '../pathInfoService.ts';
import type { PreferResult } from '../preferVariant.ts';
import type { VariantService } from '../variantService.ts';
import { getByClosureDigest, prefer } from './variantMethods.ts';

/** What becomes of PathInfos. It never changes which variant one is. */
export interface PathInfoMapping {
  /** Of those that are put. */
  in(pathInfo: PathInfo): PathInfo;
  /** Of those that are given out. */
  out(pathInfo: PathInfo): PathInfo;
}

/** Another service, seen through a mapping. */
export class MappedPathInfoService implements VariantService {
  readonly #inner: PathInfoService;
  readonly #mapping: PathInfoMapping;

  constructor(inner: PathInfoService, mapping: PathInfoMapping) {
    this.#inner = inner;
    this.#mapping = mapping;
  }

  async get(digest: Uint8Array, options?: PathInfoOptions): Promise<PathInfo | undefined> {
    return this.#out(await this.#inner.get(digest, options));
  }

  async has(digest: Uint8Array, options?: PathInfoOptions): Promise<boolean> {
    return await this.#inner.has(digest, options);
  }

  async getVariant(
    digest: Uint8Array,
    closureDigest: Digest,
    options?: PathInfoOptions,
  ): Promise<PathInfo | undefined> {
    return this.#out(await this.#inner.getVariant(digest, closureDigest, options));
  }

  async *listVariants(digest: Uint8Array, options?: PathInfoOptions): AsyncGenerator<PathInfo> {
    for await (const pathInfo of this.#inner.listVariants(digest, options)) {
      yield this.#mapping.out(pathInfo);
    }
  }

  async put(pathInfo: PathInfo, options?: PathInfoOptions): Promise<PathInfo> {
    return this.#mapping.out(await this.#inner.put(this.#mapping.in(pathInfo), options));
  }

  async putAll(pathInfos: readonly PathInfo[], options?: PathInfoOptions): Promise<PathInfo[]> {
    const mapped = pathInfos.map((pathInfo) => this.#mapping.in(pathInfo));
    const kept = await this.#inner.putAll(mapped, options);
    return kept.map((pathInfo) => this.#mapping.out(pathInfo));
  }

  async *list(options?: PathInfoOptions): AsyncGenerator<PathInfo> {
    for await (const pathInfo of this.#inner.list(options)) yield this.#mapping.out(pathInfo);
  }

  async getByClosureDigest(
    closureDigest: Digest,
    options?: PathInfoOptions,
  ): Promise<PathInfo | undefined> {
    return this.#out(await getByClosureDigest(this.#inner, closureDigest, options));
  }

  async prefer(
    digest: Uint8Array,
    closureDigest: Digest,
    options?: PathInfoOptions,
  ): Promise<PreferResult> {
    return await prefer(this.#inner, digest, closureDigest, options);
  }

  #out(pathInfo: PathInfo | undefined): PathInfo | undefined {
    return pathInfo && this.#mapping.out(pathInfo);
  }
}
