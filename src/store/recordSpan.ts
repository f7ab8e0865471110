/** Spans: records that are read and decoded together, wherever they lie. */
import type { Digest } from '../castore/digest.ts';
import { dataOffset, endOffset, type RecordLocation } from './packFormat.ts';
import { LEAST_SPAN_BYTES, type ReadAhead } from './readAhead.ts';

/** A record by its digest and its place. */
export interface RecordRef {
  readonly digest: Digest;
  readonly location: RecordLocation;
}

/** One of a stream of records; what has no record has a place in the stream all the same. */
export interface RecordItem {
  readonly record: RecordRef | undefined;
  /** Memory that the caller holds together with it, in bytes. */
  readonly heldBytes?: number | undefined;
}

/** Bytes of a pack that are read in one go. */
export interface Extent {
  readonly offset: number;
  end: number;
  /** Where they lie in the block of the span. */
  readonly at: number;
  /** The last record in it. */
  last: RecordLocation;
}

/** What lies between two records that are read together is read with them up to this length: to begin anew takes longer. */
const GAP_BYTES = 64 * 1024;
/** Items of a span: of tiny records there are many to little content. */
const SPAN_ITEMS = 1024;

/** Some items in order, and how their records are read: extents, one after the other, into one block of memory. */
export class Span<I extends RecordItem> {
  readonly items: I[] = [];
  /** Where the data of each item's record lies in the block; -1 for one that has none. */
  readonly places: number[] = [];
  readonly extents: Extent[] = [];
  readonly #mostBytes: number;
  /** Length of the block. */
  blockBytes = 0;
  /** Length of the records when decoded, and what the caller holds with them. */
  contentBytes = 0;

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  /** Whether there is room for one more; there always is for the first. */
  hasRoomFor({ record, heldBytes = 0 }: I): boolean {
    const size = heldBytes + (record?.location.size ?? 0);
    const encodedSize = record?.location.encodedSize ?? 0;
    return (
      this.items.length === 0 ||
      (this.items.length < SPAN_ITEMS &&
        this.contentBytes + size <= this.#mostBytes &&
        this.blockBytes + encodedSize <= this.#mostBytes)
    );
  }

  add(item: I): void {
    const { record, heldBytes = 0 } = item;
    this.contentBytes += heldBytes;
    this.items.push(item);
    this.places.push(record === undefined ? -1 : this.#place(record.location));
  }

  /** @returns where the data will lie */
  #place(location: RecordLocation): number {
    const end = endOffset(location);
    this.contentBytes += location.size;
    let extent = this.extents.at(-1);
    // with its header, whose place is needed between frames that are decoded together
    if (extent === undefined || !isNear(extent, location)) {
      extent = { offset: location.offset, end, at: this.blockBytes, last: location };
      this.extents.push(extent);
    }
    extent.end = end;
    extent.last = location;
    this.blockBytes = extent.at + end - extent.offset;
    return extent.at + dataOffset(location) - extent.offset;
  }
}

function isNear({ last, end }: Extent, { pack, offset }: RecordLocation): boolean {
  return last.pack === pack && end <= offset && offset - end <= GAP_BYTES;
}

/**
 * Items gathered into spans; each is complete when it is given out. The first is short, so that who wants little,
 * or wants to begin soon, does not wait for much.
 * @param groups asked for as they are needed
 */
export async function* spansOf<I extends RecordItem>(
  groups: AsyncIterable<Iterable<I>> | Iterable<Iterable<I>>,
  readAhead: ReadAhead,
): AsyncGenerator<Span<I>, void, undefined> {
  let span = new Span<I>(LEAST_SPAN_BYTES);
  for await (const group of groups) {
    for (const item of group) {
      if (!span.hasRoomFor(item)) {
        yield span;
        span = new Span(readAhead.spanBytes);
      }
      span.add(item);
    }
  }
  if (span.items.length > 0) yield span;
}
