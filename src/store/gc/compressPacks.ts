/**
 * Compresses what lies at rest, harder than it was when it came: pack by pack, each rewritten as a collection
 * rewrites packs, so that whoever reads or writes goes on meanwhile.
 *
 * - It leaves alone the packs that collections take to be in use: those that somebody may still write to.
 * - It and a collection do not change rows at the same time: what a collection has looked at must not move from a
 *   pack that is old to one that counts as new, where nothing below it is looked for any more. It waits.
 * - A repair points the index to whole records in packs of anybody, so neither begins while the other runs.
 * - It holds what it writes: its own pack, of which the index says nothing yet, is no garbage to a collection.
 * - A pack that is done is noted with its level (`packRows.ts`): what did not shrink is not tried again at that level.
 *
 * It deletes nothing that could be needed: what no row refers to goes along, since a row may have been lost and a repair may
 * find what it was about; only a collection knows. When it is killed, the pack that it was at is there still, and
 * all that was moved before has its new place.
 */
import { EMPTY } from '../../bytes.ts';
import { isNarthexError, type NarthexError } from '../../errors.ts';
import { packLevel } from '../packRows.ts';
import type { ScannedRecord } from '../packScan.ts';
import type { PackWriter } from '../packWriter.ts';
import { ownIdentity } from '../processIdentity.ts';
import {
  decodeData,
  type EncodedData,
  type EncoderOfLevel,
  type RecordEncoder,
} from '../recordEncoding.ts';
import { decodeU32, encodeU32 } from '../schema.ts';
import { runningRepair } from '../storeFailure.ts';
import type { StoreIndex, Tables } from '../storeIndex.ts';
import { storedBytesOf } from '../storeStats.ts';
import { firstLivePack } from './barrier.ts';
import { checkNoCompression, type Lease } from './lease.ts';
import { collectionState, leasesOf, putCompressingProcess } from './leaseTable.ts';
import { isCollecting, isLive } from './liveness.ts';
import { type PackUse, packUses } from './packUse.ts';
import { asItLies, type Reencoding, rewriteOrTell } from './rewritePack.ts';

/**
 * The level where there is time: 7% smaller than that at which content comes in, for 3.4 times the work.
 * docs/performance.md has the others.
 */
export const DEFAULT_REST_LEVEL = 6;

