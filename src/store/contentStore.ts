/**
 * The content of a store: records in packs, found through the index or, as long as they are not
 * committed, through what this process remembers of them.
 */

import { bytesKey, equalBytes } from '../bytes.ts';
import { Digest } from '../castore/digest.ts';
import type { Node } from '../castore/node.ts';
import { ChunkList } from './chunkList.ts';
import { ContentWriter } from './contentWriter.ts';
import type { Lease } from './gc/lease.ts';
import { endOffset, type RecordKind, type RecordLocation } from './packFormat.ts';
import { extendPack, notePackLevel } from './packRows.ts';
import type { PackWriter } from './packWriter.ts';
import { PendingContent, type PendingRecord } from './pendingContent.ts';
import { type EncoderOfLevel, type RecordEncoder, rawData } from './recordEncoding.ts';
import type { RecordReader } from './recordReader.ts';
import {
  decodeLocation,
  decodeNar,
  encodeLocation,
  encodeNar,
  type IndexedNar,
  type NarContent,
  packOfLocation,
} from './schema.ts';
import { EMPTY_BLOB, isStoredNode } from './storedNode.ts';
import type { Tables } from './storeIndex.ts';

/** Records that wait to be committed are committed once there are so many: some 3 MB of memory. */
const COMMIT_RECORDS = 16 * 1024;
/** Or once they have so many bytes, so that a crash loses little work. */
const COMMIT_BYTES = 256 * 1024 * 1024;

/** What a content store is made of. */
export interface ContentStoreParts {
  readonly directory: string;
  readonly tables: Tables;
  readonly writer: PackWriter;
  readonly reader: RecordReader;
  /** The level at which chunks and directories are compressed. */
  readonly level: number;
  readonly encoderOf: EncoderOfLevel;
  /** Keeps what is found; a store that is only read has none. */
  readonly lease: Lease | undefined;
  /** Commits what is published; called when there is much of it. */
  readonly flush: () => Promise<void>;
}

/** Tells what the index has of a record that is damaged; `undefined` for all others. */
export type DistrustedContent = (kind: RecordKind, digest: Digest) => Uint8Array | undefined;

/** Records by kind and digest. */
export class ContentStore {
  readonly reader: RecordReader;
  readonly #parts: ContentStoreParts;
  readonly #encode: RecordEncoder;
  readonly #pending = new PendingContent();
  /** What NARs hold, by NarHash, that is not committed yet. */
  #nars = new Map<string, RecordedNar>();

  constructor(parts: ContentStoreParts) {
    this.#parts = parts;
    this.#encode = parts.encoderOf(parts.level);
    this.reader = parts.reader;
  }

  /** Where a chunk or directory lies, or `undefined`. @throws STORE_FAILED | STORE_INVALID */
  locate(kind: 'chunk' | 'directory', digest: Digest): RecordLocation | undefined {
    const pending = this.#pending.get(kind, digest);
    if (pending?.published) return pending.location;
    const stored = this.#parts.tables[kind].getFresh(digest.bytes);
    return stored && decodeLocation(stored);
  }

  /** The chunks of a blob of more than one, or `undefined`. @throws STORE_FAILED | STORE_INVALID */
  chunkListOf(blob: Digest): ChunkList | undefined {
    const pending = this.#pending.get('blob', blob);
    const list = pending?.published
      ? pending.chunkList
      : this.#parts.tables.blob.getFresh(blob.bytes);
    return list && ChunkList.parse(blob, list);
  }

  /** Remembers what the NAR with this hash holds, all of which was written before. */
  recordNar(narHash: Uint8Array, content: NarContent): void {
    this.#nars.set(bytesKey(narHash), { narHash, content });
  }

  /** What the NAR with this hash holds, or `undefined`. @throws STORE_FAILED | STORE_INVALID */
  narOf(narHash: Uint8Array): IndexedNar | undefined {
    const pending = this.#nars.get(bytesKey(narHash));
    if (pending !== undefined) return { content: pending.content, computed: true };
    const stored = this.#parts.tables.nar.getFresh(narHash);
    return stored && decodeNar(stored);
  }

  /**
   * Whether the index has it; what it has is kept from then on.
   * @throws STORE_FAILED | STORE_INVALID
   */
  async relyOn(kind: RecordKind, digest: Digest): Promise<boolean> {
    const { tables, lease } = this.#parts;
    if (tables[kind].getFresh(digest.bytes) === undefined) return false;
    return (await lease?.relyOn(kind, digest, () => tables[kind].has(digest.bytes))) ?? true;
  }

