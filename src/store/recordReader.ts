/** Reads records and checks them: nothing that was not hashed to its digest is given out. */
import { Digest } from '../castore/digest.ts';
import { NarthexError } from '../errors.ts';
import { packPath } from './layout.ts';
import { dataOffset, endOffset, type RecordLocation } from './packFormat.ts';
import type { PackReader } from './packReader.ts';
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
 * Records that lie behind each other are read together up to this length. It and the next one are all that
 * a reader holds who has stopped half-way; longer ones make no reader faster.
 */
const SPAN_BYTES = 256 * 1024;
/** The first one, so that who wants little, or wants to begin soon, does not wait for much. */
const FIRST_SPAN_BYTES = 64 * 1024;

/** Reads records from packs. */
export class RecordReader {
  readonly #store: string;
  readonly #packs: PackReader;
  readonly #writer: PackWriter;

  /** @param writer whose records may still be on their way to the file */
  constructor(store: string, packs: PackReader, writer: PackWriter) {
    this.#store = store;
    this.#packs = packs;
    this.#writer = writer;
  }

  /**
   * One record.
   * @throws DIGEST_MISMATCH with `path` and `offset`: it is damaged
   * @throws STORE_INVALID | STORE_FAILED
   */
  async read({ digest, location }: RecordRef): Promise<CheckedRecord> {
    await this.#writer.ensureWritten(location);
    const { pack, encodedSize } = location;
    const encoded = await this.#packs.read(pack, dataOffset(location), encodedSize);
    return { encoded, decoded: this.#check(digest, location, encoded) };
  }

  /**
   * Many records, decoded, in the order given. They are asked for as they are needed; neighbours are
   * read together, and for a caller who comes back for more the next ones while he is busy with the last.
   * @throws DIGEST_MISMATCH | STORE_INVALID | STORE_FAILED
   */
  async *readAll(records: Iterable<RecordRef>): AsyncGenerator<Uint8Array, void, undefined> {
    const spans = spansOf(records);
    let current = this.#readNext(spans);
    for (let isFirst = true; current !== undefined; isFirst = false) {
      const { span, bytes } = current;
      const read = await bytes;
      const ahead = isFirst ? undefined : this.#readNext(spans);
      for (const { digest, location } of span.records) {
        const start = dataOffset(location) - span.offset;
        yield this.#check(digest, location, read.subarray(start, start + location.encodedSize));
      }
      current = ahead ?? this.#readNext(spans);
    }
  }

  #readNext(spans: Iterator<Span, void>): { span: Span; bytes: Promise<Uint8Array> } | undefined {
    const next = spans.next();
    if (next.done === true) return undefined;
    const bytes = this.#readSpan(next.value);
    // when the caller leaves early nobody waits for it; otherwise whoever awaits it sees its failure
    bytes.catch(() => {});
    return { span: next.value, bytes };
  }

  async #readSpan({ last, offset, end }: Span): Promise<Uint8Array> {
    await this.#writer.ensureWritten(last.location);
    return await this.#packs.read(last.location.pack, offset, end - offset);
  }

  #check(digest: Digest, location: RecordLocation, encoded: Uint8Array): Uint8Array {
    const facts = {
      path: packPath(this.#store, location.pack),
      offset: location.offset,
      expected: String(digest),
    };
    let decoded: Uint8Array;
    try {
      decoded = decodeData(location.encoding, encoded, location.size);
    } catch (error) {
      throw new NarthexError(
        'DIGEST_MISMATCH',
        `a record does not decompress: ${facts.path} at ${facts.offset}`,
        facts,
        error,
      );
    }
    const actual = Digest.of(decoded);
    if (!actual.equals(digest)) {
      throw new NarthexError(
        'DIGEST_MISMATCH',
        `a record is damaged: ${facts.path} at ${facts.offset}`,
        { ...facts, actual: String(actual) },
      );
    }
    return decoded;
  }
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
        maxBytes = SPAN_BYTES;
      }
      span = { records: [record], last: record, offset: location.offset, end };
    }
  }
  if (span !== undefined) yield span;
}
