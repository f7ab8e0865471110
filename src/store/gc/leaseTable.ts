/**
 * Leases, stamps, the state of a collection and who compresses, as rows of the index.
 *
 *     lease      = process, u48 when it was renewed, u32 first pack that it protects,
 *                  u32 barrier that it has passed, u8 use: 0 open | 1 ended | 2 repairing
 *     collection = u32 barrier, u8 phase, process that collects
 *     compression = process that compresses what lies at rest; absent where none does
 *     process    = boot (text), namespace (text), pid, when it started (text)
 *     stamps     = (u8 kind, digest)*    kind 0 chunk | 1 directory | 2 blob | 3 variant,
 *                                        by its closure digest
 *
 * Fields of leases and collections are written by recordBytes.ts, numbers as varints. `lease.ts` tells what
 * they mean.
 */
import { EMPTY, utf8 } from '../../bytes.ts';
import { DIGEST_BYTES, Digest } from '../../castore/digest.ts';
import type { ProcessIdentity } from '../processIdentity.ts';
import { FieldReader, FieldWriter } from '../recordBytes.ts';
import { decodeU32, encodeU32 } from '../schema.ts';
import type { Tables } from '../storeIndex.ts';

/** What a collection is doing. */
export type CollectionPhase = 'idle' | 'selecting' | 'sweeping' | 'rewriting';

/** The state of the collection that runs, or of the last one. */
export interface CollectionState {
  /** Raised whenever all who write have to take notice. */
  readonly barrier: number;
  readonly phase: CollectionPhase;
  readonly process: ProcessIdentity;
}

/** The lease of an open store. */
export interface LeaseRecord {
  readonly process: ProcessIdentity;
  /** Milliseconds since 1970. */
  readonly renewedAt: number;
  /** Content in packs from this number on is kept. */
  readonly firstPack: number;
  /** The last barrier that its process took notice of. */
  readonly barrier: number;
  readonly use: LeaseUse;
}

/**
 * What its process does with the store: `ended` where it was closed during a collection that still needs to know its
 * stamps, `repairing` where no collection may begin.
 */
export type LeaseUse = 'open' | 'ended' | 'repairing';

/** What can be relied on without being written. */
export type StampKind = 'chunk' | 'directory' | 'blob' | 'variant';

/** Something that is to be kept. */
export interface Stamp {
  readonly kind: StampKind;
  readonly digest: Digest;
}

/** The `firstPack` of a lease under which nothing is written. */
export const NO_PACK = 0xffff_ffff;

const PHASES: readonly CollectionPhase[] = ['idle', 'selecting', 'sweeping', 'rewriting'];
const LEASE_USES: readonly LeaseUse[] = ['open', 'ended', 'repairing'];
const STAMP_KINDS: readonly StampKind[] = ['chunk', 'directory', 'blob', 'variant'];
const STAMP_BYTES = 1 + DIGEST_BYTES;
const COLLECTION_KEY = utf8('collection');
const COMPRESSION_KEY = utf8('compression');
const NEXT_LEASE_KEY = utf8('next lease');

function writeProcess(
  writer: FieldWriter,
  { boot, namespace, pid, startedAt }: ProcessIdentity,
): void {
  writer.text(boot).text(namespace).uint(pid).text(startedAt);
}

function readProcess(reader: FieldReader): ProcessIdentity {
  return {
    boot: reader.text(),
    namespace: reader.text(),
    pid: reader.uint(),
    startedAt: reader.text(),
  };
}

/** The state of the collection, or `undefined` where there has been none. @throws STORE_INVALID */
export function collectionState(
  { meta }: Tables,
  read: 'get' | 'getLatest' = 'get',
): CollectionState | undefined {
  const record = meta[read](COLLECTION_KEY);
  if (record === undefined) return undefined;
  const reader = new FieldReader(record);
  const state = {
    barrier: reader.uint(),
    phase: reader.choice(PHASES),
    process: readProcess(reader),
  };
  reader.end();
  return state;
}

/** Inside a transaction only. */
export function putCollectionState({ meta }: Tables, state: CollectionState): void {
  const writer = new FieldWriter().uint(state.barrier).uint(PHASES.indexOf(state.phase));
  writeProcess(writer, state.process);
  meta.put(COLLECTION_KEY, writer.finish());
}

