/**
 * What index and packs hold, row by row, for who checks whether they hold what they should. Rows come in
 * pages, of which each is read in a snapshot of its own: what others write or collect meanwhile may be
 * seen as it was or as it is, and `refresh` tells which.
 */
import { open } from 'node:fs/promises';
import { EMPTY } from '../bytes.ts';
import { Digest } from '../castore/digest.ts';
import { Directory } from '../castore/directory.ts';
import type { Node } from '../castore/node.ts';
import { isNarthexError, NarthexError } from '../errors.ts';
import type { VariantKey } from '../pathinfo/currentView.ts';
import { STORE_PATH_DIGEST_BYTES } from '../storePath.ts';
import { ChunkList } from './chunkList.ts';
import { packPath } from './layout.ts';
import {
  checkPackHeader,
  dataOffset,
  endOffset,
  PACK_HEADER_BYTES,
  type RecordLocation,
} from './packFormat.ts';
import { PackReader } from './packReader.ts';
import { checkRecords, type IndexedRecord, type RecordFault } from './recordCheck.ts';
import { decodeData } from './recordEncoding.ts';
import {
  decodeLocation,
  decodeNar,
  decodeU32,
  decodeU48,
  encodeU32,
  type NarContent,
  referrerRowKey,
} from './schema.ts';
import { isStoredNode } from './storedNode.ts';
import { orStoreFailure } from './storeFailure.ts';
import type { Tables } from './storeIndex.ts';
import type { Row, Table } from './table.ts';
import type { VariantTable } from './variantTable.ts';

/** The kinds of records that the index locates. */
export type ContentKind = IndexedRecord['kind'];

/** A row about a chunk or a directory. */
export interface ContentRow {
  readonly kind: ContentKind;
  readonly digest: Digest;
  /** As it stands in the index. */
  readonly value: Uint8Array;
  /** `undefined` where the value is none. */
  readonly location: RecordLocation | undefined;
}

/** A row about a blob of more than one chunk. */
export interface BlobRow {
  readonly digest: Digest;
  /** Its chunk list, encoded. */
  readonly value: Uint8Array;
}

/** A row that says who refers to a variant. */
export interface ReferrerRow {
  readonly referred: Digest;
  readonly referrer: VariantKey;
}

/** A pack: what the index says of it, and its file. */
export interface PackState {
  readonly number: number;
  readonly path: string;
  /** Up to where the index says that it refers to it; `undefined` where it says nothing of it. */
  readonly referredBytes: number | undefined;
  /** Length of the file; `undefined` where there is none. */
  readonly fileBytes: number | undefined;
  /** What is wrong with the file's header. */
  readonly headerFault: NarthexError | undefined;
}

/** How many rows there are. */
export interface InspectionCounts {
  readonly records: number;
  readonly blobs: number;
  readonly variants: number;
  /** `current`, `closure`, `referrer` and `nar` together. */
  readonly relations: number;
}

/** Looks into a store. Reads through files of its own, so that it sees the packs as they are now. */
export class StoreInspection implements AsyncDisposable {
  /** The variants, and which of them are current. */
  readonly variants: Pick<
    VariantTable,
    'currentOf' | 'variant' | 'has' | 'keysOf' | 'referrersOf' | 'digestOf'
  >;
  readonly #directory: string;
  readonly #tables: Tables;
  readonly #packs: PackReader;

  constructor(directory: string, tables: Tables, variants: VariantTable) {
    this.#directory = directory;
    this.#tables = tables;
    this.variants = variants;
    this.#packs = new PackReader(directory);
  }

  /** What is looked up next is what is committed by then. */
  refresh(): void {
    this.#tables.meta.refresh();
  }

  counts(): InspectionCounts {
    const { chunk, directory, blob, variant, current, closure, referrer, nar } = this.#tables;
    return {
      records: chunk.count() + directory.count(),
      blobs: blob.count(),
      variants: variant.count(),
      relations: current.count() + closure.count() + referrer.count() + nar.count(),
    };
  }

