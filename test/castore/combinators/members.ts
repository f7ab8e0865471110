/** Castore services that misbehave, for tests of what stands in front of them. */
import type { BlobService, ReadBlobOptions } from '../../../src/castore/blobService.ts';
import type { Digest } from '../../../src/castore/digest.ts';
import type { DirectoryService } from '../../../src/castore/directoryService.ts';
import { MemoryBlobService } from '../../../src/castore/memoryBlobService.ts';
import { MemoryDirectoryService } from '../../../src/castore/memoryDirectoryService.ts';
import { NarthexError } from '../../../src/errors.ts';

/** The failure of a member. */
export const outage = (name: string) =>
  new NarthexError('UPSTREAM_FAILED', `${name} is down`, { url: name });

/** A memory blob service that counts what it is asked, and fails as long as `failure` is set. */
export class ProbedBlobService extends MemoryBlobService implements BlobService {
  failure: unknown;
  /** Bytes that a read gives before it fails; `undefined` for none of it failing. */
  readFailsAfter: number | undefined;
  questions = 0;

  override async has(...args: Parameters<MemoryBlobService['has']>) {
    this.#count();
    return await super.has(...args);
  }

  override async stat(...args: Parameters<MemoryBlobService['stat']>) {
    this.#count();
    return await super.stat(...args);
  }

  override async read(digest: Digest, options?: ReadBlobOptions) {
    this.#count();
    const bytes = await super.read(digest, options);
    return bytes && this.#failing(bytes);
  }

  async *#failing(bytes: AsyncIterable<Uint8Array>) {
    for await (const piece of bytes) {
      if (this.readFailsAfter === undefined) {
        yield piece;
        continue;
      }
      if (this.readFailsAfter > 0) yield piece.subarray(0, this.readFailsAfter);
      throw outage('read');
    }
  }

  #count() {
    this.questions++;
    if (this.failure !== undefined) throw this.failure;
  }
}

/** A memory directory service that counts what it is asked, and fails as long as `failure` is set. */
export class ProbedDirectoryService extends MemoryDirectoryService implements DirectoryService {
  failure: unknown;
  questions = 0;

  override async get(...args: Parameters<MemoryDirectoryService['get']>) {
    this.questions++;
    if (this.failure !== undefined) throw this.failure;
    return await super.get(...args);
  }
}