/** The process that compresses what lies at rest, or that ended while it did. @throws STORE_INVALID */
export function compressingProcess({ meta }: Tables): ProcessIdentity | undefined {
  const record = meta.get(COMPRESSION_KEY);
  if (record === undefined) return undefined;
  const reader = new FieldReader(record);
  const process = readProcess(reader);
  reader.end();
  return process;
}

/** Inside a transaction only. */
export function putCompressingProcess(
  { meta }: Tables,
  process: ProcessIdentity | undefined,
): void {
  if (process === undefined) {
    meta.remove(COMPRESSION_KEY);
    return;
  }
  const writer = new FieldWriter();
  writeProcess(writer, process);
  meta.put(COMPRESSION_KEY, writer.finish());
}

/** Whether what is deleted by now has to be told of what is relied on. */
export function isDeleting(phase: CollectionPhase | undefined): boolean {
  return phase === 'selecting' || phase === 'sweeping';
}

/** A number that no lease of this store has had. Inside a transaction only. */
export function allocateLease({ meta }: Tables): number {
  const stored = meta.get(NEXT_LEASE_KEY);
  const number = stored === undefined ? 1 : decodeU32(stored);
  meta.put(NEXT_LEASE_KEY, encodeU32(number + 1));
  return number;
}

/** Inside a transaction only. */
export function putLease({ lease }: Tables, number: number, record: LeaseRecord): void {
  const writer = new FieldWriter();
  writeProcess(writer, record.process);
  writer.uint(record.renewedAt).uint(record.firstPack).uint(record.barrier);
  lease.put(encodeU32(number), writer.uint(LEASE_USES.indexOf(record.use)).finish());
}

/** All leases by number. @throws STORE_INVALID */
export function leasesOf({ lease }: Tables): Map<number, LeaseRecord> {
  const leases = new Map<number, LeaseRecord>();
  for (const { key, value } of lease.withPrefix(EMPTY)) {
    const reader = new FieldReader(value);
    leases.set(decodeU32(key), {
      process: readProcess(reader),
      renewedAt: reader.uint(),
      firstPack: reader.uint(),
      barrier: reader.uint(),
      use: reader.choice(LEASE_USES),
    });
    reader.end();
  }
  return leases;
}

/** Removes a lease and its stamps. Inside a transaction only. */
export function removeLease(tables: Tables, number: number): void {
  tables.lease.remove(encodeU32(number));
  for (const { key } of tables.stamp.withPrefix(encodeU32(number))) tables.stamp.remove(key);
}

/** Removes stamps of a lease by their counts. Inside a transaction only. */
export function removeStamps({ stamp }: Tables, lease: number, counts: readonly number[]): void {
  for (const count of counts) stamp.remove(stampRowKey(lease, count));
}

function stampRowKey(lease: number, count: number): Uint8Array {
  return Buffer.concat([encodeU32(lease), encodeU32(count)]);
}

/** Puts stamps under a lease. Inside a transaction only. */
export function putStamps(
  { stamp }: Tables,
  lease: number,
  count: number,
  stamps: readonly Stamp[],
): void {
  const value = Buffer.allocUnsafe(stamps.length * STAMP_BYTES);
  for (const [index, { kind, digest }] of stamps.entries()) {
    value.writeUInt8(STAMP_KINDS.indexOf(kind), index * STAMP_BYTES);
    value.set(digest.bytes, index * STAMP_BYTES + 1);
  }
  stamp.put(stampRowKey(lease, count), value);
}

/**
 * The stamps that were not given out before.
 * @param seen how many of each lease were, which is brought up to date
 * @throws STORE_INVALID
 */
export function* newStamps({ stamp }: Tables, seen: Map<number, number>): Generator<Stamp> {
  for (const { key, value } of stamp.withPrefix(EMPTY)) {
    const lease = decodeU32(key.subarray(0, 4));
    const count = decodeU32(key.subarray(4));
    if (count < (seen.get(lease) ?? 0)) continue;
    seen.set(lease, count + 1);
    yield* decodeStamps(value);
  }
}

/** What one that cannot be read was to keep nobody knows. */
function* decodeStamps(value: Uint8Array): Generator<Stamp> {
  const reader = new FieldReader(value);
  for (let start = 0; start < value.length; start += STAMP_BYTES) {
    const kind = reader.choice(STAMP_KINDS);
    yield { kind, digest: new Digest(Uint8Array.from(reader.fixed(DIGEST_BYTES))) };
  }
}
