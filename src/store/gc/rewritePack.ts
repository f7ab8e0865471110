/**
 * Gives back the space of a pack: what is still referred to goes into another pack, as it lies or
 * compressed anew, and the index points there; then the file is removed. Whoever has it open reads on; whoever
 * comes with an old location looks it up again.
 */
import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { EMPTY } from '../../bytes.ts';
import { DIGEST_BYTES } from '../../castore/digest.ts';
import { isNarthexError, NarthexError } from '../../errors.ts';
import { packPath } from '../layout.ts';
import { endOffset, type RecordHeader, type RecordLocation } from '../packFormat.ts';
import { extendPack, notePackLevel, packLevel, removePackRows } from '../packRows.ts';
import { type ScannedRecord, scanPack } from '../packScan.ts';
import type { PackWriter } from '../packWriter.ts';
import { type EncodedData, NO_COMPRESSION } from '../recordEncoding.ts';
import { decodeLocation, encodeLocation, encodeU32 } from '../schema.ts';
import { orStoreFailure } from '../storeFailure.ts';
import type { StoreIndex, Tables } from '../storeIndex.ts';
import type { PackUse } from './packUse.ts';

/** Records that move in one transaction: others wait some 20 ms for it. */
const TRANSACTION_RECORDS = 4096;

/** Data that is read ahead of what was written, so that several threads have something to compress. */
const AHEAD_BYTES = 4 * 1024 * 1024;
/** How often it is asked again whether rows may be changed. */
const RETRY_MS = 100;

/** What becomes of records on their way. Those that the index does not know go along. */
export interface Reencoding {
  /** The level at which all of them lie afterwards, at least. */
  readonly level: number;
  /** A record's data as it is to lie. Many are asked for at once. */
  encode(record: ScannedRecord): Promise<EncodedData>;
  /** Whether rows may be changed now; asked inside a transaction, and again later until they may. */
  mayMove(): boolean;
}

/** What is needed to rewrite packs. */
export interface RewriteParts {
  readonly directory: string;
  readonly index: Pick<StoreIndex, 'tables' | 'transaction'>;
  readonly writer: PackWriter;
  /** Records go as they lie without it. */
  readonly reencoding?: Reencoding | undefined;
}

/** A record that goes elsewhere. */
interface Move {
  readonly record: ScannedRecord;
  readonly to: RecordLocation;
}

/**
 * Rewrites one pack, in which nobody writes.
 * @throws STORE_INVALID not all that should be in it was found: it is damaged, and left as it is
 * @throws STORE_FAILED
 * @throws the signal's reason
 */
export async function rewritePack(
  { directory, index, writer, reencoding }: RewriteParts,
  { number, path, records }: PackUse,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { tables } = index;
  const level = reencoding?.level ?? packLevel(tables, number) ?? NO_COMPRESSION;
  const change = async (action: () => void) => {
    const changed = () =>
      index.transaction(() => {
        if (reencoding?.mayMove() === false) return false;
        action();
        return true;
      });
    while (!(await changed())) await sleep(RETRY_MS, undefined, { signal });
  };
  let found = 0;
  let moves: Move[] = [];
  const move = async () => {
    await writer.sync();
    const some = moves;
    moves = [];
    await change(() => {
      for (const one of some) put(tables, one, level);
    });
  };
  const scan = records > 0 ? scanPack : scanIfWhole;
  const isWanted = ({ kind, digest }: RecordHeader) =>
    reencoding !== undefined || kind === 'blob' || tables[kind].has(digest.bytes);
  const needed = async function* () {
    for await (const record of scan(path, number, isWanted)) {
      const isReferred = isReferredTo(tables, record);
      if (isReferred && record.header.kind !== 'blob') found++;
      if (isReferred || (reencoding !== undefined && isUnknown(tables, record))) yield record;
    }
  };
  for await (const { record, data } of encodedInOrder(needed(), reencoding)) {
    signal?.throwIfAborted();
    const { encoding, bytes } = data;
    const to = await writer.append(
      { ...record.header, encoding, encodedSize: bytes.length },
      bytes,
    );
    if (!isReferredTo(tables, record)) continue;
    moves.push({ record: withoutData(record), to });
    if (moves.length >= TRANSACTION_RECORDS) await move();
  }
  await move();
  // somebody may have written a record again meanwhile; then nothing is left that refers to this pack
  if (found < records && refersTo(tables, number)) {
    throw new NarthexError(
      'STORE_INVALID',
      `a pack is damaged, ${found} of ${records} records were found in it: ${path}`,
      { path, expected: records, actual: found },
    );
  }
  await change(() => removePackRows(tables, number));
  await removePack(directory, number);
}