/** How to compress. */
export interface CompressOptions {
  /** 1 to 19; {@link DEFAULT_REST_LEVEL} by default. */
  readonly level?: number | undefined;
  /** What compresses; what the store was opened with by default. */
  readonly encoderOf?: EncoderOfLevel | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What was done. */
export interface CompressionReport {
  readonly level: number;
  /** Packs that were compressed. */
  readonly compressedPacks: number;
  /** Packs that still are to be, but may be in use: another run takes them. */
  readonly packsInUse: number;
  /** What packs and index took on disk, as allocated, and take now. */
  readonly storedBytesBefore: number;
  readonly storedBytes: number;
  /** Packs that stay as they are, since they are damaged. */
  readonly damagedPacks: readonly NarthexError[];
}

/** What is needed to compress. */
export interface CompressionParts {
  readonly directory: string;
  readonly index: StoreIndex;
  /** A store that can be written to has one. */
  readonly lease: Lease | undefined;
  readonly encoderOf: EncoderOfLevel;
  /** Packs of its own: in those of others is what was compressed otherwise. */
  readonly openWriter: () => PackWriter;
}

/** @throws STORE_BUSY | STORE_FAILED | STORE_INVALID | WORKER_FAILED, the signal's reason */
export async function compressPacks(
  parts: CompressionParts,
  { level = DEFAULT_REST_LEVEL, encoderOf = parts.encoderOf, signal }: CompressOptions,
): Promise<CompressionReport> {
  const { directory, index, lease, openWriter } = parts;
  const { tables } = index;
  const storedBytesBefore = await storedBytesOf(directory);
  const foreseen = lessCompressed(tables, level, firstLivePack(tables, Date.now()));
  if (foreseen.toDo.size === 0) {
    const storedBytes = storedBytesBefore;
    const none = { compressedPacks: 0, damagedPacks: [], storedBytesBefore, storedBytes };
    return { level, packsInUse: foreseen.inUse, ...none };
  }
  await lease?.ensureHeld();
  await using _turn = await takeTurn(index);
  using _held = lease?.holdWritten();
  // before packs are listed: all that are begun from here on have higher numbers
  const firstPack = firstLivePack(tables, Date.now());
  const { toDo, inUse } = lessCompressed(tables, level, firstPack);
  const damagedPacks: NarthexError[] = [];
  let compressedPacks = 0;
  const uses = await packUses(directory, tables);
  await using writer = openWriter();
  const encode = encoderOf(level);
  const reencoding: Reencoding = {
    level,
    encode: (record) => smaller(record, encode),
    mayMove: () => isAlone(tables, lease),
  };
  for (const use of uses.filter(({ number }) => toDo.has(number))) {
    signal?.throwIfAborted();
    try {
      const damage = await rewriteOrTell({ directory, index, writer, reencoding }, use, signal);
      if (damage === undefined) compressedPacks++;
      else damagedPacks.push(damage);
    } catch (error) {
      if (!(await wasRemoved(index, use, error))) throw error;
    }
  }
  await writer.complete();
  return {
    ...{ level, compressedPacks, packsInUse: inUse, damagedPacks, storedBytesBefore },
    storedBytes: await storedBytesOf(directory),
  };
}

/** The packs that the index refers to in which something was compressed at a lower level. */
function lessCompressed(
  tables: Tables,
  level: number,
  firstPack: number,
): { readonly toDo: ReadonlySet<number>; readonly inUse: number } {
  tables.pack.refresh();
  const less = Array.from(tables.pack.withPrefix(EMPTY), ({ key }) => decodeU32(key)).filter(
    (number) => (packLevel(tables, number) ?? 0) < level,
  );
  const toDo = new Set(less.filter((number) => number < firstPack));
  return { toDo, inUse: less.length - toDo.size };
}

/** Lets one process compress at a time, and no repair begin. @throws STORE_BUSY another one does, or repairs */
async function takeTurn(index: StoreIndex): Promise<AsyncDisposable> {
  const { tables, path } = index;
  await index.transaction(() => {
    checkNoCompression(index);
    for (const lease of leasesOf(tables).values()) {
      const isRepairing = lease.use === 'repairing' && isLive(lease, Date.now());
      if (isRepairing) throw runningRepair(path, lease.process.pid);
    }
    putCompressingProcess(tables, ownIdentity());
  });
  return {
    [Symbol.asyncDispose]: () => index.transaction(() => putCompressingProcess(tables, undefined)),
  };
}

/** Whether no collection is under way. Inside a transaction. @throws STORE_FAILED the lease is lost */
function isAlone(tables: Tables, lease: Lease | undefined): boolean {
  lease?.keepCommitted([]);
  const state = collectionState(tables);
  return state === undefined || !isCollecting(tables, state, Date.now());
}

/** Whether a pack could not be read since a collection has removed it meanwhile. */
async function wasRemoved(
  index: StoreIndex,
  { number }: PackUse,
  error: unknown,
): Promise<boolean> {
  if (!isNarthexError(error, 'STORE_FAILED') || error.facts['systemCode'] !== 'ENOENT')
    return false;
  return await index.transaction(() => !index.tables.pack.has(encodeU32(number)));
}

/** As it lies, where encoding it anew makes it no smaller, or where it cannot be decoded, which `verify` tells. */
async function smaller(record: ScannedRecord, encode: RecordEncoder): Promise<EncodedData> {
  const { kind, encoding, size } = record.header;
  const lies = asItLies(record);
  if (kind === 'blob') return lies;
  let decoded: Uint8Array;
  try {
    decoded = decodeData(encoding, record.data, size);
  } catch {
    return lies;
  }
  const encoded = await encode(decoded);
  return encoded.bytes.length < lies.bytes.length ? encoded : lies;
}
