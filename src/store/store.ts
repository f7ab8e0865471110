/**
 * The embedded store: content in append-only packs, everything else in an LMDB index. Several
 * processes may have one open at once. `docs/store.md` tells layout and durability.
 */
import { access, constants, mkdir } from 'node:fs/promises';
import type { ServiceOptions } from '../castore/blobService.ts';
import type { Node } from '../castore/node.ts';
import type { Hash } from '../hash.ts';
import { DEFAULT_LIMITS, type Limits } from '../limits.ts';
import { CommitQueue } from './commitQueue.ts';
import { ContentStore } from './contentStore.ts';
import { indexPath, packsPath } from './layout.ts';
import { PackReader } from './packReader.ts';
import { PackWriter } from './packWriter.ts';
import { putPathInfo } from './putPathInfo.ts';
import { type RecordEncoder, zstdEncoder } from './recordEncoding.ts';
import { RecordReader } from './recordReader.ts';
import type { IndexedNar, NarContent } from './schema.ts';
import { StoreBlobService } from './storeBlobService.ts';
import { StoreDirectoryService } from './storeDirectoryService.ts';
import { StoreExtraFileService } from './storeExtraFileService.ts';
import { orStoreFailure, readOnlyStore } from './storeFailure.ts';
import { StoreFindingService } from './storeFindingService.ts';
import { StoreIndex } from './storeIndex.ts';
import { StoreInspection } from './storeInspection.ts';
import { StorePathInfoService } from './storePathInfoService.ts';
import { StoreRepair } from './storeRepair.ts';
import { type StoreStats, storeStats } from './storeStats.ts';
import { VariantTable } from './variantTable.ts';

/** How to open a store. */
export interface StoreOptions {
  /** Refuse writes with `READ_ONLY`; false by default. */
  readonly readOnly?: boolean;
  /** Make a store where there is none; true by default, but never for a read-only one. */
  readonly createIfMissing?: boolean;
  /** The zstd level of what is written, 1 to 19, where no {@link encoder} is given. */
  readonly compressionLevel?: number;
  /** Compresses what is written; on the calling thread by default. */
  readonly encoder?: RecordEncoder | undefined;
  /** A pack this long gets no more records. */
  readonly packFullBytes?: number;
  /** How many extra files it takes. */
  readonly limits?: Pick<Limits, 'extraFiles'>;
}

/** An open store. Disposing of it brings all that was closed to disk. */
export class Store implements AsyncDisposable {
  /** Where the store lies. */
  readonly directory: string;
  readonly blobs: StoreBlobService;
  readonly directories: StoreDirectoryService;
  readonly pathInfos: StorePathInfoService;
  readonly findings: StoreFindingService;
  readonly extraFiles: StoreExtraFileService;
  readonly #index: StoreIndex;
  readonly #content: ContentStore;
  readonly #checkWritable: () => void;
  readonly #writer: PackWriter;
  readonly #packs: PackReader;
  readonly #commits: CommitQueue;
  readonly #variants: VariantTable;
  #closed: Promise<void> | undefined;

  private constructor(directory: string, index: StoreIndex, options: StoreOptions) {
    const { tables } = index;
    this.directory = directory;
    this.#index = index;
    this.#packs = new PackReader(directory);
    this.#writer = new PackWriter(directory, () => index.allocatePack(), options.packFullBytes);
    const content = new ContentStore({
      directory,
      tables,
      writer: this.#writer,
      reader: new RecordReader(directory, this.#packs, this.#writer),
      encode: options.encoder ?? zstdEncoder(options.compressionLevel),
      flush: () => this.#commits.flush(),
    });
    this.#content = content;
    const variants = new VariantTable(tables);
    this.#variants = variants;
    this.#commits = new CommitQueue({
      prepareContent: () => content.prepareCommit(),
      transaction: (action) => index.transaction(action),
      put: (pathInfo) => putPathInfo(tables, variants, pathInfo),
    });
    const checkWritable = () => {
      if (options.readOnly === true) throw readOnlyStore(directory);
    };
    this.#checkWritable = checkWritable;
    this.blobs = new StoreBlobService(content, checkWritable);
    this.directories = new StoreDirectoryService(content, checkWritable);
    this.pathInfos = new StorePathInfoService(index, variants, this.#commits, checkWritable);
    this.findings = new StoreFindingService(index, checkWritable);
    this.extraFiles = new StoreExtraFileService({
      index,
      flush: () => this.#commits.flush(),
      checkWritable,
      limits: options.limits ?? DEFAULT_LIMITS,
    });
  }

