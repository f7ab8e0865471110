/** Directories in memory: for tests, and for closures that are looked at and thrown away. */
import type { ServiceOptions } from './blobService.ts';
import type { Digest } from './digest.ts';
import type { Directory } from './directory.ts';
import type { DirectoryPutter, DirectoryService } from './directoryService.ts';
import { missingDirectory, walkDirectories } from './walk.ts';

/** A {@link DirectoryService} that keeps directories in memory, without bound. */
export class MemoryDirectoryService implements DirectoryService {
  readonly #directories = new Map<string, Directory>();

  async get(digest: Digest, options?: ServiceOptions): Promise<Directory | undefined> {
    options?.signal?.throwIfAborted();
    return this.#directories.get(digest.key);
  }

  getRecursive(digest: Digest, options?: ServiceOptions): AsyncIterable<Directory> {
    return walkDirectories(this, digest, options);
  }

  openPut(options?: ServiceOptions): DirectoryPutter {
    const directories = this.#directories;
    return {
      async put(directory) {
        options?.signal?.throwIfAborted();
        for (const { node } of directory.entries) {
          if (node.type === 'directory' && !directories.has(node.digest.key)) {
            throw missingDirectory(node.digest, directory.digest);
          }
        }
        directories.set(directory.digest.key, directory);
      },
      async close() {
        options?.signal?.throwIfAborted();
      },
      async [Symbol.asyncDispose]() {},
    };
  }
}