  /** The packs that the index says that it refers to. @throws STORE_FAILED | STORE_INVALID */
  async *packs(): AsyncGenerator<PackState, void, undefined> {
    for (const { key } of this.#tables.pack.withPrefix(EMPTY)) {
      const state = await this.pack(decodeU32(key));
      if (state !== undefined) yield state;
    }
  }

  /** A pack that the index knows, or that has a file; else `undefined`. @throws STORE_FAILED */
  async pack(number: number): Promise<PackState | undefined> {
    const path = packPath(this.#directory, number);
    const file = await fileOf(path);
    // looked up after the file was: whoever removes a pack takes it out of the index first
    this.refresh();
    const referred = this.#tables.pack.get(encodeU32(number));
    if (referred === undefined && file.fileBytes === undefined) return undefined;
    return { number, path, referredBytes: referred && decodeU48(referred), ...file };
  }

  /** All rows about chunks and directories. */
  contentPages(): Generator<readonly ContentRow[], void, undefined> {
    const { chunk, directory } = this.#tables;
    return (function* () {
      for (const rows of chunk.pages(EMPTY)) yield rows.map((row) => contentRow('chunk', row));
      for (const rows of directory.pages(EMPTY)) {
        yield rows.map((row) => contentRow('directory', row));
      }
    })();
  }

  /** All rows about blobs of more than one chunk. */
  blobPages(): Generator<readonly BlobRow[], void, undefined> {
    return mapped(this.#tables.blob, ({ key, value }) => ({ digest: new Digest(key), value }));
  }

  /** The keys of all variants, or of those of one store path. */
  variantPages(digest = EMPTY): Generator<readonly VariantKey[], void, undefined> {
    return mapped(
      this.#tables.variant,
      ({ key }) => ({
        digest: key.slice(0, STORE_PATH_DIGEST_BYTES),
        closureDigest: new Digest(key.slice(STORE_PATH_DIGEST_BYTES)),
      }),
      digest,
    );
  }

  /** All current variants. */
  currentPages(): Generator<readonly VariantKey[], void, undefined> {
    return mapped(this.#tables.current, ({ key, value }) => ({
      digest: key,
      closureDigest: new Digest(value),
    }));
  }

