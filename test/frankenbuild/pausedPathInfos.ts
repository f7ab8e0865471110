/** A PathInfoService that takes its time, so that others come in between. */
import type { PathInfo } from '../../src/pathinfo/pathInfo.ts';
import type { PathInfoService } from '../../src/pathinfo/pathInfoService.ts';

/** The same service, which waits before each answer. */
export class PausedPathInfoService implements PathInfoService {
  readonly #service: PathInfoService;
  readonly #pause: () => Promise<void>;

  constructor(service: PathInfoService, pause: () => Promise<void>) {
    this.#service = service;
    this.#pause = pause;
  }

  async get(...args: Parameters<PathInfoService['get']>): Promise<PathInfo | undefined> {
    await this.#pause();
    return await this.#service.get(...args);
  }

  async has(...args: Parameters<PathInfoService['has']>): Promise<boolean> {
    await this.#pause();
    return await this.#service.has(...args);
  }

  async getVariant(
    ...args: Parameters<PathInfoService['getVariant']>
  ): Promise<PathInfo | undefined> {
    await this.#pause();
    return await this.#service.getVariant(...args);
  }

  async *listVariants(
    ...args: Parameters<PathInfoService['listVariants']>
  ): AsyncGenerator<PathInfo> {
    await this.#pause();
    yield* this.#service.listVariants(...args);
  }

  async put(...args: Parameters<PathInfoService['put']>): Promise<PathInfo> {
    await this.#pause();
    return await this.#service.put(...args);
  }

  /** One by one, with a pause between any two. */
  async putAll(...args: Parameters<PathInfoService['putAll']>): Promise<PathInfo[]> {
    const [pathInfos, options] = args;
    const kept: PathInfo[] = [];
    for (const pathInfo of pathInfos) kept.push(await this.put(pathInfo, options));
    return kept;
  }

  list(...args: Parameters<PathInfoService['list']>): AsyncIterable<PathInfo> {
    return this.#service.list(...args);
  }
}
