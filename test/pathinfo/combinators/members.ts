/** A PathInfo service that counts, and fails on demand, for tests of what stands in front of it. */
import { MemoryPathInfoService } from '../../../src/pathinfo/memoryPathInfoService.ts';

/** Keeps PathInfos in memory, counts what it is asked, and fails as long as `failure` is set. */
export class ProbedPathInfoService extends MemoryPathInfoService {
  failure: unknown;
  questions = 0;
  /** Awaited before `get` answers. */
  gate: Promise<unknown> | undefined;

  override async get(...args: Parameters<MemoryPathInfoService['get']>) {
    this.#count();
    await this.gate;
    return await super.get(...args);
  }

  override async has(...args: Parameters<MemoryPathInfoService['has']>) {
    this.#count();
    return await super.has(...args);
  }

  override async getVariant(...args: Parameters<MemoryPathInfoService['getVariant']>) {
    this.#count();
    return await super.getVariant(...args);
  }

  #count() {
    this.questions++;
    if (this.failure !== undefined) throw this.failure;
  }
}
