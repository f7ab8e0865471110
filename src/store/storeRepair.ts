/**
 * Puts what is damaged in a store right again: content is written anew and the index pointed to it, and
 * rows that follow from others are made anew from those. Nothing is overwritten that another process has put
 * right meanwhile: a row is replaced only where it still is the damaged one. Garbage is not collected meanwhile.
 */
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { equalBytes } from '../bytes.ts';
import type { BlobService } from '../castore/blobService.ts';
import { DIGEST_BYTES, Digest } from '../castore/digest.ts';
import type { DirectoryService } from '../castore/directoryService.ts';
import { NarthexError } from '../errors.ts';
import type { VariantKey } from '../pathinfo/currentView.ts';
import type { PathInfo } from '../pathinfo/pathInfo.ts';
import { ChunkList } from './chunkList.ts';
import type { ContentStore, DistrustedContent } from './contentStore.ts';
import { dropStaleRow, type RelationRow, repairCurrent, repairRelations } from './indexRepair.ts';
import { isPackName, packPath, packsPath } from './layout.ts';
import { encodePackHeader, endOffset, type RecordKind, type RecordLocation } from './packFormat.ts';
import { extendPack, removePackRows } from './packRows.ts';
import { type ScannedRecord, scanPack } from './packScan.ts';
import { decodeData } from './recordEncoding.ts';
import {
  decodeU48,
  encodeLocation,
  encodeNar,
  encodeU32,
  encodeU48,
  type NarContent,
} from './schema.ts';
import { StoreBlobService } from './storeBlobService.ts';
import { StoreDirectoryService } from './storeDirectoryService.ts';
import { orStoreFailure } from './storeFailure.ts';
import type { StoreIndex } from './storeIndex.ts';
import type { VariantTable } from './variantTable.ts';

/** A piece of content that is damaged or missing. */
export interface DamagedContent {
  readonly kind: RecordKind;
  readonly digest: Digest;
  /** What the index has of it; `undefined` where it has nothing. */
  readonly value: Uint8Array | undefined;
}

/** What a {@link StoreRepair} works on. */
export interface StoreRepairParts {
  readonly directory: string;
  readonly index: StoreIndex;
  readonly content: ContentStore;
  readonly variants: VariantTable;
  readonly checkWritable: () => void;
  readonly flush: () => Promise<void>;
  /** Keeps collections from beginning; disposed of with the repair. */
  readonly hold: AsyncDisposable | undefined;
}

/** Repairs one store. */
export class StoreRepair implements AsyncDisposable {
  /** Writes what was told to be damaged, though it is there; otherwise like the store's own. */
  readonly blobs: BlobService;
  readonly directories: DirectoryService;
  readonly #parts: StoreRepairParts;
  readonly #damaged = new Map<string, DamagedContent>();

