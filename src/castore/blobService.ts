/** The contract of services that keep blobs: the contents of regular files, by their BLAKE3. */
import type { Digest } from './digest.ts';

/** What every I/O method of a service takes. */
export interface ServiceOptions {
  /** Aborts the call: it rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** A piece of a blob, stored by its own digest. */
export interface ChunkRef {
  readonly digest: Digest;
  /** Length in bytes. */
  readonly size: number;
}

/** What is known about a blob without reading it. */
export interface BlobStat {
  /** Length in bytes. */
  readonly size: number;
  /**
   * The pieces, in order, whose lengths add up to `size`. A blob that is kept whole has one chunk
   * with its own digest; the empty blob has none.
   */
  readonly chunks: readonly ChunkRef[];
}

/** Which bytes of a blob to read. */
export interface ReadBlobOptions extends ServiceOptions {
  /** First byte; the start by default. */
  readonly offset?: number;
  /** How many bytes; up to the end by default. Never reads beyond the end. */
  readonly length?: number;
}

/**
 * Keeps blobs by their digest.
 *
 * - What is written under a digest MUST hash to it. Nobody ever gets the whole of something else: reading
 *   fails with `DIGEST_MISMATCH` before its last byte at the latest. Who acts on a part of a blob MUST have
 *   come to its end, unless the service says that it checks each piece, as those do that keep chunks.
 * - Absence is `undefined` or `false`, never an error. A failure is never absence.
 * - The empty blob is always there.
 * - Writing what is there already is not an error and stores nothing twice.
 * - A blob is visible only when it is complete.
 */
export interface BlobService {
  /** Whether the blob can be read. */
  has(digest: Digest, options?: ServiceOptions): Promise<boolean>;

  /** Length and chunks of a blob, or `undefined` when it is absent. */
  stat(digest: Digest, options?: ServiceOptions): Promise<BlobStat | undefined>;

  /**
   * The contents in pieces that are not empty, or `undefined` when the blob is absent. Leaving the
   * iteration early gives back what it holds.
   * @throws DIGEST_MISMATCH while iterating, before the last of the bytes is given out
   * @throws BLOB_MISSING while iterating, when a chunk of the blob is gone
   */
  read(digest: Digest, options?: ReadBlobOptions): Promise<AsyncIterable<Uint8Array> | undefined>;

  /**
   * Like `read`, but every piece is only lent: its memory is used again when the next one is asked for.
   * Services that would otherwise make as much garbage as they read have it.
   */
  readLent?(
    digest: Digest,
    options?: ReadBlobOptions,
  ): Promise<AsyncIterable<Uint8Array> | undefined>;

  /** Begins a blob. Disposing of the writer before `close` has settled leaves nothing behind. */
  openWrite(options?: ServiceOptions): BlobWriter;

  /**
   * Begins to take blobs that are cut into chunks already. Services that keep chunks have it; the
   * ingest writes through it where it is there, so that nothing is hashed and chunked twice.
   */
  openChunkedWrite?(options?: ServiceOptions): ChunkedBlobWriter;

  /**
   * How the chunks of a blob lie at rest, or `undefined` when the blob is absent. Services whose
   * chunks are zstd frames have it, together with `readEncoded`, so that a compressed NAR can be
   * put together from them without compressing again.
   */
  statEncoded?(
    digest: Digest,
    options?: ServiceOptions,
  ): Promise<readonly EncodedChunk[] | undefined>;

  /**
   * The bytes of one chunk as they lie at rest, after they were checked against the digest.
   * @throws BLOB_MISSING the chunk is gone, or lies differently by now
   * @throws DIGEST_MISMATCH the chunk is damaged
   */
  readEncoded?(chunk: EncodedChunk, options?: ServiceOptions): Promise<Uint8Array>;
}

/** A chunk and the form in which it lies at rest. */
export interface EncodedChunk extends ChunkRef {
  /** As it is, or as one zstd frame. */
  readonly encoding: 'raw' | 'zstd';
  /** Length at rest in bytes; equal to `size` when raw. */
  readonly encodedSize: number;
}

/** Takes one blob. */
export interface BlobWriter extends AsyncDisposable {
  /** Takes the next bytes, which may be reused once the promise has settled. */
  write(bytes: Uint8Array): Promise<void>;
  /** Completes the blob. It is readable afterwards. */
  close(): Promise<{ readonly digest: Digest; readonly size: number }>;
}

/** One piece of a blob with its bytes. */
export interface Chunk {
  readonly type: 'chunk';
  readonly digest: Digest;
  readonly bytes: Uint8Array;
}

/** A blob whose chunks went before it. */
export interface ChunkedBlob {
  readonly type: 'blob';
  readonly digest: Digest;
  readonly size: number;
  readonly chunks: readonly ChunkRef[];
}

/**
 * Takes many blobs in one stream: the chunks of a blob in order, then the blob. A blob of a single
 * chunk has that chunk's digest.
 *
 * The service trusts the digests, which come from the ingest's own hashing.
 */
export interface ChunkedBlobWriter extends AsyncDisposable {
  /** Takes the next parts, whose bytes may be reused once the promise has settled. */
  write(parts: readonly (Chunk | ChunkedBlob)[]): Promise<void>;
  /** Everything written is readable afterwards. */
  close(): Promise<void>;
}
