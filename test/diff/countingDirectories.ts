/** A directory service that counts what is read of it. */

import type { ServiceOptions } from '../../src/castore/blobService.ts';
import type { Digest } from '../../src/castore/digest.ts';
import type { Directory } from '../../src/castore/directory.ts';
import type { DirectorySource } from '../../src/render/fetchDirectory.ts';

/** Passes reads on. */
export class CountingDirectories implements DirectorySource {
  readonly #source: DirectorySource;
  reads = 0;

  constructor(source: DirectorySource) {
    this.#source = source;
  }

  get(digest: Digest, options?: ServiceOptions): Promise<Directory | undefined> {
    this.reads += 1;
    return this.#source.get(digest, options);
  }
}
