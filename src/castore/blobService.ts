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

/** Bytes of a blob that are read among others. */
export interface BlobRange {
  readonly digest: Digest;
  /** First byte. */
  readonly offset: number;
  /** How many bytes; what lies beyond the end of the blob is not there. */
  readonly length: number;
  /** Memory that the caller holds together with it, in bytes: as much less is read ahead. */
  readonly heldBytes?: number | undefined;
}

/** A piece of a range, in the order of the range. */
export interface RangePiece<R extends BlobRange> {
  /** The very one that was given. */
  readonly range: R;
  /** `undefined` where there is no such blob. */
  readonly bytes: Uint8Array | undefined;
}

/** Options of {@link BlobService.readRanges} and {@link BlobService.readEncodedAll}. */
export interface ReadRangesOptions extends ServiceOptions {
  /**
   * Pieces are lent: their memory is used again when the next ones are asked for. Who does not keep them
   * makes no garbage so. Default `false`.
   */
  readonly lent?: boolean | undefined;
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
   * Reads many ranges in one stream, in order: what lies together is read together, and the next ones
   * while the caller is busy. Services that gain by it have it; `readRanges.ts` does it with all of them.
   *
   * - `ranges` are asked for ahead, by no more than what may be held of their contents. One of no bytes needs no
   *   blob.
   * - Each range has one piece or more, one without bytes where it holds none.
   * - A blob that is absent is a piece whose bytes are `undefined`.
   * @returns pieces that came together
   * @throws DIGEST_MISMATCH | BLOB_MISSING like `read`
   */
  readRanges?<R extends BlobRange>(
    ranges: AsyncIterable<R> | Iterable<R>,
    options?: ReadRangesOptions,
  ): AsyncIterable<readonly RangePiece<R>[]>;

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

  /**
   * `readEncoded` of many chunks in one stream, in order, as `readRanges` reads ranges. `encodedChunks.ts` does it
   * with all services that have `readEncoded`.
   * @returns what came together
   */
  readEncodedAll?<W extends WantedChunk>(
    wanted: AsyncIterable<W>,
    options?: ReadRangesOptions,
  ): AsyncIterable<readonly ReadChunk<W>[]>;
}

/** A chunk that is read among others. */
export interface WantedChunk {
  /** None: only a place in the order. */
  readonly chunk: EncodedChunk | undefined;
  /** Memory that the caller holds together with it, in bytes: as much less is read ahead. */
  readonly heldBytes?: number | undefined;
}

/** A chunk as it lies at rest. */
export interface ReadChunk<W extends WantedChunk> {
  /** The very one that was asked for. */
  readonly wanted: W;
  /** `undefined` where no chunk was asked for. */
  readonly bytes: Uint8Array | undefined;
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
