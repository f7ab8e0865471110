/** Reads records and checks them: nothing that was not hashed to its digest is given out. */
import { Digest } from '../castore/digest.ts';
import { isNarthexError, NarthexError } from '../errors.ts';
import { decodeFrames, type PlacedFrame } from './frameDecoding.ts';
import { packPath } from './layout.ts';
import { dataOffset, type RecordLocation } from './packFormat.ts';
import type { PackReader } from './packReader.ts';
import type { PackWriter } from './packWriter.ts';
import { ReadAhead } from './readAhead.ts';
import { decodeData } from './recordEncoding.ts';
import { type Extent, type RecordItem, type RecordRef, type Span, spansOf } from './recordSpan.ts';

/** A record as it lies at rest, and decoded. */
export interface CheckedRecord {
  readonly encoded: Uint8Array;
  readonly decoded: Uint8Array;
}

/** An item with the data of its record, which was checked; `undefined` where it has no record. */
export interface ReadItem<I> {
  readonly item: I;
  readonly bytes: Uint8Array | undefined;
}

/** Options of {@link RecordReader.readAll}. */
export interface ReadAllOptions {
  /** What is read is lent: its memory is used again when the next is asked for. Default `false`. */
  readonly lent?: boolean | undefined;
  /** What is given out is the data as it lies at rest; it is checked all the same. Default `decoded`. */
  readonly form?: 'decoded' | 'encoded' | undefined;
}

/** Less than this is read together with what follows it: see {@link PackReader.readWindowed}. */
const WINDOWED_BYTES = 16 * 1024;

/** Reads records from packs. */
export class RecordReader {
  readonly #store: string;
  readonly #packs: PackReader;
  readonly #writer: PackWriter;
  readonly #relocate: (digest: Digest) => RecordLocation | undefined;
  readonly #readAhead = new ReadAhead();

  /**
   * @param writer whose records may still be on their way to the file
   * @param relocate where a record lies by now: a collection may have moved it and removed its pack
   */
  constructor(
    store: string,
    packs: PackReader,
    writer: PackWriter,
    relocate: (digest: Digest) => RecordLocation | undefined,
  ) {
    this.#store = store;
    this.#packs = packs;
    this.#writer = writer;
    this.#relocate = relocate;
  }