  constructor(parts: StoreRepairParts) {
    this.#parts = parts;
    const { content, checkWritable } = parts;
    this.blobs = new StoreBlobService(content, checkWritable, this.#distrusted);
    this.directories = new StoreDirectoryService(content, checkWritable, this.#distrusted);
  }

  readonly #distrusted: DistrustedContent = (kind, digest) =>
    this.#damaged.get(contentKey(kind, digest))?.value;

  /** What is written under this digest from now on takes the place of what the index has. */
  distrust(content: DamagedContent): void {
    this.#damaged.set(contentKey(content.kind, content.digest), content);
  }

  /** Whether the index has by now something else of it than the damaged row. */
  isReplaced({ kind, digest, value }: DamagedContent): boolean {
    const table = this.#parts.index.tables[kind];
    table.refresh();
    const stored = table.get(digest.bytes);
    return stored !== undefined && (value === undefined || !equalBytes(stored, value));
  }

  /** Whether the index has anything of it. */
  has(kind: RecordKind, digest: Digest): boolean {
    return this.#parts.index.tables[kind].getFresh(digest.bytes) !== undefined;
  }

  /**
   * Looks for what is damaged in all packs, and points the index to whole records of it: those that the index
   * lost, and those that two processes wrote. A pack is looked through up to the first place that is none.
   * @throws STORE_FAILED
   */
  async findInPacks(signal?: AbortSignal): Promise<void> {
    const { directory } = this.#parts;
    const names = await orStoreFailure('reading the packs', packsPath(directory), () =>
      readdir(packsPath(directory)),
    );
    const isCommitted = ({ location }: ScannedRecord) => {
      const stored = this.#parts.index.tables.pack.get(encodeU32(location.pack));
      // what lies beyond is perhaps not on disk yet
      return stored !== undefined && endOffset(location) <= decodeU48(stored);
    };
    const wanted = (kind: RecordKind, digest: Digest) => {
      const content = this.#damaged.get(contentKey(kind, digest));
      return content !== undefined && !this.isReplaced(content) ? content : undefined;
    };
    for (const name of names.filter(isPackName)) {
      const path = join(packsPath(directory), name);
      const records = scanPack(path, Number.parseInt(name, 10), (header) => {
        signal?.throwIfAborted();
        // a blob's record does not begin with the blob's digest; there are few of them
        return header.kind === 'blob' || wanted(header.kind, header.digest) !== undefined;
      });
      try {
        for await (const record of records) {
          if (isCommitted(record)) await this.#adopt(record, wanted);
        }
      } catch (error) {
        // one whose header is damaged, or which was collected meanwhile, holds nothing to be found
        if (!(error instanceof NarthexError)) throw error;
        if (error.code !== 'STORE_INVALID' && error.facts['systemCode'] !== 'ENOENT') throw error;
      }
    }
  }

  /**
   * Writes a record anew whose data is right where it lies.
   * @throws DIGEST_MISMATCH it is not
   */
  async rewrite(
    kind: 'chunk' | 'directory',
    digest: Digest,
    location: RecordLocation,
  ): Promise<void> {
    const { content } = this.#parts;
    const { decoded } = await content.reader.read({ digest, location });
    await using writer = content.openWriter(this.#distrusted);
    // the reader may use its memory again
    await writer.add(kind, digest, Uint8Array.from(decoded));
    await writer.publish();
  }

  /** Takes rows about content out of the index to which nothing refers. */
  async forget(contents: readonly DamagedContent[]): Promise<void> {
    const { index } = this.#parts;
    await index.transaction(() => {
      for (const { kind, digest, value } of contents) {
        const stored = index.tables[kind].get(digest.bytes);
        if (value !== undefined && stored !== undefined && equalBytes(stored, value)) {
          index.tables[kind].remove(digest.bytes);
        }
      }
    });
  }

  /** Forgets what NARs hold, of those that no PathInfo speaks of: their content may have become incomplete. */
  async forgetNars(narHashes: readonly Uint8Array[]): Promise<void> {
    const { index } = this.#parts;
    await index.transaction(() => {
      for (const narHash of narHashes) index.tables.nar.remove(narHash);
    });
  }

  /** Brings all that was written to disk, and into the index. @throws STORE_FAILED */
  async flush(): Promise<void> {
    await this.#parts.flush();
  }

  /** Puts a PathInfo in the place of a record that is damaged or gone. */
  async replacePathInfo(pathInfo: PathInfo): Promise<void> {
    const { index, variants } = this.#parts;
    const { storePath, closureDigest } = pathInfo;
    await index.transaction(() => {
      variants.write(pathInfo);
      repairCurrent(variants, storePath.digest);
      repairRelations(variants, { digest: storePath.digest, closureDigest });
    });
  }

  /** Makes the rows anew that follow from a PathInfo. @throws STORE_INVALID it is damaged itself */
  async repairRelations(key: VariantKey): Promise<void> {
    const { index, variants } = this.#parts;
    await index.transaction(() => repairRelations(variants, key));
  }

  /** Chooses the current variant of a store path by the rule, and of those that refer to it. */
  async repairCurrent(digest: Uint8Array): Promise<void> {
    const { index, variants } = this.#parts;
    await index.transaction(() => repairCurrent(variants, digest));
  }

  /** Takes a row out that says what is not so. */
  async dropStaleRow(row: RelationRow): Promise<void> {
    const { index, variants } = this.#parts;
    await index.transaction(() => dropStaleRow(index.tables, variants, row));
  }

  /** Puts what a NAR holds, as computed from the content. */
  async putNar(narHash: Uint8Array, content: NarContent): Promise<void> {
    const { index } = this.#parts;
    await index.transaction(() =>
      index.tables.nar.put(narHash, encodeNar({ content, computed: true })),
    );
  }

  /**
   * Writes the header of a pack again, which is the same in all packs. Nothing else in a pack is ever changed.
   * @throws STORE_FAILED
   */
  async rewritePackHeader(pack: number): Promise<void> {
    const path = packPath(this.#parts.directory, pack);
    await orStoreFailure('writing a pack', path, async () => {
      const file = await open(path, 'r+');
      try {
        const header = encodePackHeader();
        await file.write(header, 0, header.length, 0);
        await file.datasync();
      } finally {
        await file.close();
      }
    });
  }

  /** Notes that a pack is referred to up to `end` at least. */
  async extendPack(pack: number, end: number): Promise<void> {
    const { index } = this.#parts;
    await index.transaction(() => extendPack(index.tables, pack, end));
  }

  /** Notes that nothing of a pack is referred to beyond `end`; `undefined` where it is gone. */
  async cutPackEnd(pack: number, end: number | undefined): Promise<void> {
    const { index } = this.#parts;
    const { tables } = index;
    await index.transaction(() => {
      if (end === undefined) removePackRows(tables, pack);
      else tables.pack.put(encodeU32(pack), encodeU48(end));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.hold?.[Symbol.asyncDispose]();
  }

  async #adopt(
    { header, location, data }: ScannedRecord,
    wanted: (kind: RecordKind, digest: Digest) => DamagedContent | undefined,
  ): Promise<void> {
    const { kind } = header;
    const decoded = decodeWhole(data, location);
    if (decoded === undefined || !Digest.of(decoded).equals(header.digest)) return;
    if (kind !== 'blob') {
      const content = wanted(kind, header.digest);
      if (content !== undefined) await this.#point(content, encodeLocation(location));
      return;
    }
    const blob = new Digest(decoded.slice(0, DIGEST_BYTES));
    const content = wanted('blob', blob);
    if (content === undefined) return;
    const chunkList = decoded.slice(DIGEST_BYTES);
    ChunkList.parse(blob, chunkList);
    await this.#point(content, chunkList);
  }

  async #point({ kind, digest, value }: DamagedContent, replacement: Uint8Array): Promise<void> {
    const { index } = this.#parts;
    const { tables } = index;
    await index.transaction(() => {
      const stored = tables[kind].get(digest.bytes);
      if (stored !== undefined && !(value && equalBytes(stored, value))) return;
      tables[kind].put(digest.bytes, replacement);
    });
  }
}

/** The decoded data, or `undefined` where it does not decode. */
function decodeWhole(data: Uint8Array, { encoding, size }: RecordLocation): Uint8Array | undefined {
  try {
    const decoded = decodeData(encoding, data, size);
    return decoded.length === size ? decoded : undefined;
  } catch {
    // whatever zstd has to say: it is not the record that is looked for
    return undefined;
  }
}

function contentKey(kind: RecordKind, digest: Digest): string {
  return kind + digest.key;
}
