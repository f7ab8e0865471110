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
import { type CollectionReport, type CollectOptions, collectGarbage } from './gc/collectGarbage.ts';
import { type CompressionReport, type CompressOptions, compressPacks } from './gc/compressPacks.ts';
import { Lease } from './gc/lease.ts';
import { stampsOf } from './gc/stampsOf.ts';
import { LastUse } from './lastUse.ts';
import { indexPath, packsPath } from './layout.ts';
import { PackReader } from './packReader.ts';
import { PackWriter } from './packWriter.ts';
import { putPathInfo } from './putPathInfo.ts';
import { DEFAULT_COMPRESSION_LEVEL, type EncoderOfLevel, zstdEncoder } from './recordEncoding.ts';
import { RecordReader } from './recordReader.ts';
import { decodeLocation, type IndexedNar, type NarContent } from './schema.ts';
import { StoreBlobService } from './storeBlobService.ts';
import { StoreDirectoryService } from './storeDirectoryService.ts';
import { StoreExtraFileService } from './storeExtraFileService.ts';
import { orStoreFailure, readOnlyStore } from './storeFailure.ts';
import { StoreFindingService } from './storeFindingService.ts';
import { StoreIndex } from './storeIndex.ts';
import { StoreInspection } from './storeInspection.ts';
import { StorePathInfoService } from './storePathInfoService.ts';
import { StorePinService } from './storePinService.ts';
import { StoreRepair } from './storeRepair.ts';
import { type StoreStats, storeStats } from './storeStats.ts';
import { VariantTable } from './variantTable.ts';

/** How to open a store. */
export interface StoreOptions {
  /** Refuse writes with `READ_ONLY`; false by default. */
  readonly readOnly?: boolean;
  /** Make a store where there is none; true by default, but never for a read-only one. */
  readonly createIfMissing?: boolean;
  /** The zstd level of what is written, 1 to 19; 0 for as it is. */
  readonly compressionLevel?: number;
  /** Gives what compresses; on the calling thread by default. */
  readonly encoderOf?: EncoderOfLevel | undefined;
  /** A pack this long gets no more records. */
  readonly packFullBytes?: number;
  /** How many extra files it takes. */
  readonly limits?: Pick<Limits, 'extraFiles'>;
  /** For how long collections keep content of this process that no PathInfo refers to, in milliseconds. */
  readonly graceMs?: number;
  /** Milliseconds since 1970, for last uses; the clock by default. */
  readonly now?: () => number;
}

interface StoreParts {
  readonly directory: string;
  readonly index: StoreIndex;
  readonly lease: Lease | undefined;
  readonly openWriter: () => PackWriter;
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
  readonly pins: StorePinService;
  readonly #index: StoreIndex;
  readonly #content: ContentStore;
  readonly #checkWritable: () => void;
  readonly #writer: PackWriter;
  readonly #packs: PackReader;
  readonly #commits: CommitQueue;
  readonly #variants: VariantTable;
  readonly #lease: Lease | undefined;
  readonly #lastUse: LastUse | undefined;
  readonly #now: () => number;
  readonly #openWriter: () => PackWriter;
  readonly #encoderOf: EncoderOfLevel;
  #closed: Promise<void> | undefined;

