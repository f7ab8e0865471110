/** Blobs in the embedded store: one chunk that is the blob, or a list of chunks. */
import { EMPTY } from '../bytes.ts';
import type {
  BlobRange,
  BlobService,
  BlobStat,
  BlobWriter,
  ChunkedBlob,
  ChunkedBlobWriter,
  ChunkRef,
  EncodedChunk,
  RangePiece,
  ReadBlobOptions,
  ReadRangesOptions,
  ServiceOptions,
} from '../castore/blobService.ts';
import { Chunker } from '../castore/chunker.ts';
import { Digest, DigestHasher } from '../castore/digest.ts';
import { NarthexError } from '../errors.ts';
import { type ChunkRange, chunkRange, chunksInWindows } from './blobRange.ts';
import { encodeChunkList } from './chunkList.ts';
import type { ContentStore, DistrustedContent } from './contentStore.ts';
import type { ContentWriter } from './contentWriter.ts';
import type { RecordItem } from './recordSpan.ts';
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
    { offset = 0, length = Number.POSITIVE_INFINITY, signal }: ReadBlobOptions = {},
  ): Promise<AsyncIterable<Uint8Array> | undefined> {
    signal?.throwIfAborted();
    const range = { digest, offset, length };
    const items = this.#itemsOf(range);
    return items && piecesWithBytes(this.#readItems([items], { signal }));
  }

  readRanges<R extends BlobRange>(
    ranges: AsyncIterable<R> | Iterable<R>,
    options: ReadRangesOptions = {},
  ): AsyncIterable<readonly RangePiece<R>[]> {
    return this.#readItems(this.#itemsOfAll(ranges, options.signal), options);
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

  async *#itemsOfAll<R extends BlobRange>(
    ranges: AsyncIterable<R> | Iterable<R>,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Iterable<RangeItem<R>>, void, undefined> {
    for await (const range of ranges) {
      signal?.throwIfAborted();
      yield this.#itemsOf(range) ?? [{ range, record: undefined, isAbsent: true, from: 0, to: 0 }];
    }
  }

  /**
   * What is to be read for a range, at least one item, or `undefined` where the blob is absent. A chunk list is
   * not held by who iterates: it is long where the blob is large.
   */
  #itemsOf<R extends BlobRange>(range: R): Iterable<RangeItem<R>> | undefined {
    const { digest, offset, length } = range;
    const nothing = { range, record: undefined, isAbsent: false, from: 0, to: 0 };
    if (length <= 0 || digest.equals(EMPTY_BLOB)) return [nothing];
    const end = offset + length;
    const location = this.#content.locate('chunk', digest);
    if (location !== undefined) {
      const to = Math.min(end, location.size);
      if (offset >= to) return [nothing];
      return [{ range, record: { digest, location }, isAbsent: false, from: offset, to }];
    }
    const list = this.#content.chunkListOf(digest);
    if (list === undefined) return undefined;
    const chunks = chunkRange(list, offset, end);
    return chunks.first === chunks.end ? [nothing] : this.#itemsOfChunks(range, chunks);
  }

  *#itemsOfChunks<R extends BlobRange>(
    range: R,
    chunks: ChunkRange,
  ): Generator<RangeItem<R>, void, undefined> {
    const { digest: blob, offset } = range;
    const listOf = () => {
      const list = this.#content.chunkListOf(blob);
      if (list !== undefined) return list;
      throw new NarthexError('BLOB_MISSING', `blob ${blob} is gone`, { digest: String(blob) });
    };
    let position = chunks.firstOffset;
    for (const { digest, size } of chunksInWindows(chunks, listOf)) {
      const location = this.#locate(digest, blob);
      if (location.size !== size) throw otherSize(blob, digest, size, location.size);
      const record = { digest, location };
      const from = Math.max(0, offset - position);
      const to = Math.min(size, chunks.endOffset - position);
      yield { range, record, isAbsent: false, from, to };
      position += size;
    }
  }

  async *#readItems<R extends BlobRange>(
    groups: AsyncIterable<Iterable<RangeItem<R>>> | Iterable<Iterable<RangeItem<R>>>,
    { lent, signal }: ReadRangesOptions,
  ): AsyncGenerator<readonly RangePiece<R>[], void, undefined> {
    signal?.throwIfAborted();
    for await (const read of this.#content.reader.readAll(groups, { lent })) {
      signal?.throwIfAborted();
      yield read.map(({ item: { range, isAbsent, from, to }, bytes }) => ({
        range,
        bytes: isAbsent ? undefined : (bytes?.subarray(from, to) ?? EMPTY),
      }));
    }
  }
}

/** A part of a range: what is read of one record. */
interface RangeItem<R extends BlobRange> extends RecordItem {
  readonly range: R;
  /** There is no such blob. */
  readonly isAbsent: boolean;
  /** First byte, in the record. */
  readonly from: number;
  /** The byte after the last one. */
  readonly to: number;
}

function otherSize(blob: Digest, chunk: Digest, expected: number, actual: number): NarthexError {
  const message = `the chunk list of blob ${blob} is damaged: chunk ${chunk} has another size`;
  const facts = { digest: String(blob), chunk: String(chunk), expected, actual };
  return new NarthexError('STORE_INVALID', message, facts);
}

async function* piecesWithBytes(
  all: AsyncIterable<readonly RangePiece<BlobRange>[]>,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const pieces of all) {
    for (const { bytes } of pieces) if (bytes !== undefined && bytes.length > 0) yield bytes;
  }
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
