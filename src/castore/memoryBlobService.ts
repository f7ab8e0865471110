/** Blobs in memory: for tests, and for closures that are looked at and thrown away. */
import { concatBytes, copyBytes, EMPTY } from '../bytes.ts';
import type {
  BlobService,
  BlobStat,
  BlobWriter,
  ReadBlobOptions,
  ServiceOptions,
} from './blobService.ts';
import { Digest } from './digest.ts';

/** A {@link BlobService} that keeps whole blobs in memory, without bound. */
export class MemoryBlobService implements BlobService {
  readonly #blobs = new Map<string, Uint8Array>([[Digest.of(EMPTY).key, EMPTY]]);

  async has(digest: Digest, options?: ServiceOptions): Promise<boolean> {
    options?.signal?.throwIfAborted();
    return this.#blobs.has(digest.key);
  }

  async stat(digest: Digest, options?: ServiceOptions): Promise<BlobStat | undefined> {
    options?.signal?.throwIfAborted();
    const size = this.#blobs.get(digest.key)?.length;
    return size === undefined ? undefined : { size, chunks: size === 0 ? [] : [{ digest, size }] };
  }

  async read(
    digest: Digest,
    options: ReadBlobOptions = {},
  ): Promise<AsyncIterable<Uint8Array> | undefined> {
    options.signal?.throwIfAborted();
    const blob = this.#blobs.get(digest.key);
    if (blob === undefined) return undefined;
    const { offset = 0, length = blob.length, signal } = options;
    return (async function* () {
      signal?.throwIfAborted();
      const bytes = blob.subarray(offset, offset + length);
      if (bytes.length > 0) yield bytes;
    })();
  }

  openWrite(options?: ServiceOptions): BlobWriter {
    const parts: Uint8Array[] = [];
    const blobs = this.#blobs;
    return {
      async write(bytes) {
        options?.signal?.throwIfAborted();
        parts.push(copyBytes(bytes));
      },
      async close() {
        options?.signal?.throwIfAborted();
        const content = concatBytes(parts);
        const digest = Digest.of(content);
        blobs.set(digest.key, content);
        return { digest, size: content.length };
      },
      async [Symbol.asyncDispose]() {
        parts.length = 0;
      },
    };
  }
}
