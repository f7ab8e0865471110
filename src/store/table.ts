/** One sub-database of the index: byte strings to byte strings, ordered by key. */
import type { Database } from 'lmdb';
import { EMPTY } from '../bytes.ts';
import { storeFailure } from './storeFailure.ts';

/** A key with its value. */
export interface Row {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** A sub-database as the binding gives it. */
export type RawTable = Database<Uint8Array, Uint8Array>;

/** How many rows are read at a time; a snapshot is held no longer than one such page takes. */
const PAGE_ROWS = 512;

/**
 * Reads see what was committed a moment ago; inside a transaction also what it wrote. A table that is not
 * there, since the index is only read and nobody has made it yet, is empty.
 */
export class Table {
  readonly #open: () => RawTable | undefined;
  readonly #path: string;
  #raw: RawTable | undefined;

  /** @param open asked again at each use until it gives a sub-database */
  constructor(open: () => RawTable | undefined, path: string) {
    this.#open = open;
    this.#path = path;
  }

  /** Whether it is there. @throws STORE_FAILED | STORE_INVALID */
  get exists(): boolean {
    return this.#read(() => true) ?? false;
  }

  /** @throws STORE_FAILED | STORE_INVALID */
  get(key: Uint8Array): Uint8Array | undefined {
    return this.#read((raw) => raw.get(key));
  }

  /**
   * Like `get`, but what is not there is looked for again in a new snapshot: another process may
   * have committed it since the one in use was taken. Not for use inside a transaction.
   * @throws STORE_FAILED | STORE_INVALID
   */
  getFresh(key: Uint8Array): Uint8Array | undefined {
    const value = this.get(key);
    if (value !== undefined) return value;
    return this.getLatest(key);
  }

  /**
   * Like `get`, in a new snapshot. Not for use inside a transaction.
   * @throws STORE_FAILED | STORE_INVALID
   */
  getLatest(key: Uint8Array): Uint8Array | undefined {
    this.refresh();
    return this.get(key);
  }

  /** What is read next is read in a new snapshot. Not for use inside a transaction. */
  refresh(): void {
    this.#read((raw) => raw.resetReadTxn());
  }

  /** @throws STORE_FAILED | STORE_INVALID */
  has(key: Uint8Array): boolean {
    return this.#read((raw) => raw.doesExist(key)) ?? false;
  }

  /** Inside a transaction only. @throws STORE_FAILED | STORE_INVALID */
  put(key: Uint8Array, value: Uint8Array): void {
    this.#guarded('writing the index', () => this.#table?.putSync(key, value));
  }

  /** Inside a transaction only. @throws STORE_FAILED | STORE_INVALID */
  remove(key: Uint8Array): void {
    this.#guarded('writing the index', () => this.#table?.removeSync(key));
  }

  /** Number of rows. @throws STORE_FAILED | STORE_INVALID */
  count(): number {
    // typed as {}; LMDB's MDB_stat has it
    const stats: { entryCount?: number } | undefined = this.#read((raw) => raw.getStats());
    return stats?.entryCount ?? 0;
  }

  /**
   * The rows whose keys begin with `prefix`, in order. Read a page at a time: rows that change while
   * the iteration goes on may be seen as they were or as they are.
   * @throws STORE_FAILED | STORE_INVALID
   */
  *withPrefix(prefix: Uint8Array): Generator<Row, void, undefined> {
    for (const page of this.pages(prefix)) yield* page;
  }

  /** The same rows in pages, none of them empty. @throws STORE_FAILED | STORE_INVALID */
  *pages(prefix: Uint8Array): Generator<readonly Row[], void, undefined> {
    let start = prefix;
    let exclusiveStart = false;
    for (;;) {
      const page = this.#page(prefix, start, exclusiveStart);
      if (page.length > 0) yield page;
      const last = page.at(-1);
      if (last === undefined || page.length < PAGE_ROWS) return;
      start = last.key;
      exclusiveStart = true;
    }
  }

  /** The rows after a key, in order, so many at most. @throws STORE_FAILED | STORE_INVALID */
  rowsAfter(key: Uint8Array, limit: number): Row[] {
    return this.#page(EMPTY, key, key.length > 0, limit);
  }

  #page(
    prefix: Uint8Array,
    start: Uint8Array,
    exclusiveStart: boolean,
    limit: number = PAGE_ROWS,
  ): Row[] {
    const rows: Row[] = [];
    this.#read((raw) => {
      // an empty start is no key; without one the range begins at the first
      const range = { ...(start.length > 0 ? { start, exclusiveStart } : {}), limit };
      for (const { key, value } of raw.getRange(range)) {
        if (Buffer.compare(key.subarray(0, prefix.length), prefix) !== 0) break;
        rows.push({ key, value });
      }
    });
    return rows;
  }

  get #table(): RawTable | undefined {
    this.#raw ??= this.#open();
    return this.#raw;
  }

  /** @returns `undefined` where the table is not there */
  #read<T>(action: (raw: RawTable) => T): T | undefined {
    return this.#guarded('reading the index', () => {
      const raw = this.#table;
      return raw && action(raw);
    });
  }

  #guarded<T>(name: string, action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw storeFailure(name, this.#path, error);
    }
  }
}

/** Goes through a whole table, without keeping the event loop: there may be millions of rows. */
export async function eachRow(table: Table, action: (row: Row) => void): Promise<void> {
  for (const page of table.pages(EMPTY)) {
    for (const row of page) action(row);
    await new Promise(setImmediate);
  }
}
