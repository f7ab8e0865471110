/** The LMDB index of a store. Several processes may have it open at once. */
import { access, realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { open, type RootDatabase } from 'lmdb';
import { utf8 } from '../bytes.ts';
import { NarthexError } from '../errors.ts';
import { SharedResources } from '../sharedResources.ts';
import { checkIndexFile, unfinishedStore } from './indexFile.ts';
import {
  ADDED_TABLES,
  decodeU32,
  encodeU32,
  SCHEMA_VERSION,
  TABLE_NAMES,
  type TableName,
} from './schema.ts';
import { orStoreFailure, storeFailure } from './storeFailure.ts';
import { type RawTable, Table } from './table.ts';

/**
 * Address space for the map, not memory and not disk: the most that an index can grow to. With
 * chunks of 64 KiB a hundred terabytes of content have room.
 */
const MAP_BYTES = 256 * 1024 ** 3;

const SCHEMA_KEY = utf8('schema');
const NEXT_PACK_KEY = utf8('next pack');
const FIRST_PACK = 1;

/** The sub-databases by name. */
export type Tables = Readonly<Record<TableName, Table>>;

type Root = RootDatabase<Uint8Array, Uint8Array>;

/** What LMDB's binding has open. */
interface OpenIndex {
  readonly root: Root;
  readonly tables: Tables;
}

/**
 * What this process has open for writing, by path. LMDB's binding must not have one file open for writing twice:
 * opening a sub-database takes the lock for writing on the main thread, which the other one's transaction may
 * hold until the main thread has run it.
 */
const openForWriting = new SharedResources<OpenIndex>(({ root }) => root.close());

/** An open index. */
export class StoreIndex implements AsyncDisposable {
  readonly tables: Tables;
  readonly path: string;
  readonly #root: Root;
  readonly #close: () => Promise<void>;

  private constructor(path: string, { root, tables }: OpenIndex, close: () => Promise<void>) {
    this.path = path;
    this.tables = tables;
    this.#root = root;
    this.#close = close;
  }

  /**
   * Opens the index at `path`, and makes it where it may be made.
   * @throws STORE_FAILED there is none, or it cannot be read
   * @throws STORE_VERSION it is of another version
   * @throws STORE_INVALID it is damaged, or no index
   */
  static async open(
    path: string,
    options: { readonly readOnly: boolean; readonly create: boolean },
  ): Promise<StoreIndex> {
    const exists = await access(path).then(
      () => true,
      () => false,
    );
    // where it should be there, this says why it is not
    if (exists || !options.create) await checkIndexFile(path, options.readOnly);
    if (options.readOnly) {
      const index = await openIndex(path, true);
      return new StoreIndex(path, index, () => index.root.close());
    }
    const { value, leave } = await openForWriting.enter(await canonicalPath(path), () =>
      openIndex(path, false),
    );
    return new StoreIndex(path, value, leave);
  }

  /**
   * Runs `action` in a transaction of its own, after those that were asked for before. What it
   * throws takes back all it wrote. On return everything is on disk.
   * @throws STORE_FAILED | STORE_INVALID
   */
  async transaction<T>(action: () => T): Promise<T> {
    return await orStoreFailure('committing to the index', this.path, async () => {
      try {
        return await this.#root.childTransaction(action);
      } catch (error) {
        throw await commitError(error);
      }
    });
  }

  /**
   * A number that no pack of this store has had.
   * @param taken called in the same transaction
   */
  async allocatePack(taken: (number: number) => void): Promise<number> {
    const { meta } = this.tables;
    return await this.transaction(() => {
      const number = nextPack(this.tables);
      meta.put(NEXT_PACK_KEY, encodeU32(number + 1));
      taken(number);
      return number;
    });
  }

  /** Frees the slots of readers that ended without doing so: what they saw would be kept for ever. */
  checkReaders(): void {
    this.#root.readerCheck();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await orStoreFailure('closing the index', this.path, this.#close);
  }
}

async function openIndex(path: string, readOnly: boolean): Promise<OpenIndex> {
  let root: Root | undefined;
  try {
    root = open<Uint8Array, Uint8Array>(path, {
      encoding: 'binary',
      keyEncoding: 'binary',
      maxDbs: TABLE_NAMES.length,
      mapSize: MAP_BYTES,
      noSubdir: true,
      // a commit is acknowledged when it is on disk
      overlappingSync: false,
      // every write is in a transaction; batching what is written outside of one leaves a promise
      // unhandled when a commit fails
      eventTurnBatching: false,
      // typed as a plain boolean though it may be left out
      ...(readOnly ? { readOnly: true } : {}),
    });
    const complete = checkSchema(root, path);
    if (!complete && readOnly) throw unfinishedStore(path);
    const tables = openTables(root, path);
    // last: an index that says its schema is whole
    if (!complete) await root.childTransaction(() => putSchema(tables.meta));
    return { root, tables };
  } catch (error) {
    await root?.close();
    throw storeFailure('opening the index', path, error);
  }
}

/** The same for each way to write the path of one file, which need not be there yet. */
async function canonicalPath(path: string): Promise<string> {
  const directory = dirname(path);
  return join(
    await orStoreFailure('opening the index', directory, () => realpath(directory)),
    basename(path),
  );
}

/** The number that the next pack will get: those of all packs there are lie below it. */
export function nextPack({ meta }: Tables): number {
  const stored = meta.get(NEXT_PACK_KEY);
  return stored === undefined ? FIRST_PACK : decodeU32(stored);
}

/** LMDB's binding tells why a commit failed by a promise in the error. */
async function commitError(error: unknown): Promise<unknown> {
  if (!(error instanceof Error && 'commitError' in error)) return error;
  try {
    await error.commitError;
    return error;
  } catch (reason) {
    return reason;
  }
}

/**
 * Before anything else is read or made: a store of another version is left as it is.
 * @returns false where a store is only being made, or was when whoever made it ended
 * @throws STORE_VERSION
 */
function checkSchema(root: Root, path: string): boolean {
  // typed as if it always succeeded; what is absent from an index opened for reading is undefined
  const meta = new Table(
    () => root.openDB({ name: 'meta', encoding: 'binary', keyEncoding: 'binary' }),
    path,
  );
  const stored = meta.get(SCHEMA_KEY);
  if (stored === undefined) return false;
  const version = decodeU32(stored);
  if (version === SCHEMA_VERSION) return true;
  throw new NarthexError(
    'STORE_VERSION',
    `the store's schema is ${version}, where this version of narthex has ${SCHEMA_VERSION}: ${path}`,
    { path, expected: SCHEMA_VERSION, actual: version },
  );
}

/** Whoever was first has put it. */
function putSchema(meta: Table): void {
  if (!meta.has(SCHEMA_KEY)) meta.put(SCHEMA_KEY, encodeU32(SCHEMA_VERSION));
}

function openTable(root: Root, path: string, name: TableName): Table {
  // openDB is typed as if it always succeeded; a table that is absent from an index opened for
  // reading comes back as undefined
  const openRaw = (): RawTable | undefined =>
    root.openDB({ name, encoding: 'binary', keyEncoding: 'binary' });
  const table = new Table(openRaw, path);
  if (!table.exists && !ADDED_TABLES.has(name)) {
    throw new NarthexError('STORE_INVALID', `the index has no table ${name}: ${path}`, {
      path,
      table: name,
    });
  }
  return table;
}

function openTables(root: Root, path: string): Tables {
  const tableOf = (name: TableName) => openTable(root, path, name);
  return {
    meta: tableOf('meta'),
    pack: tableOf('pack'),
    chunk: tableOf('chunk'),
    directory: tableOf('directory'),
    blob: tableOf('blob'),
    nar: tableOf('nar'),
    variant: tableOf('variant'),
    current: tableOf('current'),
    closure: tableOf('closure'),
    referrer: tableOf('referrer'),
    finding: tableOf('finding'),
    extra: tableOf('extra'),
    used: tableOf('used'),
    pin: tableOf('pin'),
    lease: tableOf('lease'),
    stamp: tableOf('stamp'),
    level: tableOf('level'),
  };
}
