/** Compares records with what the index says of them: the header and the data, read in the order in which they lie. */
import { Digest } from '../castore/digest.ts';
import { NarthexError } from '../errors.ts';
import { packPath } from './layout.ts';
import {
  decodeRecordHeader,
  endOffset,
  RECORD_HEADER_BYTES,
  type RecordHeader,
  type RecordLocation,
} from './packFormat.ts';
import type { PackReader } from './packReader.ts';
import { decodeData } from './recordEncoding.ts';

/** Records that lie behind each other are read together up to this length. */
const SPAN_BYTES = 1024 * 1024;

/** A record that the index knows. */
export interface IndexedRecord {
  readonly kind: 'chunk' | 'directory';
  readonly digest: Digest;
  readonly location: RecordLocation;
}

/** What is wrong with a record. */
export interface RecordFault {
  readonly record: IndexedRecord;
  readonly error: NarthexError;
  /** Whether its data is right nevertheless, and only what stands before it is not. */
  readonly dataHolds: boolean;
}

/**
 * Checks records.
 * @param records sorted by pack and offset
 * @returns what is wrong, in that order
 * @throws STORE_FAILED a pack could not be read, for another reason than damage
 */
export async function* checkRecords(
  records: Iterable<IndexedRecord>,
  packs: PackReader,
  store: string,
): AsyncGenerator<RecordFault, void, undefined> {
  let memory = Buffer.alloc(0);
  const read = async (pack: number, offset: number, length: number) => {
    if (memory.length < length) memory = Buffer.allocUnsafeSlow(Math.max(length, SPAN_BYTES));
    const target = memory.subarray(0, length);
    await packs.readInto(pack, offset, target);
    return target;
  };
  for (const span of spansOf(records)) {
    const { pack } = span.records[0].location;
    const { offset, end } = span;
    const bytes = await readOrFault(() => read(pack, offset, end - offset));
    if (!(bytes instanceof NarthexError)) {
      for (const record of span.records) {
        const start = record.location.offset - offset;
        const fault = checkRecord(record, bytes.subarray(start), store);
        if (fault !== undefined) yield fault;
      }
      continue;
    }
    // one of them ends the pack, or lies in a bad place of the disk: which, is seen one by one
    for (const record of span.records) {
      const { location } = record;
      const length = endOffset(location) - location.offset;
      const alone = await readOrFault(() => read(pack, location.offset, length));
      const fault =
        alone instanceof NarthexError
          ? { record, error: alone, dataHolds: false }
          : checkRecord(record, alone, store);
      if (fault !== undefined) yield fault;
    }
  }
}

/** @param bytes from where the record begins */
function checkRecord(
  record: IndexedRecord,
  bytes: Uint8Array,
  store: string,
): RecordFault | undefined {
  const { kind, digest, location } = record;
  const path = packPath(store, location.pack);
  const facts = { path, offset: location.offset, expected: String(digest) };
  const data = bytes.subarray(RECORD_HEADER_BYTES, RECORD_HEADER_BYTES + location.encodedSize);
  let decoded: Uint8Array;
  try {
    decoded = decodeData(location.encoding, data, location.size);
  } catch (error) {
    const message = `a record does not decompress: ${path} at ${location.offset}`;
    const fault = new NarthexError('DIGEST_MISMATCH', message, facts, error);
    return { record, error: fault, dataHolds: false };
  }
  const actual = Digest.of(decoded);
  if (!actual.equals(digest)) {
    const message = `a record is damaged: ${path} at ${location.offset}`;
    const found = { ...facts, actual: String(actual) };
    return { record, error: new NarthexError('DIGEST_MISMATCH', message, found), dataHolds: false };
  }
  const isLocated = decoded.length === location.size;
  const header = decodeRecordHeader(bytes);
  if (isLocated && header !== undefined && isHeaderOf(header, kind, digest, location)) {
    return undefined;
  }
  const what = isLocated ? 'the header of a record' : 'the size of a record';
  const message = `${what} is damaged: ${path} at ${location.offset}`;
  return { record, error: new NarthexError('STORE_INVALID', message, facts), dataHolds: true };
}

function isHeaderOf(
  header: RecordHeader,
  kind: IndexedRecord['kind'],
  digest: Digest,
  { encoding, encodedSize, size }: RecordLocation,
): boolean {
  return (
    header.kind === kind &&
    header.encoding === encoding &&
    header.encodedSize === encodedSize &&
    header.size === size &&
    header.digest.equals(digest)
  );
}

/** The system's codes for a place of the disk that cannot be read. */
const BAD_PLACE: ReadonlySet<unknown> = new Set(['EIO', 'EUCLEAN', 'EBADMSG']);

/** A pack that is gone, cut off or cannot be read in some place is an answer; all else is thrown. */
async function readOrFault(read: () => Promise<Uint8Array>): Promise<Uint8Array | NarthexError> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof NarthexError)) throw error;
    if (error.code === 'STORE_INVALID' || BAD_PLACE.has(error.facts['systemCode'])) return error;
    throw error;
  }
}

interface Span {
  readonly records: [IndexedRecord, ...IndexedRecord[]];
  readonly offset: number;
  end: number;
}

/** Each is complete when it is given out. */
function* spansOf(records: Iterable<IndexedRecord>): Generator<Span, void, undefined> {
  let span: Span | undefined;
  for (const record of records) {
    const { location } = record;
    const end = endOffset(location);
    if (
      span !== undefined &&
      span.records[0].location.pack === location.pack &&
      span.end === location.offset &&
      end - span.offset <= SPAN_BYTES
    ) {
      span.records.push(record);
      span.end = end;
    } else {
      if (span !== undefined) yield span;
      span = { records: [record], offset: location.offset, end };
    }
  }
  if (span !== undefined) yield span;
}