  /** Whose closure digests are known, by those. */
  closurePages(): Generator<readonly VariantKey[], void, undefined> {
    return mapped(this.#tables.closure, ({ key, value }) => ({
      digest: value,
      closureDigest: new Digest(key),
    }));
  }

  /** Who refers to whom. */
  referrerPages(): Generator<readonly ReferrerRow[], void, undefined> {
    return mapped(this.#tables.referrer, ({ key, value }) => {
      const half = key.length / 2;
      const closureDigest = new Digest(key.slice(half));
      return {
        referred: new Digest(key.slice(0, half)),
        referrer: { digest: value, closureDigest },
      };
    });
  }

  /** The NarHashes of which it is known what they hold. */
  narPages(): Generator<readonly Uint8Array[], void, undefined> {
    return mapped(this.#tables.nar, ({ key }) => key);
  }

  /** The row about a chunk or a directory. */
  content(kind: ContentKind, digest: Digest): ContentRow | undefined {
    const value = this.#tables[kind].getFresh(digest.bytes);
    return value && contentRow(kind, { key: digest.bytes, value });
  }

  /** The chunk list of a blob, encoded. */
  chunkList(blob: Digest): Uint8Array | undefined {
    return this.#tables.blob.getFresh(blob.bytes);
  }

  /** The chunks of a blob of more than one, as far as its list can be read. */
  chunksOf(blob: Digest): readonly Digest[] {
    const value = this.chunkList(blob);
    if (value === undefined || !ChunkList.isWhole(value)) return [];
    return ChunkList.parse(blob, value)
      .toArray()
      .map(({ digest }) => digest);
  }

  /** What the NAR with this hash holds. @throws STORE_INVALID */
  nar(narHash: Uint8Array): NarContent | undefined {
    const value = this.#tables.nar.getFresh(narHash);
    return value && decodeNar(value).content;
  }

  /** Whether the index says that `referrer` refers to `referred`. */
  isReferrer(referred: Digest, referrer: VariantKey): boolean {
    const key = referrerRowKey(referred, referrer.closureDigest);
    return this.#tables.referrer.getFresh(key) !== undefined;
  }

  /** Whether the index has the root of a node's content. */
  hasNode(node: Node): boolean {
    return isStoredNode(this.#tables, node);
  }

  /**
   * Checks header and data of records.
   * @param records sorted by pack and offset
   * @throws STORE_FAILED
   */
  checkRecords(records: Iterable<IndexedRecord>): AsyncGenerator<RecordFault, void, undefined> {
    return checkRecords(records, this.#packs, this.#directory);
  }

  /**
   * Reads a directory.
   * @throws DIGEST_MISMATCH | DIRECTORY_INVALID | STORE_INVALID it is damaged
   * @throws STORE_FAILED
   */
  async directory(digest: Digest, location: RecordLocation): Promise<Directory> {
    const { pack, offset, encoding, encodedSize, size } = location;
    const data = await this.#packs.read(pack, dataOffset(location), encodedSize);
    const facts = { path: packPath(this.#directory, pack), offset, expected: String(digest) };
    let decoded: Uint8Array;
    try {
      decoded = decodeData(encoding, data, size);
    } catch (error) {
      const message = `a record does not decompress: ${facts.path} at ${offset}`;
      throw new NarthexError('DIGEST_MISMATCH', message, facts, error);
    }
    if (!Digest.of(decoded).equals(digest)) {
      const message = `a record is damaged: ${facts.path} at ${offset}`;
      throw new NarthexError('DIGEST_MISMATCH', message, facts);
    }
    return Directory.decode(decoded);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#packs[Symbol.asyncDispose]();
  }
}

/** Whether a record lies inside its pack, as far as the file goes now. */
export function liesInside(location: RecordLocation, pack: PackState): boolean {
  return location.offset >= PACK_HEADER_BYTES && endOffset(location) <= (pack.fileBytes ?? 0);
}

function* mapped<T>(
  table: Table,
  of: (row: Row) => T,
  prefix: Uint8Array = EMPTY,
): Generator<readonly T[], void, undefined> {
  for (const rows of table.pages(prefix)) yield rows.map(of);
}

function contentRow(kind: ContentKind, { key, value }: Row): ContentRow {
  return { kind, digest: new Digest(key), value, location: locationOf(value) };
}

function locationOf(value: Uint8Array): RecordLocation | undefined {
  try {
    return decodeLocation(value);
  } catch (error) {
    if (isNarthexError(error, 'STORE_INVALID')) return undefined;
    throw error;
  }
}

async function fileOf(path: string): Promise<Pick<PackState, 'fileBytes' | 'headerFault'>> {
  return await orStoreFailure('reading a pack', path, async () => {
    const file = await open(path, 'r').catch((error: unknown) => {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (file === undefined) return { fileBytes: undefined, headerFault: undefined };
    try {
      const header = Buffer.alloc(PACK_HEADER_BYTES);
      const { bytesRead } = await file.read(header, 0, PACK_HEADER_BYTES, 0);
      const { size } = await file.stat();
      return { fileBytes: size, headerFault: headerFault(header.subarray(0, bytesRead), path) };
    } finally {
      await file.close();
    }
  });
}

function headerFault(header: Uint8Array, path: string): NarthexError | undefined {
  try {
    checkPackHeader(header, path);
    return undefined;
  } catch (error) {
    if (error instanceof NarthexError) return error;
    throw error;
  }
}