  /**
   * One record.
   * @throws DIGEST_MISMATCH with `path` and `offset`: it is damaged
   * @throws STORE_INVALID | STORE_FAILED
   */
  async read({ digest, location }: RecordRef): Promise<CheckedRecord> {
    await this.#writer.ensureWritten(location);
    const { pack, encodedSize } = location;
    let encoded: Uint8Array;
    try {
      encoded = await this.#packs.read(pack, dataOffset(location), encodedSize);
    } catch (error) {
      const moved = isNarthexError(error, 'STORE_INVALID') ? this.#relocate(digest) : undefined;
      // each time it was moved there has been a whole collection in between
      if (moved === undefined || isSamePlace(moved, location)) throw error;
      return await this.read({ digest, location: moved });
    }
    return { encoded, decoded: this.#check(digest, location, encoded) };
  }

  /**
   * Many records in the order given, some at a time. They are asked for as they are needed; those that lie near each
   * other are read together, all are decoded together, and the next ones while the caller is busy with the last.
   * @param groups of items, which come one after the other
   * @throws DIGEST_MISMATCH | STORE_INVALID | STORE_FAILED
   */
  async *readAll<I extends RecordItem>(
    groups: AsyncIterable<Iterable<I>> | Iterable<Iterable<I>>,
    options: ReadAllOptions = {},
  ): AsyncGenerator<readonly ReadItem<I>[], void, undefined> {
    const spans = spansOf(groups, this.#readAhead);
    const underWay = [this.#readNext(spans, options)];
    try {
      for (;;) {
        using current = await underWay.shift();
        if (current === undefined) return;
        while (underWay.length < this.#readAhead.spansAhead) {
          underWay.push(this.#readNext(spans, options));
        }
        if (current.items.length > 0) yield current.items;
        if (current.failure !== undefined) throw current.failure.reason;
      }
    } finally {
      // what is on its way holds memory until it has come; its failure is nobody's any more
      for (const reading of underWay) (await reading.catch(() => undefined))?.[Symbol.dispose]();
      await spans.return();
    }
  }

  #readNext<I extends RecordItem>(
    spans: AsyncIterator<Span<I>, void>,
    options: ReadAllOptions,
  ): Promise<ReadSpan<I> | undefined> {
    const reading = spans.next().then(async ({ value, done }) => {
      return done === true ? undefined : await this.#readSpan(value, options);
    });
    // it is seen by whoever asks for it, maybe much later
    reading.catch(() => {});
    return reading;
  }

  async #readSpan<I extends RecordItem>(
    span: Span<I>,
    { lent = false, form = 'decoded' }: ReadAllOptions,
  ): Promise<ReadSpan<I>> {
    using holding = new DisposableStack();
    holding.use(this.#readAhead.hold(span.contentBytes));
    const block = Buffer.allocUnsafeSlow(span.blockBytes);
    const isRead = await this.#readExtents(span.extents, block);
    const content = isRead ? await decodeFrames(block, framesOf(span)) : undefined;
    const items: ReadItem<I>[] = [];
    let failure: { readonly reason: unknown } | undefined;
    try {
      for (const { item, encoded, decoded } of itemsIn(span, isRead ? block : undefined, content)) {
        const { record } = item;
        const isRight =
          record === undefined || (decoded && Digest.of(decoded).equals(record.digest)) === true;
        // by itself: it is elsewhere by now, or the error tells what is wrong with it
        const data = isRight ? { encoded, decoded } : await this.read(record);
        items.push({ item, bytes: data[form] });
      }
    } catch (reason) {
      failure = { reason };
    }
    const isContentGivenOut = form === 'decoded';
    const isBlockGivenOut = !isContentGivenOut || span.items.some(isRaw);
    for (const [memory, isGivenOut] of [
      [block, isBlockGivenOut],
      [content, isContentGivenOut],
    ] as const) {
      if (memory === undefined) continue;
      if (!isGivenOut) release(memory);
      else if (lent) holding.defer(() => release(memory));
    }
    const held = holding.move();
    return { items, failure, [Symbol.dispose]: () => held.dispose() };
  }

  /** @returns whether all could be read; where not, records may be elsewhere by now */
  async #readExtents(extents: readonly Extent[], block: Buffer): Promise<boolean> {
    const reading = extents.map(async ({ offset, end, at, last }) => {
      await this.#writer.ensureWritten(last);
      const target = block.subarray(at, at + end - offset);
      if (block.length < WINDOWED_BYTES) {
        await this.#packs.readWindowed(last.pack, offset, target);
      } else {
        await this.#packs.readInto(last.pack, offset, target);
      }
    });
    const results = await Promise.allSettled(reading);
    const failures = results.filter((result) => result.status === 'rejected');
    const failure = failures.find(({ reason }) => !isNarthexError(reason, 'STORE_INVALID'));
    if (failure !== undefined) throw failure.reason;
    return failures.length === 0;
  }

  #check(digest: Digest, location: RecordLocation, encoded: Uint8Array): Uint8Array {
    let decoded: Uint8Array;
    try {
      decoded = decodeData(location.encoding, encoded, location.size);
    } catch (error) {
      throw this.#damaged(digest, location, 'does not decompress', {}, error);
    }
    const actual = Digest.of(decoded);
    if (actual.equals(digest)) return decoded;
    throw this.#damaged(digest, location, 'is damaged', { actual: String(actual) });
  }

  #damaged(
    digest: Digest,
    { pack, offset }: RecordLocation,
    how: string,
    facts: { readonly actual?: string },
    cause?: unknown,
  ): NarthexError {
    const path = packPath(this.#store, pack);
    return new NarthexError(
      'DIGEST_MISMATCH',
      `a record ${how}: ${path} at ${offset}`,
      { path, offset, expected: String(digest), ...facts },
      cause,
    );
  }
}

function isSamePlace(a: RecordLocation, b: RecordLocation): boolean {
  return a.pack === b.pack && a.offset === b.offset;
}

/** What was read of a span; disposing of it gives back what was only lent. */
interface ReadSpan<I> extends Disposable {
  readonly items: readonly ReadItem<I>[];
  /** Why the items that follow are not there. */
  readonly failure: { readonly reason: unknown } | undefined;
}

/** The items of a span with their data as it was read, unchecked; without, where it was not. */
function* itemsIn<I extends RecordItem>(
  { items, places }: Span<I>,
  block: Buffer | undefined,
  content: Buffer | undefined,
): Generator<Partial<CheckedRecord> & { readonly item: I }, void, undefined> {
  let end = 0;
  for (const [index, item] of items.entries()) {
    if (item.record === undefined || block === undefined) {
      yield { item };
      continue;
    }
    const { encodedSize, size } = item.record.location;
    const at = places[index] ?? 0;
    const encoded = block.subarray(at, at + encodedSize);
    if (isRaw(item)) {
      yield { item, encoded, decoded: encoded };
      continue;
    }
    if (content === undefined) yield { item };
    else yield { item, encoded, decoded: content.subarray(end, end + size) };
    end += size;
  }
}

function isRaw({ record }: RecordItem): boolean {
  return record?.location.encoding === 'raw';
}

/** The compressed records of a span. */
function framesOf<I extends RecordItem>({ items, places }: Span<I>): PlacedFrame[] {
  const frames: PlacedFrame[] = [];
  for (const [index, { record }] of items.entries()) {
    if (record?.location.encoding !== 'zstd') continue;
    const { encodedSize, size } = record.location;
    frames.push({ at: places[index] ?? 0, encodedSize, size });
  }
  return frames;
}

/**
 * Gives memory back at once: garbage at the rate of a fast client would keep the collector running. Buffers
 * shorter than half of node's pool may share theirs with others.
 */
function release({ length, buffer }: Buffer): void {
  if (length >= Buffer.poolSize / 2 && buffer instanceof ArrayBuffer) buffer.transfer(0);
}