  /**
   * Opens the store in `directory`.
   * @throws STORE_FAILED there is none and none may be made, or it cannot be read
   * @throws STORE_VERSION it was written by another version
   * @throws STORE_INVALID it is damaged
   */
  static async open(directory: string, options: StoreOptions = {}): Promise<Store> {
    const readOnly = options.readOnly ?? false;
    const create = !readOnly && (options.createIfMissing ?? true);
    if (create) {
      const packs = packsPath(directory);
      await orStoreFailure('making a store', directory, () => mkdir(packs, { recursive: true }));
    }
    const index = await StoreIndex.open(indexPath(directory), { readOnly, create });
    return new Store(directory, index, options);
  }

  /**
   * The root node of the NAR with this hash, where its content is stored: as it was computed, or else as
   * the claim of a PathInfo says. It is for giving out NARs, whose readers see for themselves.
   * @throws STORE_FAILED | STORE_INVALID
   */
  nodeByNarHash(narHash: Hash, options?: ServiceOptions): Node | undefined {
    return this.#narOf(narHash, options)?.content.node;
  }

  /**
   * What the NAR with this hash holds, by hashes that were computed from the content itself and told by
   * {@link recordContent}: it may be taken for any store path of this NarHash.
   * @throws STORE_FAILED | STORE_INVALID
   */
  contentByNarHash(narHash: Hash, options?: ServiceOptions): NarContent | undefined {
    const nar = this.#narOf(narHash, options);
    return nar?.computed === true ? nar.content : undefined;
  }

  #narOf(narHash: Hash, options: ServiceOptions | undefined): IndexedNar | undefined {
    options?.signal?.throwIfAborted();
    if (narHash.algorithm !== 'sha256') return undefined;
    return this.#content.narOf(narHash.digest);
  }

  /**
   * Remembers what the NAR with this hash holds, so that it need not be fetched again even if nothing
   * refers to it yet; on disk with the next commit. The content was written before, and the hash
   * computed from it.
   * @throws READ_ONLY
   */
  recordContent(narHash: Hash, content: NarContent): void {
    this.#checkWritable();
    if (narHash.algorithm === 'sha256') this.#content.recordNar(narHash.digest, content);
  }

  /**
   * Reads a little of all that it consists of.
   * @throws STORE_FAILED | STORE_INVALID it could not give out what it holds
   */
  async check(): Promise<void> {
    this.#index.tables.current.count();
    const packs = packsPath(this.directory);
    await orStoreFailure('reading the packs', packs, () => access(packs, constants.R_OK));
  }

  /** Opens a look into index and packs; `verify/` says whether they hold what they should. */
  inspect(): StoreInspection {
    return new StoreInspection(this.directory, this.#index.tables, this.#variants);
  }

  /** Begins to put right what is damaged. @throws READ_ONLY */
  repair(): StoreRepair {
    return new StoreRepair({
      directory: this.directory,
      index: this.#index,
      content: this.#content,
      variants: this.#variants,
      checkWritable: this.#checkWritable,
      flush: () => this.flush(),
    });
  }

  /** How much it holds and takes; goes through the whole index. @throws STORE_FAILED */
  async stats(): Promise<StoreStats> {
    await this.flush();
    return await storeStats(this.directory, this.#index.tables);
  }

  /**
   * Brings all content whose writers were closed to disk. Putting a PathInfo does so too.
   * @throws STORE_FAILED
   */
  async flush(): Promise<void> {
    await this.#commits.flush();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#close();
    await this.#closed;
  }

  async #close(): Promise<void> {
    try {
      await this.flush();
    } finally {
      await this.#writer[Symbol.asyncDispose]();
      await this.#packs[Symbol.asyncDispose]();
      await this.#index[Symbol.asyncDispose]();
    }
  }
}
