/** Reads records and checks them: nothing that was not hashed to its digest is given out. */
import { Digest } from '../castore/digest.ts';
import { isNarthexError, NarthexError } from '../errors.ts';
import { packPath } from './layout.ts';
import { dataOffset, endOffset, type RecordLocation } from './packFormat.ts';
import type { Memory, PackReader } from './packReader.ts';
import type { PackWriter } from './packWriter.ts';
import { decodeData } from './recordEncoding.ts';

/** A record by its digest and its place. */
export interface RecordRef {
  readonly digest: Digest;
  readonly location: RecordLocation;
}

/** A record as it lies at rest, and decoded. */
export interface CheckedRecord {
  readonly encoded: Uint8Array;
  readonly decoded: Uint8Array;
}

/**
 * Records that lie behind each other are read together up to this length. Such a span and the next one are
 * what a reader holds who has stopped half-way.
 */
const SPAN_BYTES = 512 * 1024;
/** The first one, so that who wants little, or wants to begin soon, does not wait for much. */
const FIRST_SPAN_BYTES = 128 * 1024;
/**
 * Later ones are this part of what the caller has taken before. A client that takes nothing still takes what
 * fits into the buffers of its connection, some megabytes; it shall not be taken for a fast one.
 */
const SPAN_PART = 32;

/** Reads records from packs. */
export class RecordReader {
  readonly #store: string;
  readonly #packs: PackReader;
  readonly #writer: PackWriter;
  readonly #relocate: (digest: Digest) => RecordLocation | undefined;

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
   * Many records, decoded, in the order given. They are asked for as they are needed; neighbours are
   * read together, and for a caller who comes back for more the next ones while he is busy with the last.
   * @param lent each is only lent: its memory is used again when the next one is asked for
   * @throws DIGEST_MISMATCH | STORE_INVALID | STORE_FAILED
   */
  async *readAll(
    records: Iterable<RecordRef>,
    lent = false,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const spans = spansOf(records);
    const memory = lent ? alternating() : undefined;
    // what is wanted may be one small record, with others to follow from its neighbourhood
    let current = this.#readNext(spans, undefined);
    for (let isFirst = true; current !== undefined; isFirst = false) {
      const { span, bytes } = current;
      const read = await bytes;
      // into the memory of the span before this one, which the caller has left
      const ahead = isFirst ? undefined : this.#readNext(spans, memory);
      for (const { digest, location } of span.records) {
        if (read === undefined) {
          yield (await this.read({ digest, location })).decoded;
          continue;
        }
        const start = dataOffset(location) - span.offset;
        const encoded = read.subarray(start, start + location.encodedSize);
        const decoded = this.#check(digest, location, encoded);
        yield decoded;
        if (lent && decoded !== encoded) giveBack(decoded);
      }
      current = ahead ?? this.#readNext(spans, memory);
    }
  }

  #readNext(
    spans: Iterator<Span, void>,
    memory: Memory | undefined,
  ): { readonly span: Span; readonly bytes: Promise<Uint8Array | undefined> } | undefined {
    const next = spans.next();
    if (next.done === true) return undefined;
    const bytes = this.#readSpan(next.value, memory);
    // when the caller leaves early nobody waits for it; otherwise whoever awaits it sees its failure
    bytes.catch(() => {});
    return { span: next.value, bytes };
  }

  /** @returns `undefined` where its pack cannot be read; its records may be elsewhere by now */
  async #readSpan(
    { last, offset, end }: Span,
    memory: Memory | undefined,
  ): Promise<Uint8Array | undefined> {
    await this.#writer.ensureWritten(last.location);
    try {
      return await this.#packs.read(last.location.pack, offset, end - offset, memory);
    } catch (error) {
      if (!isNarthexError(error, 'STORE_INVALID')) throw error;
      return undefined;
    }
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

/** Records of one pack, each beginning where the one before it ends. */
interface Span {
  readonly records: RecordRef[];
  last: RecordRef;
  /** Where the first record begins. */
  readonly offset: number;
  end: number;
}

/** Each is complete when it is given out. */
function* spansOf(records: Iterable<RecordRef>): Generator<Span, void, undefined> {
  let span: Span | undefined;
  let taken = 0;
  let maxBytes = FIRST_SPAN_BYTES;
  for (const record of records) {
    const { location } = record;
    const end = endOffset(location);
    if (
      span !== undefined &&
      span.last.location.pack === location.pack &&
      span.end === location.offset &&
      end - span.offset <= maxBytes
    ) {
      span.records.push(record);
      span.last = record;
      span.end = end;
    } else {
      if (span !== undefined) {
        yield span;
        taken += span.end - span.offset;
        maxBytes = Math.min(Math.max(taken / SPAN_PART, FIRST_SPAN_BYTES), SPAN_BYTES);
      }
      span = { records: [record], last: record, offset: location.offset, end };
    }
  }
  if (span !== undefined) yield span;
}

/** Two pieces of memory in turn, so that one can be filled while the other is in use. */
function alternating(): Memory {
  let inUse = Buffer.alloc(0);
  let free = Buffer.alloc(0);
  return (length) => {
    const memory = free.length >= length ? free : Buffer.allocUnsafeSlow(length);
    free = inUse;
    inUse = memory;
    return memory.subarray(0, length);
  };
}

/**
 * Frees what was decoded and lent: garbage at the rate of a fast client would keep the collector running.
 * Buffers shorter than half of node's pool may share their memory with others.
 */
function giveBack({ length, buffer }: Uint8Array): void {
  if (length >= Buffer.poolSize / 2 && buffer instanceof ArrayBuffer) buffer.transfer(0);
}
