/** How much a store holds and takes. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { EMPTY } from '../bytes.ts';
import { Digest } from '../castore/digest.ts';
import { indexPath, isPackName, packsPath } from './layout.ts';
import { narSizeOfRecord } from './pathInfoCodec.ts';
import { decodeLocation, variantRowKey } from './schema.ts';
import { orStoreFailure } from './storeFailure.ts';
import type { Tables } from './storeIndex.ts';
import type { Table } from './table.ts';

/** `st_blocks` counts in these, whatever the file system's own blocks are (stat(2)). */
const STAT_BLOCK_BYTES = 512;

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
  /** Bytes that packs and index take on disk, as allocated. */
  readonly storedBytes: number;
}

/** Counts; goes through the whole index. @throws STORE_FAILED | STORE_INVALID */
export async function storeStats(directory: string, tables: Tables): Promise<StoreStats> {
  const packNames = await packNamesIn(directory);
  const storedBytes = await storedBytesOf(directory);
  const narSize = (digest: Uint8Array, closureDigest: Uint8Array) => {
    const record = tables.variant.get(variantRowKey(digest, new Digest(closureDigest)));
    return record === undefined ? 0 : narSizeOfRecord(record);
  };
  const recordSize = (_: Uint8Array, location: Uint8Array) => decodeLocation(location).size;
  return {
    paths: tables.current.count(),
    variants: tables.variant.count(),
    narBytes: await sum(tables.current, narSize),
    chunks: tables.chunk.count(),
    chunkedBlobs: tables.blob.count(),
    directories: tables.directory.count(),
    uniqueBytes: (await sum(tables.chunk, recordSize)) + (await sum(tables.directory, recordSize)),
    packs: packNames.length,
    storedBytes,
  };
}

async function packNamesIn(directory: string): Promise<string[]> {
  return await orStoreFailure('reading the packs', packsPath(directory), async () =>
    (await readdir(packsPath(directory))).filter(isPackName),
  );
}

/** What packs and index take on disk, as allocated. @throws STORE_FAILED */
export async function storedBytesOf(directory: string): Promise<number> {
  const index = indexPath(directory);
  const packs = (await packNamesIn(directory)).map((name) => join(packsPath(directory), name));
  let bytes = 0;
  for (const path of [index, `${index}-lock`, ...packs]) bytes += await allocatedBytes(path);
  return bytes;
}

/** A pack that a collection removed since it was listed takes nothing. */
async function allocatedBytes(path: string): Promise<number> {
  return await orStoreFailure('measuring a file', path, async () => {
    try {
      const { blocks } = await stat(path);
      return blocks * STAT_BLOCK_BYTES;
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 0;
      throw error;
    }
  });
}

async function sum(
  table: Table,
  amount: (key: Uint8Array, value: Uint8Array) => number,
): Promise<number> {
  let total = 0;
  for (const page of table.pages(EMPTY)) {
    for (const { key, value } of page) total += amount(key, value);
    // millions of rows must not keep the event loop
    await new Promise(setImmediate);
  }
  return total;
}
