/** Blobs in the embedded store: one chunk that is the blob, or a list of chunks. */
import type {
  BlobService,
  BlobStat,
  BlobWriter,
  ChunkedBlob,
  ChunkedBlobWriter,
  ChunkRef,
  EncodedChunk,
  ReadBlobOptions,
  ServiceOptions,
} from '../castore/blobService.ts';
import { Chunker } from '../castore/chunker.ts';
import { Digest, DigestHasher } from '../castore/digest.ts';
import { NarthexError } from '../errors.ts';
import { type ChunkRange, chunkRange, chunksInWindows } from './blobRange.ts';
import { encodeChunkList } from './chunkList.ts';
import type { ContentStore, DistrustedContent } from './contentStore.ts';
import type { ContentWriter } from './contentWriter.ts';
import type { RecordRef } from './recordReader.ts';
import { EMPTY_BLOB } from './storedNode.ts';

/** A writer that holds back more records than this publishes the blobs that are complete. */
const HELD_RECORDS = 16 * 1024;

/** The blobs of a store. */
export class StoreBlobService implements BlobService {
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

  async has(digest: Digest, options?: ServiceOptions): Promise<boolean> {
    options?.signal?.throwIfAborted();
    // who asks this will not write it
    return digest.equals(EMPTY_BLOB) || (await this.#content.relyOnBlob(digest));
  }

  async stat(digest: Digest, options?: ServiceOptions): Promise<BlobStat | undefined> {
    options?.signal?.throwIfAborted();
    const chunks = this.#chunksOf(digest);
    return chunks && { size: sizeOf(chunks), chunks };
  }

  async read(
    digest: Digest,
    options?: ReadBlobOptions,
  ): Promise<AsyncIterable<Uint8Array> | undefined> {
    return this.#read(digest, options, false);
  }

  async readLent(
    digest: Digest,
    options?: ReadBlobOptions,
  ): Promise<AsyncIterable<Uint8Array> | undefined> {
    return this.#read(digest, options, true);
  }

  openWrite(options?: ServiceOptions): BlobWriter {
    this.#checkWritable();
    return new StoreBlobWriter(this.#content.openWriter(this.#distrusted), options?.signal);
  }

  openChunkedWrite(options?: ServiceOptions): ChunkedBlobWriter {
    this.#checkWritable();
    return new StoreChunkedBlobWriter(this.#content.openWriter(this.#distrusted), options?.signal);
  }

  async statEncoded(
    digest: Digest,
    options?: ServiceOptions,
  ): Promise<readonly EncodedChunk[] | undefined> {
    options?.signal?.throwIfAborted();
    return this.#chunksOf(digest)?.map((chunk) => {
      const { encoding, encodedSize } = this.#locate(chunk.digest, digest);
      return { ...chunk, encoding, encodedSize };
    });
  }

  async readEncoded(chunk: EncodedChunk, options?: ServiceOptions): Promise<Uint8Array> {
    options?.signal?.throwIfAborted();
    const { digest, encoding, encodedSize } = chunk;
    const location = this.#locate(digest, digest);
    if (location.encoding !== encoding || location.encodedSize !== encodedSize) {
      throw new NarthexError('BLOB_MISSING', `chunk ${digest} lies in another form by now`, {
        digest: String(digest),
        expected: `${encodedSize} bytes ${encoding}`,
        actual: `${location.encodedSize} bytes ${location.encoding}`,
      });
    }
    const { encoded } = await this.#content.reader.read({ digest, location });
    options?.signal?.throwIfAborted();
    return encoded;
  }

  #chunksOf(digest: Digest): readonly ChunkRef[] | undefined {
    if (digest.equals(EMPTY_BLOB)) return [];
    const whole = this.#content.locate('chunk', digest);
    if (whole !== undefined) return [{ digest, size: whole.size }];
    return this.#content.chunkListOf(digest)?.toArray();
  }

