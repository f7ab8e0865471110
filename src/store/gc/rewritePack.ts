/**
 * Gives back the space of a pack: what is still referred to goes into another pack, as it lies, and the
 * index points there; then the file is removed. Whoever has it open reads on; whoever comes with an
 * old location looks it up again.
 */
import { rm } from 'node:fs/promises';
import { EMPTY } from '../../bytes.ts';
import { DIGEST_BYTES } from '../../castore/digest.ts';
import { isNarthexError, NarthexError } from '../../errors.ts';
import { packPath } from '../layout.ts';
import { extendPack } from '../packEnd.ts';
import { endOffset, type RecordHeader, type RecordLocation } from '../packFormat.ts';
import { type ScannedRecord, scanPack } from '../packScan.ts';
import type { PackWriter } from '../packWriter.ts';
import { decodeLocation, encodeLocation, encodeU32 } from '../schema.ts';
import { orStoreFailure } from '../storeFailure.ts';
import type { StoreIndex, Tables } from '../storeIndex.ts';
import type { PackUse } from './packUse.ts';

/** Records that move in one transaction: others wait some 20 ms for it. */
const TRANSACTION_RECORDS = 4096;

/** What is needed to rewrite packs. */
export interface RewriteParts {
  readonly directory: string;
  readonly index: Pick<StoreIndex, 'tables' | 'transaction'>;
  readonly writer: PackWriter;
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
  { directory, index, writer }: RewriteParts,
  { number, path, records }: PackUse,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { tables } = index;
  let found = 0;
  let moves: Move[] = [];
  const move = async () => {
    await writer.sync();
    const some = moves;
    moves = [];
    await index.transaction(() => {
      for (const one of some) put(tables, one);
    });
  };
  const scan = records > 0 ? scanPack : scanIfWhole;
  const isWanted = ({ kind, digest }: RecordHeader) =>
    kind === 'blob' || tables[kind].has(digest.bytes);
  for await (const record of scan(path, number, isWanted)) {
    signal?.throwIfAborted();
    if (!isReferredTo(tables, record)) continue;
    if (record.header.kind !== 'blob') found++;
    moves.push({
      record: withoutData(record),
      to: await writer.append(record.header, record.data),
    });
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
  await index.transaction(() => tables.pack.remove(encodeU32(number)));
  await removePack(directory, number);
}

/** Removes a pack that nothing refers to. @throws STORE_FAILED */
export async function removePack(directory: string, number: number): Promise<void> {
  const path = packPath(directory, number);
  await orStoreFailure('removing a pack', path, () => rm(path, { force: true }));
}

/** The records of a pack that may have lost its beginning when the machine stopped. */
async function* scanIfWhole(...args: Parameters<typeof scanPack>): ReturnType<typeof scanPack> {
  try {
    yield* scanPack(...args);
  } catch (error) {
    if (!isNarthexError(error, 'STORE_INVALID')) throw error;
  }
}

function refersTo(tables: Tables, pack: number): boolean {
  return [tables.chunk, tables.directory].some((table) =>
    table.withPrefix(EMPTY).some(({ value }) => decodeLocation(value).pack === pack),
  );
}

function withoutData(record: ScannedRecord): ScannedRecord {
  return { ...record, data: record.data.subarray(0, 0) };
}

/** A list of chunks lies in a pack only so that an index can be made from it; its blob says whether it stays. */
function isReferredTo(tables: Tables, { header, location, data }: ScannedRecord): boolean {
  if (header.kind === 'blob') return tables.blob.has(data.subarray(0, DIGEST_BYTES));
  const stored = tables[header.kind].get(header.digest.bytes);
  if (stored === undefined) return false;
  const { pack, offset } = decodeLocation(stored);
  return pack === location.pack && offset === location.offset;
}

/** Inside a transaction. */
function put(tables: Tables, { record, to }: Move): void {
  const { header } = record;
  if (header.kind !== 'blob') {
    // somebody may have deleted or written it meanwhile
    if (!isReferredTo(tables, record)) return;
    tables[header.kind].put(header.digest.bytes, encodeLocation(to));
  }
  extendPack(tables.pack, to.pack, endOffset(to));
}
