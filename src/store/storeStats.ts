/** How much a store holds and takes. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Digest } from '../castore/digest.ts';
import { allocatedBytes, statIfThere } from './allocation.ts';
import { indexPath, isPackName, packsPath } from './layout.ts';
import type { RecordLocation } from './packFormat.ts';
import { packLevel } from './packRows.ts';
import { narSizeOfRecord } from './pathInfoCodec.ts';
import { decodeLocation, variantRowKey } from './schema.ts';
import { orStoreFailure } from './storeFailure.ts';
import type { Tables } from './storeIndex.ts';
import { eachRow, type Table } from './table.ts';

/** What a store holds and takes. */
export interface StoreStats {
  /** Store paths with a current variant. */
  readonly paths: number;
  /** Variants of store paths, current or not. */
  readonly variants: number;
  /** Sum of the NarSizes of the current variants. */
  readonly narBytes: number;
  /** Distinct chunks; a small blob is one chunk. */
  readonly chunks: number;
  /** Blobs of more than one chunk. */
  readonly chunkedBlobs: number;
  readonly directories: number;
  /** Bytes of the distinct chunks and directories, decoded. */
  readonly uniqueBytes: number;
  readonly packs: number;
  /** Bytes that packs and index take on disk, as allocated: {@link packBytes} and {@link indexBytes}. */
  readonly storedBytes: number;
  readonly packBytes: number;
  readonly indexBytes: number;
  /** Chunks and directories that lie as they are. */
  readonly raw: RecordCounts;
  /** Chunks and directories that lie compressed. */
  readonly compressed: RecordCounts;
  /** The same records by the level at which their packs are compressed, lowest first; those that are not known first. */
  readonly levels: readonly LevelCounts[];
}

/** Some records. */
export interface RecordCounts {
  readonly records: number;
  /** When they are decoded. */
  readonly bytes: number;
  /** Of their data at rest. */
  readonly encodedBytes: number;
}

/** Records in packs of one level. */
export interface LevelCounts extends RecordCounts {
  /** Of zstd, 0 for not compressed; `null` where nobody has said, since the packs are older than that. */
  readonly level: number | null;
}

/** Counts; goes through the whole index. @throws STORE_FAILED | STORE_INVALID */
export async function storeStats(directory: string, tables: Tables): Promise<StoreStats> {
  const packNames = await packNamesIn(directory);
  const { packBytes, indexBytes } = await sizesOnDisk(directory);
  const narSize = (digest: Uint8Array, closureDigest: Uint8Array) => {
    const record = tables.variant.get(variantRowKey(digest, new Digest(closureDigest)));
    return record === undefined ? 0 : narSizeOfRecord(record);
  };
  const records = await countRecords(tables);
  return {
    paths: tables.current.count(),
    variants: tables.variant.count(),
    narBytes: await sum(tables.current, narSize),
    chunks: tables.chunk.count(),
    chunkedBlobs: tables.blob.count(),
    directories: tables.directory.count(),
    uniqueBytes: records.raw.bytes + records.compressed.bytes,
    packs: packNames.length,
    storedBytes: packBytes + indexBytes,
    packBytes,
    indexBytes,
    ...records,
  };
}

/** Adds up records. */
class Tally implements RecordCounts {
  records = 0;
  bytes = 0;
  encodedBytes = 0;

  add({ size, encodedSize }: RecordLocation): void {
    this.records++;
    this.bytes += size;
    this.encodedBytes += encodedSize;
  }

  /** Of that alone. */
  get counts(): RecordCounts {
    const { records, bytes, encodedBytes } = this;
    return { records, bytes, encodedBytes };
  }
}

async function countRecords(
  tables: Tables,
): Promise<Pick<StoreStats, 'raw' | 'compressed' | 'levels'>> {
  const byEncoding = { raw: new Tally(), zstd: new Tally() };
  const byPack = new Map<number, Tally>();
  for (const table of [tables.chunk, tables.directory]) {
    await eachRow(table, ({ value }) => {
      const location = decodeLocation(value);
      byEncoding[location.encoding].add(location);
      let tally = byPack.get(location.pack);
      if (tally === undefined) {
        tally = new Tally();
        byPack.set(location.pack, tally);
      }
      tally.add(location);
    });
  }
  return {
    raw: byEncoding.raw.counts,
    compressed: byEncoding.zstd.counts,
    levels: byLevel(tables, byPack),
  };
}

function byLevel(tables: Tables, byPack: ReadonlyMap<number, RecordCounts>): LevelCounts[] {
  const levels = new Map<number | null, LevelCounts>();
  for (const [pack, { records, bytes, encodedBytes }] of byPack) {
    const level = packLevel(tables, pack) ?? null;
    const before = levels.get(level) ?? { records: 0, bytes: 0, encodedBytes: 0 };
    levels.set(level, {
      level,
      records: before.records + records,
      bytes: before.bytes + bytes,
      encodedBytes: before.encodedBytes + encodedBytes,
    });
  }
  return [...levels.values()].sort((a, b) => (a.level ?? -1) - (b.level ?? -1));
}

async function packNamesIn(directory: string): Promise<string[]> {
  return await orStoreFailure('reading the packs', packsPath(directory), async () =>
    (await readdir(packsPath(directory))).filter(isPackName),
  );
}

/** What packs and index take on disk, as allocated. @throws STORE_FAILED */
export async function storedBytesOf(directory: string): Promise<number> {
  const { packBytes, indexBytes } = await sizesOnDisk(directory);
  return packBytes + indexBytes;
}

async function sizesOnDisk(
  directory: string,
): Promise<Pick<StoreStats, 'packBytes' | 'indexBytes'>> {
  const index = indexPath(directory);
  let packBytes = 0;
  for (const name of await packNamesIn(directory)) {
    packBytes += await bytesOf(join(packsPath(directory), name));
  }
  const indexBytes = (await bytesOf(index)) + (await bytesOf(`${index}-lock`));
  return { packBytes, indexBytes };
}

async function bytesOf(path: string): Promise<number> {
  const measured = await statIfThere(path);
  return measured === undefined ? 0 : allocatedBytes(measured);
}

async function sum(
  table: Table,
  amount: (key: Uint8Array, value: Uint8Array) => number,
): Promise<number> {
  let total = 0;
  await eachRow(table, ({ key, value }) => {
    total += amount(key, value);
  });
  return total;
}
