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

/** Records that lie behind each other are read together up to this length. */
const SPAN_BYTES = 1024 * 1024;

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
   * Many records, decoded, in the order given; neighbours are read together, and the next ones
   * while the caller is busy with the last.
   * @throws DIGEST_MISMATCH | STORE_INVALID | STORE_FAILED
   */
  async *readAll(records: readonly RecordRef[]): AsyncGenerator<Uint8Array, void, undefined> {
    const spans = spansOf(records);
    const first = spans[0];
    let reading = first && this.#readSpan(first);
    for (const [index, span] of spans.entries()) {
      const bytes = await reading;
      if (bytes === undefined) return;
      const next = spans[index + 1];
      reading = next && this.#readSpan(next);
      // when the caller leaves early nobody waits for it; otherwise the await above sees its failure
      reading?.catch(() => {});
      for (const { digest, location } of span.records) {
        const start = dataOffset(location) - span.offset;
        yield this.#check(digest, location, bytes.subarray(start, start + location.encodedSize));
      }
    }
  }

  async #readSpan({ records, offset, end }: Span): Promise<Uint8Array | undefined> {
    const last = records.at(-1);
    if (last === undefined) return undefined;
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
  /** Where the first record begins. */
  readonly offset: number;
  end: number;
}

function spansOf(records: readonly RecordRef[]): Span[] {
  const spans: Span[] = [];
  for (const record of records) {
    const { location } = record;
    const span = spans.at(-1);
    if (
      span !== undefined &&
      span.records[0]?.location.pack === location.pack &&
      span.end === location.offset &&
      endOffset(location) - span.offset <= SPAN_BYTES
    ) {
      span.records.push(record);
      span.end = endOffset(location);
    } else {
      spans.push({ records: [record], offset: location.offset, end: endOffset(location) });
    }
  }
  return spans;
}