  #locate(chunk: Digest, blob: Digest) {
    const location = this.#content.locate('chunk', chunk);
    if (location === undefined) {
      throw new NarthexError('BLOB_MISSING', `chunk ${chunk} of blob ${blob} is gone`, {
        digest: String(blob),
        chunk: String(chunk),
      });
    }
    return location;
  }

  /** The chunk list is not held by who iterates: it is long where the blob is large. */
  #read(
    digest: Digest,
    { offset = 0, length = Number.POSITIVE_INFINITY, signal }: ReadBlobOptions = {},
    lent: boolean,
  ): AsyncIterable<Uint8Array> | undefined {
    signal?.throwIfAborted();
    const range = { start: offset, end: offset + length, signal, lent };
    if (digest.equals(EMPTY_BLOB)) return this.#readRecords([], 0, { ...range, end: 0 });
    const location = this.#content.locate('chunk', digest);
    if (location !== undefined) {
      const end = Math.min(range.end, location.size);
      return this.#readRecords([{ digest, location }], 0, { ...range, end });
    }
    const list = this.#content.chunkListOf(digest);
    if (list === undefined) return undefined;
    const chunks = chunkRange(list, range.start, range.end);
    const records = this.#recordsOf(digest, chunks);
    return this.#readRecords(records, chunks.firstOffset, { ...range, end: chunks.endOffset });
  }

  *#recordsOf(blob: Digest, range: ChunkRange): Generator<RecordRef, void, undefined> {
    const listOf = () => {
      const list = this.#content.chunkListOf(blob);
      if (list !== undefined) return list;
      throw new NarthexError('BLOB_MISSING', `blob ${blob} is gone`, { digest: String(blob) });
    };
    for (const { digest } of chunksInWindows(range, listOf)) {
      yield { digest, location: this.#locate(digest, blob) };
    }
  }

  /** @param offset where in the blob the first record begins */
  async *#readRecords(
    records: Iterable<RecordRef>,
    offset: number,
    { start, end, signal, lent }: RecordsRange,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    signal?.throwIfAborted();
    if (start >= end) return;
    let position = offset;
    for await (const bytes of this.#content.reader.readAll(records, lent)) {
      signal?.throwIfAborted();
      const wanted = bytes.subarray(Math.max(0, start - position), end - position);
      position += bytes.length;
      yield wanted;
    }
  }
}

/** Bytes `start` to `end` (not included) of a blob, and how to give them out. */
interface RecordsRange {
  readonly start: number;
  readonly end: number;
  readonly signal: AbortSignal | undefined;
  readonly lent: boolean;
}

function sizeOf(chunks: readonly ChunkRef[]): number {
  return chunks.reduce((sum, { size }) => sum + size, 0);
}

/** Puts a blob's chunk list where it has more than one chunk; one chunk is the blob. */
async function addBlob(
  writer: ContentWriter,
  digest: Digest,
  chunks: readonly ChunkRef[],
): Promise<void> {
  if (chunks.length > 1) await writer.addBlob(digest, encodeChunkList(chunks));
}

/** Cuts one blob into chunks and takes them. */
class StoreBlobWriter implements BlobWriter {
  readonly #writer: ContentWriter;
  readonly #signal: AbortSignal | undefined;
  readonly #hasher = new DigestHasher();
  readonly #chunker: Chunker;
  readonly #chunks: ChunkRef[] = [];
  #cut: Uint8Array[] = [];

  constructor(writer: ContentWriter, signal: AbortSignal | undefined) {
    this.#writer = writer;
    this.#signal = signal;
    this.#chunker = new Chunker((chunk) => this.#cut.push(chunk));
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#signal?.throwIfAborted();
    this.#hasher.update(bytes);
    this.#chunker.push(bytes);
    await this.#takeCut();
  }

  async close(): Promise<{ digest: Digest; size: number }> {
    this.#signal?.throwIfAborted();
    this.#chunker.finish();
    await this.#takeCut();
    const digest = this.#hasher.finish();
    await addBlob(this.#writer, digest, this.#chunks);
    await this.#writer.publish();
    return { digest, size: sizeOf(this.#chunks) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer[Symbol.asyncDispose]();
  }

  async #takeCut(): Promise<void> {
    const cut = this.#cut;
    this.#cut = [];
    for (const bytes of cut) {
      const digest = Digest.of(bytes);
      this.#chunks.push({ digest, size: bytes.length });
      await this.#writer.add('chunk', digest, bytes);
    }
  }
}

/** Takes blobs that are cut already. */
class StoreChunkedBlobWriter implements ChunkedBlobWriter {
  readonly #writer: ContentWriter;
  readonly #signal: AbortSignal | undefined;

  constructor(writer: ContentWriter, signal: AbortSignal | undefined) {
    this.#writer = writer;
    this.#signal = signal;
  }

  async write(parts: Parameters<ChunkedBlobWriter['write']>[0]): Promise<void> {
    for (const part of parts) {
      this.#signal?.throwIfAborted();
      if (part.type === 'chunk') {
        if (part.bytes.length > 0) await this.#writer.add('chunk', part.digest, part.bytes);
      } else {
        await this.#complete(part);
      }
    }
  }

  async close(): Promise<void> {
    this.#signal?.throwIfAborted();
    await this.#writer.publish();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer[Symbol.asyncDispose]();
  }

  async #complete({ digest, chunks }: ChunkedBlob): Promise<void> {
    await addBlob(this.#writer, digest, chunks);
    if (this.#writer.recordCount > HELD_RECORDS) await this.#writer.publish();
  }
}
