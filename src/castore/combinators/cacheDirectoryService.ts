/** A directory service in front of one that is farther away. */
import type { ServiceOptions } from '../blobService.ts';
import { copyDirectories } from '../copyDirectories.ts';
import type { Digest } from '../digest.ts';
import type { Directory } from '../directory.ts';
import type { DirectoryPutter, DirectoryService } from '../directoryService.ts';

/** What is near and what is far. */
export interface CacheDirectoryOptions {
  /** Asked first; takes what comes from far, and all that is put. */
  readonly near: DirectoryService;
  /** Asked for what is not near; never put to. */
  readonly far: DirectoryService;
}

/**
 * Reads what is near, else what is far, which is then near as well, with all that is below it: a
 * directory that is there implies those below. What is put goes to near only; what it refers to may
 * be far, and is brought near first.
 */
export class CacheDirectoryService implements DirectoryService {
  readonly #near: DirectoryService;
  readonly #far: DirectoryService;

  constructor({ near, far }: CacheDirectoryOptions) {
    this.#near = near;
    this.#far = far;
  }

  async get(digest: Digest, options?: ServiceOptions): Promise<Directory | undefined> {
    const near = await this.#near.get(digest, options);
    if (near !== undefined) return near;
    return (await this.#bring(digest, options)) ? await this.#near.get(digest, options) : undefined;
  }

  async *getRecursive(digest: Digest, options?: ServiceOptions): AsyncGenerator<Directory> {
    options?.signal?.throwIfAborted();
    if ((await this.get(digest, options)) !== undefined) {
      yield* this.#near.getRecursive(digest, options);
    }
  }

  openPut(options?: ServiceOptions): DirectoryPutter {
    const putter = this.#near.openPut(options);
    const put = new Set<string>();
    return {
      put: async (directory) => {
        options?.signal?.throwIfAborted();
        for (const { node } of directory.entries) {
          if (node.type === 'directory' && !put.has(node.digest.key)) {
            await this.get(node.digest, options);
          }
        }
        await putter.put(directory);
        put.add(directory.digest.key);
      },
      close: () => putter.close(),
      [Symbol.asyncDispose]: () => putter[Symbol.asyncDispose](),
    };
  }

  async #bring(digest: Digest, options: ServiceOptions | undefined): Promise<boolean> {
    const { signal } = options ?? {};
    return await copyDirectories(digest, { from: this.#far, to: this.#near, signal });
  }
}