  /** {@link relyOn} for a directory that is looked up. */
  async watchDirectory(digest: Digest): Promise<boolean> {
    const { tables, lease } = this.#parts;
    if (this.#pending.get('directory', digest)?.published) return true;
    const isThere = () => tables.directory.has(digest.bytes);
    return (await lease?.watch('directory', digest, isThere)) ?? true;
  }

  /** {@link relyOn} for a blob, however it is kept. @throws STORE_FAILED | STORE_INVALID */
  async relyOnBlob(digest: Digest): Promise<boolean> {
    for (const kind of ['chunk', 'blob'] as const) {
      if (this.#pending.get(kind, digest)?.published) return true;
      if (await this.relyOn(kind, digest)) return true;
    }
    return false;
  }

  /** {@link relyOn} for the content of a node. @throws STORE_FAILED | STORE_INVALID */
  async relyOnNode(node: Node): Promise<boolean> {
    if (node.type === 'symlink') return true;
    const { type, digest } = node;
    if (type === 'file') return digest.equals(EMPTY_BLOB) || (await this.relyOnBlob(digest));
    if (this.#pending.get(type, digest)?.published) return true;
    return await this.relyOn(type, digest);
  }

  /**
   * Begins to write content that becomes visible together.
   * @param distrusted what is to be written though the index has it, and to be put in the place of that
   */
  openWriter(distrusted: DistrustedContent = () => undefined): ContentWriter {
    const isDamaged = (kind: RecordKind, digest: Digest) => {
      const damaged = distrusted(kind, digest);
      const stored = damaged && this.#parts.tables[kind].getFresh(digest.bytes);
      return damaged !== undefined && (stored === undefined || equalBytes(stored, damaged));
    };
    return new ContentWriter({
      path: this.#parts.directory,
      failureOf: (pack) => this.#parts.writer.failureOf(pack),
      distrusted,
      find: (kind, digest) => !isDamaged(kind, digest) && this.#find(kind, digest),
      relyOn: async (kind, digest) => !isDamaged(kind, digest) && (await this.relyOn(kind, digest)),
      hold: () => this.#parts.lease?.holdWritten(),
      pending: this.#pending,
      append: (kind, digest, bytes, compressible) =>
        this.#append(kind, digest, bytes, compressible),
      published: () => this.#flushIfMuch(),
    });
  }

  /**
   * Brings what is published to disk.
   * @returns what to put into the index, in one transaction, after which it calls `committed`
   * @throws STORE_FAILED what lay in the pack concerned is forgotten
   */
  async prepareCommit(): Promise<ContentCommit> {
    const { writer, tables } = this.#parts;
    const records = this.#pending.published();
    const nars = this.#nars;
    this.#nars = new Map();
    try {
      if (records.length > 0) await writer.sync();
    } catch (error) {
      this.#pending.dropLost((pack) => writer.failureOf(pack));
      throw error;
    }
    return {
      isEmpty: records.length === 0 && nars.size === 0,
      write: () => {
        const blobs = records.filter(({ kind }) => kind === 'blob');
        this.#parts.lease?.keepCommitted(blobs.map(({ digest }) => ({ kind: 'blob', digest })));
        writeRecords(tables, records, this.#parts.level);
        writeNars(tables, nars.values());
      },
      committed: () => this.#pending.commit(records),
    };
  }

  async #append(
    kind: RecordKind,
    digest: Digest,
    raw: Uint8Array,
    compressible: boolean,
  ): Promise<RecordLocation> {
    // its memory may be another's before it is encoded
    const size = raw.length;
    const { encoding, bytes } = compressible ? await this.#encode(raw) : rawData(raw);
    // a blob's record holds its chunk list, and is hashed like any other
    const recordDigest = kind === 'blob' ? Digest.of(raw) : digest;
    const header = {
      kind,
      encoding,
      encodedSize: bytes.length,
      size,
      digest: recordDigest,
    };
    try {
      return await this.#parts.writer.append(header, bytes);
    } catch (error) {
      this.#pending.dropLost((pack) => this.#parts.writer.failureOf(pack));
      throw error;
    }
  }

  #find(kind: RecordKind, digest: Digest): boolean {
    const { tables, lease } = this.#parts;
    // what is missed here by a moment is stored twice, which costs space and nothing else
    const stored = tables[kind].get(digest.bytes);
    if (stored === undefined || lease === undefined) return stored !== undefined;
    const pack = kind === 'blob' ? undefined : packOfLocation(stored);
    return lease.find(kind, digest, pack);
  }

  async #flushIfMuch(): Promise<void> {
    const { publishedCount, publishedBytes } = this.#pending;
    if (publishedCount >= COMMIT_RECORDS || publishedBytes >= COMMIT_BYTES) {
      await this.#parts.flush();
    }
  }
}

/** Content that is on disk and about to be put into the index. */
export interface ContentCommit {
  /** Whether there is nothing to put. */
  readonly isEmpty: boolean;
  /** Puts it there; inside a transaction. */
  write(): void;
  /** The transaction is on disk. */
  committed(): void;
}

/** What a NAR holds, by its hash. */
interface RecordedNar {
  readonly narHash: Uint8Array;
  readonly content: NarContent;
}

/**
 * Those whose content is stored: a pack may have been lost in between. What was computed takes the place
 * of what was only claimed.
 */
function writeNars(tables: Tables, nars: Iterable<RecordedNar>): void {
  for (const { narHash, content } of nars) {
    const stored = tables.nar.get(narHash);
    const isKnown = stored !== undefined && decodeNar(stored).computed;
    if (!isKnown && isStoredNode(tables, content.node)) {
      tables.nar.put(narHash, encodeNar({ content, computed: true }));
    }
  }
}

function writeRecords(tables: Tables, records: readonly PendingRecord[], level: number): void {
  const ends = new Map<number, number>();
  // neighbours in the tree one after the other
  const sorted = records.toSorted((a, b) => (a.digest.key < b.digest.key ? -1 : 1));
  for (const { kind, digest, chunkList, location, replaces } of sorted) {
    if (location === undefined) continue;
    const table = tables[kind];
    // another process may have stored the same; its record is as good, unless it is the damaged one, or so
    // old that a collection may be about to delete it
    const stored = table.get(digest.bytes);
    const isDamaged = stored && replaces && equalBytes(stored, replaces);
    const isOld = stored && !chunkList && (packOfLocation(stored) ?? 0) < location.pack;
    if (stored !== undefined && !isDamaged && !isOld) continue;
    table.put(digest.bytes, chunkList ?? encodeLocation(location));
    ends.set(location.pack, Math.max(ends.get(location.pack) ?? 0, endOffset(location)));
  }
  for (const [pack, end] of ends) {
    extendPack(tables, pack, end);
    notePackLevel(tables, pack, level);
  }
}
