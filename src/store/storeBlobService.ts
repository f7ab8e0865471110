/** Blobs in the embedded store: one chunk that is the blob, or a list of chunks. */
import { EMPTY } from '../bytes.ts';
import type {
  BlobRange,
  BlobService,
  BlobStat,
  BlobWriter,
  ChunkedBlobWriter,
  ChunkRef,
  EncodedChunk,
  RangePiece,
  ReadBlobOptions,
  ReadChunk,
  ReadRangesOptions,
  ServiceOptions,
  WantedChunk,
} from '../castore/blobService.ts';
import type { Digest } from '../castore/digest.ts';
import { NarthexError } from '../errors.ts';
import { type ChunkRange, chunkRange, chunksInWindows } from './blobRange.ts';
import type { ContentStore, DistrustedContent } from './contentStore.ts';
import type { RecordItem, RecordRef } from './recordSpan.ts';
import { StoreBlobWriter, StoreChunkedBlobWriter, sizeOf } from './storeBlobWriters.ts';
import { EMPTY_BLOB } from './storedNode.ts';

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
    const { encoded } = await this.#content.reader.read(this.#recordOf(chunk));
    options?.signal?.throwIfAborted();
    return encoded;
  }

  async *readEncodedAll<W extends WantedChunk>(
    wanted: AsyncIterable<W>,
    { lent, signal }: ReadRangesOptions = {},
  ): AsyncGenerator<readonly ReadChunk<W>[], void, undefined> {
    const items = this.#itemsOfChunks(wanted, signal);
    for await (const read of this.#content.reader.readAll(items, { lent, form: 'encoded' })) {
      signal?.throwIfAborted();
      yield read.map(({ item, bytes }) => ({ wanted: item.wanted, bytes }));
    }
  }

  async *#itemsOfChunks<W extends WantedChunk>(
    all: AsyncIterable<W>,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<readonly [ChunkItem<W>], void, undefined> {
    signal?.throwIfAborted();
    for await (const wanted of all) {
      signal?.throwIfAborted();
      const { chunk, heldBytes } = wanted;
      yield [{ wanted, record: chunk && this.#recordOf(chunk), heldBytes }];
    }
  }

  /** @throws BLOB_MISSING it is gone, or lies in another form by now */
  #recordOf({ digest, encoding, encodedSize }: EncodedChunk): RecordRef {
    const location = this.#locate(digest, digest);
    if (location.encoding !== encoding || location.encodedSize !== encodedSize) {
      throw new NarthexError('BLOB_MISSING', `chunk ${digest} lies in another form by now`, {
        digest: String(digest),
        expected: `${encodedSize} bytes ${encoding}`,
        actual: `${location.encodedSize} bytes ${location.encoding}`,
      });
    }
    return { digest, location };
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
      const absent = { range, record: undefined, isAbsent: true, from: 0, to: 0 };
      const items = this.#itemsOf(range) ?? [absent];
      yield range.heldBytes ? withHeldBytes(items, range.heldBytes) : items;
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
    return chunks.first === chunks.end ? [nothing] : this.#itemsOfChunkList(range, chunks);
  }

  *#itemsOfChunkList<R extends BlobRange>(
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

/** A chunk that is wanted as it lies. */
interface ChunkItem<W extends WantedChunk> extends RecordItem {
  readonly wanted: W;
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

/** What the caller holds with a range counts with the first item of it. */
function* withHeldBytes<R extends BlobRange>(
  items: Iterable<RangeItem<R>>,
  heldBytes: number,
): Generator<RangeItem<R>, void, undefined> {
  let held = heldBytes;
  for (const item of items) {
    yield held === 0 ? item : { ...item, heldBytes: held };
    held = 0;
  }
}

async function* piecesWithBytes(
  all: AsyncIterable<readonly RangePiece<BlobRange>[]>,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const pieces of all) {
    for (const { bytes } of pieces) if (bytes !== undefined && bytes.length > 0) yield bytes;
  }
}