/**
 * {@link rewritePack} of one of many.
 * @returns how the pack is damaged, if it is
 * @throws STORE_FAILED, the signal's reason; what was begun in vain is removed
 */
export async function rewriteOrTell(
  parts: RewriteParts,
  use: PackUse,
  signal: AbortSignal | undefined,
): Promise<NarthexError | undefined> {
  try {
    await rewritePack(parts, use, signal);
    return undefined;
  } catch (error) {
    if (isNarthexError(error, 'STORE_INVALID')) return error;
    await removeFailedPacks(parts);
    throw error;
  }
}

/** Removes a pack that nothing refers to. @throws STORE_FAILED */
export async function removePack(directory: string, number: number): Promise<void> {
  const path = packPath(directory, number);
  await orStoreFailure('removing a pack', path, () => rm(path, { force: true }));
}

/** What a full disk has taken before it refused more would be in the way of the next attempt. */
async function removeFailedPacks({ directory, index, writer }: RewriteParts): Promise<void> {
  for (const number of writer.failedPacks) {
    const isReferredTo = index.tables.pack.getLatest(encodeU32(number)) !== undefined;
    if (!isReferredTo) await removePack(directory, number);
  }
}

/** The records of a pack that may have lost its beginning when the machine stopped. */
async function* scanIfWhole(...args: Parameters<typeof scanPack>): ReturnType<typeof scanPack> {
  try {
    yield* scanPack(...args);
  } catch (error) {
    if (!isNarthexError(error, 'STORE_INVALID')) throw error;
  }
}

/** A record with its data as it is to lie. */
interface EncodedRecord {
  readonly record: ScannedRecord;
  readonly data: EncodedData;
}

/** Encodes several at once, and gives them out in the order in which they lay. */
async function* encodedInOrder(
  records: AsyncIterable<ScannedRecord>,
  reencoding: Reencoding | undefined,
): AsyncGenerator<EncodedRecord, void, undefined> {
  const ahead: { readonly record: ScannedRecord; readonly encoded: Promise<EncodedData> }[] = [];
  let aheadBytes = 0;
  for await (const record of records) {
    if (reencoding === undefined) {
      yield { record, data: asItLies(record) };
      continue;
    }
    const encoded = reencoding.encode(record);
    // whoever takes it sees its failure
    encoded.catch(() => {});
    ahead.push({ record, encoded });
    aheadBytes += record.data.length;
    for (let [first] = ahead; first !== undefined && aheadBytes > AHEAD_BYTES; [first] = ahead) {
      ahead.shift();
      aheadBytes -= first.record.data.length;
      yield { record: first.record, data: await first.encoded };
    }
  }
  for (const { record, encoded } of ahead) yield { record, data: await encoded };
}

/** A record's data as it is. */
export function asItLies({ header: { encoding }, data }: ScannedRecord): EncodedData {
  return { encoding, bytes: data };
}

function refersTo(tables: Tables, pack: number): boolean {
  return [tables.chunk, tables.directory].some((table) =>
    table.withPrefix(EMPTY).some(({ value }) => decodeLocation(value).pack === pack),
  );
}

function withoutData(record: ScannedRecord): ScannedRecord {
  return { ...record, data: EMPTY };
}

/** A list of chunks lies in a pack only so that an index can be made from it; its blob says whether it stays. */
function isReferredTo(tables: Tables, { header, location, data }: ScannedRecord): boolean {
  if (header.kind === 'blob') return tables.blob.has(data.subarray(0, DIGEST_BYTES));
  const stored = tables[header.kind].get(header.digest.bytes);
  if (stored === undefined) return false;
  const { pack, offset } = decodeLocation(stored);
  return pack === location.pack && offset === location.offset;
}

/** Whether the index has none of its kind and digest: it is garbage, or its row was lost. */
function isUnknown(tables: Tables, { header: { kind, digest }, data }: ScannedRecord): boolean {
  if (kind === 'blob') return !tables.blob.has(data.subarray(0, DIGEST_BYTES));
  return !tables[kind].has(digest.bytes);
}

/** Inside a transaction. */
function put(tables: Tables, { record, to }: Move, level: number): void {
  const { header } = record;
  if (header.kind !== 'blob') {
    // somebody may have deleted or written it meanwhile
    if (!isReferredTo(tables, record)) return;
    tables[header.kind].put(header.digest.bytes, encodeLocation(to));
  }
  extendPack(tables, to.pack, endOffset(to));
  notePackLevel(tables, to.pack, level);
}
