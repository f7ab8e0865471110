/** Directories in the embedded store. */
import type { ServiceOptions } from '../castore/blobService.ts';
import type { Digest } from '../castore/digest.ts';
import { Directory } from '../castore/directory.ts';
import type { DirectoryPutter, DirectoryService } from '../castore/directoryService.ts';
import { missingDirectory, walkDirectories } from '../castore/walk.ts';
import type { ContentStore, DistrustedContent } from './contentStore.ts';
import type { ContentWriter } from './contentWriter.ts';

/** A putter that holds back more directories than this publishes them: each has all below it. */
const HELD_RECORDS = 16 * 1024;

/** The directories of a store. */
export class StoreDirectoryService implements DirectoryService {
  readonly #content: ContentStore;
  readonly #checkWritable: () => void;
  readonly #distrusted: DistrustedContent | undefined;

  /**
   * @param checkWritable throws when the store takes no writes
   * @param distrusted what is written anew though it is there
   */
  constructor(content: ContentStore, checkWritable: () => void, distrusted?: DistrustedContent) {
    this.#content = content;
    this.#checkWritable = checkWritable;
    this.#distrusted = distrusted;
  }

  async get(digest: Digest, options?: ServiceOptions): Promise<Directory | undefined> {
    options?.signal?.throwIfAborted();
    const location = this.#content.locate('directory', digest);
    if (location === undefined || !(await this.#content.watchDirectory(digest))) return undefined;
    const { decoded } = await this.#content.reader.read({ digest, location });
    options?.signal?.throwIfAborted();
    return Directory.decode(decoded);
  }

  getRecursive(digest: Digest, options?: ServiceOptions): AsyncIterable<Directory> {
    return walkDirectories(this, digest, options);
  }

  openPut(options?: ServiceOptions): DirectoryPutter {
    this.#checkWritable();
    return new StoreDirectoryPutter(this.#content.openWriter(this.#distrusted), options?.signal);
  }
}

class StoreDirectoryPutter implements DirectoryPutter {
  readonly #writer: ContentWriter;
  readonly #signal: AbortSignal | undefined;

  constructor(writer: ContentWriter, signal: AbortSignal | undefined) {
    this.#writer = writer;
    this.#signal = signal;
  }

  async put(directory: Directory): Promise<void> {
    this.#signal?.throwIfAborted();
    for (const { node } of directory.entries) {
      if (node.type === 'directory' && !(await this.#writer.has('directory', node.digest))) {
        throw missingDirectory(node.digest, directory.digest);
      }
    }
    await this.#writer.add('directory', directory.digest, directory.encode());
    if (this.#writer.recordCount > HELD_RECORDS) await this.#writer.publish();
  }

  async close(): Promise<void> {
    this.#signal?.throwIfAborted();
    await this.#writer.publish();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer[Symbol.asyncDispose]();
  }
}
