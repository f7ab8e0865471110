/**
 * Deletes from the index what is not marked. What was committed since the marks were made is followed in
 * the same transactions, so that nothing that stays loses what it stands on:
 *
 * 1. one transaction for all that refers to something (NAR hashes, directories, blobs),
 * 2. many for chunks, which nothing refers to any more that is not marked.
 */
import { bytesKey, EMPTY } from '../../bytes.ts';
import { Digest } from '../../castore/digest.ts';
import { linksOfRecord } from '../pathInfoCodec.ts';
import { decodeLocation, decodeNar, variantRowKey } from '../schema.ts';
import { EMPTY_BLOB } from '../storedNode.ts';
import type { StoreIndex, Tables } from '../storeIndex.ts';
import type { Row, Table } from '../table.ts';
import { type ContentMarks, runNow } from './contentMarks.ts';
import { newStamps } from './leaseTable.ts';
import type { LinkedVariant } from './retention.ts';

/** Chunks that are looked at in one transaction: others wait some 20 ms for it. */
const TRANSACTION_CHUNKS = 8192;

/** What is needed to sweep. */
export interface SweepParts {
  readonly marks: ContentMarks;
  /** Content in packs from this number on stays: a process that lives wrote it. */
  readonly firstPack: number;
  /** How many stamps of each lease are not to be followed; of none by default. */
  readonly passedOver?: ReadonlyMap<number, number> | undefined;
}

/** How much is deleted. */
export interface SweepCounts {
  nars: number;
  directories: number;
  blobs: number;
  chunks: number;
}

/** Whether rows are garbage. */
export class Garbage {
  readonly #tables: Tables;
  readonly #marks: ContentMarks;
  readonly #firstPack: number;
  readonly #seen: Map<number, number>;
  /** NarHashes of symlinks that were put since variants were chosen. */
  readonly #putSymlinks = new Set<string>();
  #stampRows = 0;

  constructor(tables: Tables, { marks, firstPack, passedOver = new Map() }: SweepParts) {
    this.#seen = new Map(passedOver);
    this.#tables = tables;
    this.#marks = marks;
    this.#firstPack = firstPack;
  }

  /** Marks what others have come to rely on. @throws DIGEST_MISMATCH | STORE_INVALID | STORE_FAILED */
  *markStamps(): Generator<void, void, undefined> {
    // while a collection runs, rows are only added
    const rows = this.#tables.stamp.count();
    if (rows === this.#stampRows) return;
    this.#stampRows = rows;
    for (const stamp of newStamps(this.#tables, this.#seen)) {
      if (stamp.kind === 'variant') this.#noteSymlink(stamp.digest);
      else yield* this.#marks.markStamp(stamp);
    }
  }

  /** Marks the content of extra files, which stay. @throws as above */
  *markExtraFiles(): Generator<void, void, undefined> {
    yield* this.#marks.markExtraFiles();
  }

  /** Marks below the directories that processes that live have written. @throws as above */
  *markWritten(): Generator<void, void, undefined> {
    for (const { key, value } of this.#tables.directory.withPrefix(EMPTY)) {
      if (decodeLocation(value).pack < this.#firstPack) continue;
      yield* this.#marks.markDirectory(new Digest(key));
    }
  }

  readonly directory = ({ key, value }: Row): boolean =>
    !this.#marks.directories.has({ bytes: key }) && this.#isOld(value);

  readonly chunk = ({ key, value }: Row): boolean =>
    !this.#marks.chunks.has({ bytes: key }) && this.#isOld(value);

  readonly blob = ({ key }: Row): boolean => !this.#marks.blobs.has({ bytes: key });

  /** Whether the content of a NAR is; a symlink has none, and goes with the last path that has it. */
  nar(kept: Iterable<LinkedVariant>): (row: Row) => boolean {
    const narHashes = new Set(Array.from(kept, ({ narHash }) => bytesKey(narHash)));
    return ({ key, value }) => {
      const { node } = decodeNar(value).content;
      if (node.type === 'symlink') {
        const narHash = bytesKey(key);
        return !narHashes.has(narHash) && !this.#putSymlinks.has(narHash);
      }
      const bytes = node.digest;
      if (node.type === 'directory') {
        const stored = this.#tables.directory.get(bytes.bytes);
        return stored === undefined || this.directory({ key: bytes.bytes, value: stored });
      }
      if (bytes.equals(EMPTY_BLOB) || this.#marks.blobs.has(bytes)) return false;
      const stored = this.#tables.chunk.get(bytes.bytes);
      return stored === undefined || this.chunk({ key: bytes.bytes, value: stored });
    };
  }

  #noteSymlink(closureDigest: Digest): void {
    const digest = this.#tables.closure.get(closureDigest.bytes);
    const record = digest && this.#tables.variant.get(variantRowKey(digest, closureDigest));
    const links = record && linksOfRecord(record);
    if (links?.node.type === 'symlink') this.#putSymlinks.add(bytesKey(links.narHash));
  }

  #isOld(location: Uint8Array): boolean {
    return decodeLocation(location).pack < this.#firstPack;
  }
}

/** Counts what would be deleted. */
export function countGarbage(
  tables: Tables,
  garbage: Garbage,
  kept: Iterable<LinkedVariant>,
): SweepCounts {
  const count = (table: Table, isGarbage: (row: Row) => boolean) => {
    let found = 0;
    for (const row of table.withPrefix(EMPTY)) if (isGarbage(row)) found++;
    return found;
  };
  return {
    nars: count(tables.nar, garbage.nar(kept)),
    directories: count(tables.directory, garbage.directory),
    blobs: count(tables.blob, garbage.blob),
    chunks: count(tables.chunk, garbage.chunk),
  };
}

/** Deletes. @throws STORE_FAILED | STORE_INVALID | DIGEST_MISMATCH, the signal's reason */
export async function sweep(
  index: Pick<StoreIndex, 'tables' | 'transaction'>,
  garbage: Garbage,
  kept: readonly LinkedVariant[],
  signal: AbortSignal | undefined,
): Promise<SweepCounts> {
  const { tables } = index;
  const counts = await index.transaction(() => {
    runNow(garbage.markStamps());
    return {
      nars: remove(tables.nar, garbage.nar(kept)),
      directories: remove(tables.directory, garbage.directory),
      blobs: remove(tables.blob, garbage.blob),
      chunks: 0,
    };
  });
  for (let from: Uint8Array | undefined = EMPTY; from !== undefined; ) {
    signal?.throwIfAborted();
    const start: Uint8Array = from;
    from = await index.transaction(() => {
      runNow(garbage.markStamps());
      const rows = tables.chunk.rowsAfter(start, TRANSACTION_CHUNKS);
      for (const row of rows) {
        if (!garbage.chunk(row)) continue;
        tables.chunk.remove(row.key);
        counts.chunks++;
      }
      return rows.at(-1)?.key;
    });
  }
  return counts;
}

function remove(table: Table, isGarbage: (row: Row) => boolean): number {
  let removed = 0;
  for (const page of table.pages(EMPTY)) {
    for (const row of page) {
      if (!isGarbage(row)) continue;
      table.remove(row.key);
      removed++;
    }
  }
  return removed;
}