  private constructor({ directory, index, lease, openWriter }: StoreParts, options: StoreOptions) {
    const { tables } = index;
    this.directory = directory;
    this.#now = options.now ?? Date.now;
    this.#index = index;
    this.#packs = new PackReader(directory);
    const writer = openWriter();
    this.#writer = writer;
    this.#openWriter = openWriter;
    this.#encoderOf = options.encoderOf ?? zstdEncoder;
    this.#lease = lease;
    const content = new ContentStore({
      directory,
      tables,
      writer,
      reader: new RecordReader(directory, this.#packs, writer, (digest) => {
        const moved =
          tables.chunk.getLatest(digest.bytes) ?? tables.directory.getLatest(digest.bytes);
        return moved && decodeLocation(moved);
      }),
      lease,
      level: options.compressionLevel ?? DEFAULT_COMPRESSION_LEVEL,
      encoderOf: this.#encoderOf,
      flush: () => this.#commits.flush(),
    });
    this.#content = content;
    const variants = new VariantTable(tables);
    this.#variants = variants;
    const lastUse = lease && new LastUse(index, this.#now);
    this.#lastUse = lastUse;
    this.#commits = new CommitQueue({
      prepareContent: () => content.prepareCommit(),
      transaction: async (action) => {
        await lease?.ensureHeld();
        return await index.transaction(action);
      },
      put: (pathInfo) => {
        const kept = putPathInfo(tables, variants, pathInfo);
        lastUse?.put(kept.closureDigest);
        lease?.keepCommitted(stampsOf(tables, kept));
        return kept;
      },
    });
    const checkWritable = () => {
      if (options.readOnly === true) throw readOnlyStore(directory);
    };
    this.#checkWritable = checkWritable;
    this.blobs = new StoreBlobService(content, checkWritable);
    this.directories = new StoreDirectoryService(content, checkWritable);
    this.pathInfos = new StorePathInfoService({
      index,
      variants,
      commits: this.#commits,
      checkWritable,
      lease,
      lastUse,
    });
    this.pins = new StorePinService(index, checkWritable);
    this.findings = new StoreFindingService(index, checkWritable);
    this.extraFiles = new StoreExtraFileService({
      index,
      flush: () => this.#commits.flush(),
      checkWritable,
      limits: options.limits ?? DEFAULT_LIMITS,
      lease,
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
    try {
      let store: Store | undefined;
      const lease = readOnly
        ? undefined
        : await Lease.take({
            index,
            graceMs: options.graceMs,
            completePack: async () => await store?.completePack(),
          });
      const allocate = async () => {
        await lease?.ensureHeld();
        const number = await index.allocatePack((pack) => lease?.takePack(pack));
        lease?.tookPack(number);
        return number;
      };
      const openWriter = () => new PackWriter(directory, allocate, options.packFullBytes);
      store = new Store({ directory, index, lease, openWriter }, options);
      return store;
    } catch (error) {
      await index[Symbol.asyncDispose]();
      throw error;
    }
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
   * {@link recordContent}: it may be taken for any store path of this NarHash. Collections keep it for now.
   * @throws STORE_FAILED | STORE_INVALID
   */
  async contentByNarHash(narHash: Hash, options?: ServiceOptions): Promise<NarContent | undefined> {
    const nar = this.#narOf(narHash, options);
    if (nar?.computed !== true) return undefined;
    return (await this.#content.relyOnNode(nar.content.node)) ? nar.content : undefined;
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

  /**
   * Begins to put right what is damaged. No collection begins before it is disposed of.
   * @throws STORE_BUSY garbage is being collected
   * @throws READ_ONLY | STORE_FAILED
   */
  async repair(): Promise<StoreRepair> {
    this.#checkWritable();
    return new StoreRepair({
      directory: this.directory,
      index: this.#index,
      content: this.#content,
      variants: this.#variants,
      checkWritable: this.#checkWritable,
      flush: () => this.flush(),
      hold: await this.#lease?.holdRepairing(),
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

  /**
   * Keeps what is written, found and looked up from now on until it is disposed of, whether or not a
   * PathInfo refers to it: what an ingest needs that puts PathInfos later.
   */
  hold(): Disposable {
    return this.#lease?.hold() ?? { [Symbol.dispose]() {} };
  }

  /**
   * Deletes what nobody needs, and gives its space back to the file system. May run while this and other
   * processes read and write.
   * @throws STORE_BUSY another collection runs, or a repair, or a process that writes does not answer
   * @throws READ_ONLY unless it is a dry run
   * @throws STORE_FAILED
   * @throws STORE_INVALID | DIGEST_MISMATCH | DIRECTORY_MISSING | BLOB_MISSING content that stays is damaged
   * @throws the signal's reason
   */
  async collectGarbage(options: CollectOptions = {}): Promise<CollectionReport> {
    if (options.dryRun !== true) this.#checkWritable();
    await this.#lastUse?.flush();
    const { directory } = this;
    const parts = { directory, index: this.#index, writer: this.#writer, lease: this.#lease };
    return await collectGarbage(parts, { now: this.#now(), ...options });
  }

  /**
   * Compresses what lies at rest at a lower level, and gives the space that it gains back to the file system. May
   * run while this and other processes read and write; it leaves out packs that may be in use.
   * @throws STORE_BUSY another process does so
   * @throws READ_ONLY
   * @throws STORE_FAILED | STORE_INVALID | WORKER_FAILED
   * @throws the signal's reason; what is done stays done
   */
  async compress(options: CompressOptions = {}): Promise<CompressionReport> {
    this.#checkWritable();
    const { directory } = this;
    const parts = {
      directory,
      index: this.#index,
      lease: this.#lease,
      encoderOf: this.#encoderOf,
      openWriter: this.#openWriter,
    };
    return await compressPacks(parts, options);
  }

  /** Brings all to disk, and begins another pack with the next write. @throws STORE_FAILED */
  async completePack(): Promise<void> {
    await this.flush();
    await this.#writer.complete();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#close();
    await this.#closed;
  }

  async #close(): Promise<void> {
    try {
      await this.flush();
      await this.#lastUse?.[Symbol.asyncDispose]();
    } finally {
      await this.#closeFiles();
    }
  }

  async #closeFiles(): Promise<void> {
    try {
      await this.#lease?.[Symbol.asyncDispose]();
    } finally {
      await this.#writer[Symbol.asyncDispose]();
      await this.#packs[Symbol.asyncDispose]();
      await this.#index[Symbol.asyncDispose]();
    }
  }
}
