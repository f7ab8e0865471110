/**
 * Castore services that keep in memory what was used last. Content never changes under its digest,
 * so nothing in them can be out of date.
 */
import { concatBytes } from '../../bytes.ts';
import { WeightedLru } from '../../weightedLru.ts';
import type {
  BlobService,
  BlobStat,
  BlobWriter,
  ChunkedBlobWriter,
  ReadBlobOptions,
  ServiceOptions,
} from '../blobService.ts';
import type { Digest } from '../digest.ts';
import type { Directory } from '../directory.ts';
import type { DirectoryPutter, DirectoryService } from '../directoryService.ts';
import { walkDirectories } from '../walk.ts';

/** Blobs that are longer are passed through: many small ones are what is asked for again. */
const LONGEST_BLOB_BYTES = 256 * 1024;
/** What a kept item takes besides its content, roughly. */
const OVERHEAD_BYTES = 256;

/** Keeps short blobs in memory, in front of another service. */
export class LruBlobService implements BlobService {
  readonly #inner: BlobService;
  readonly #blobs: WeightedLru<Uint8Array>;
  readonly openChunkedWrite?: (options?: ServiceOptions) => ChunkedBlobWriter;
  readonly statEncoded?: NonNullable<BlobService['statEncoded']>;
  readonly readEncoded?: NonNullable<BlobService['readEncoded']>;

  /** @param maxBytes memory that blobs may take together */
  constructor(inner: BlobService, { maxBytes }: { readonly maxBytes: number }) {
    this.#inner = inner;
    this.#blobs = new WeightedLru(maxBytes, ({ length }) => length + OVERHEAD_BYTES);
    if (inner.openChunkedWrite) this.openChunkedWrite = inner.openChunkedWrite.bind(inner);
    if (inner.statEncoded && inner.readEncoded) {
      this.statEncoded = inner.statEncoded.bind(inner);
      this.readEncoded = inner.readEncoded.bind(inner);
    }
  }

  async has(digest: Digest, options?: ServiceOptions): Promise<boolean> {
    options?.signal?.throwIfAborted();
    return this.#blobs.get(digest.key) !== undefined || (await this.#inner.has(digest, options));
  }

  stat(digest: Digest, options?: ServiceOptions): Promise<BlobStat | undefined> {
    return this.#inner.stat(digest, options);
  }

  async read(
    digest: Digest,
    options: ReadBlobOptions = {},
  ): Promise<AsyncIterable<Uint8Array> | undefined> {
    const { offset = 0, length, signal } = options;
    signal?.throwIfAborted();
    const kept = this.#blobs.get(digest.key);
    if (kept === undefined) {
      const bytes = await this.#inner.read(digest, options);
      const whole = offset === 0 && length === undefined;
      return bytes && whole ? this.#keeping(digest, bytes) : bytes;
    }
    const wanted = kept.subarray(offset, length === undefined ? undefined : offset + length);
    return (async function* () {
      signal?.throwIfAborted();
      if (wanted.length > 0) yield wanted;
    })();
  }

  openWrite(options?: ServiceOptions): BlobWriter {
    return this.#inner.openWrite(options);
  }

  async *#keeping(
    digest: Digest,
    bytes: AsyncIterable<Uint8Array>,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const pieces: Uint8Array[] = [];
    let length = 0;
    for await (const piece of bytes) {
      length += piece.length;
      if (length <= LONGEST_BLOB_BYTES) pieces.push(piece);
      else pieces.length = 0;
      yield piece;
    }
    // a copy: pieces may be windows on something larger
    if (length <= LONGEST_BLOB_BYTES) this.#blobs.set(digest.key, concatBytes(pieces).slice());
  }
}

/** Keeps directories in memory, in front of another service. */
export class LruDirectoryService implements DirectoryService {
  readonly #inner: DirectoryService;
  readonly #directories: WeightedLru<Directory>;

  /** @param maxEntries directories and their entries, counted together */
  constructor(inner: DirectoryService, { maxEntries }: { readonly maxEntries: number }) {
    this.#inner = inner;
    this.#directories = new WeightedLru(maxEntries, ({ entries }) => 1 + entries.length);
  }

  async get(digest: Digest, options?: ServiceOptions): Promise<Directory | undefined> {
    options?.signal?.throwIfAborted();
    const kept = this.#directories.get(digest.key);
    if (kept !== undefined) return kept;
    const directory = await this.#inner.get(digest, options);
    if (directory !== undefined) this.#directories.set(digest.key, directory);
    return directory;
  }

  /** From memory where the root is there, else in one go from the inner service, keeping all. */
  async *getRecursive(digest: Digest, options?: ServiceOptions): AsyncGenerator<Directory> {
    options?.signal?.throwIfAborted();
    if (this.#directories.get(digest.key) !== undefined) {
      yield* walkDirectories(this, digest, options);
      return;
    }
    for await (const directory of this.#inner.getRecursive(digest, options)) {
      this.#directories.set(directory.digest.key, directory);
      yield directory;
    }
  }

  openPut(options?: ServiceOptions): DirectoryPutter {
    return this.#inner.openPut(options);
  }
}
