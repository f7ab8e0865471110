/**
 * Whether a store holds what it should, as one pipeline:
 *
 *     packs → records → blobs → store paths: record, content, references, NAR, claim → extra files → rows about them
 *
 * Structure alone is looked at in the index and in directories; in depth every record is read and hashed, and
 * every NAR is rendered and hashed. Others may write, collect and serve meanwhile. Nothing is changed by it.
 */
import { FileNode } from '../castore/node.ts';
import { extraFilePath } from '../extraFiles/extraFileName.ts';
import { drain } from '../ingest/drain.ts';
import { Queue } from '../ingest/queue.ts';
import type { Limits } from '../limits.ts';
import type { VariantKey } from '../pathinfo/currentView.ts';
import type { Store } from '../store/store.ts';
import type { StoreInspection } from '../store/storeInspection.ts';
import { ContentVerification, isDamage, noteFaults } from './contentVerification.ts';
import { type Damage, DamageLedger } from './damage.ts';
import { PathVerification } from './pathVerification.ts';
import { PlacedRecords } from './placedRecords.ts';
import { RecordVerification } from './recordVerification.ts';
import { RelationVerification } from './relationVerification.ts';
import type { OnVerifyEvent, VerifyPhase } from './verifyEvent.ts';

/** Paths that are looked at once: one waits for the disk while another is hashed. */
const PATHS_IN_FLIGHT = 4;
/** Records of given paths that are gathered before they are read. */
const GATHERED_RECORDS = 1_000_000;

/** What is verified, and how. */
export interface VerifyOptions {
  /** Variants to look at; everything that the store has by default. */
  readonly paths?: readonly VariantKey[] | undefined;
  /** With `paths`: look at all extra files, too. Default `false`. */
  readonly extraFiles?: boolean | undefined;
  /** Read and hash all that there is, not only look whether it is there. Default `false`. */
  readonly deep?: boolean | undefined;
  readonly onEvent?: OnVerifyEvent | undefined;
  readonly limits?: Limits | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What was looked at. */
export interface VerifyCounts {
  /** Variants of store paths. */
  readonly paths: number;
  /** Records of the index; of given paths only with `deep`. */
  readonly records: number;
  /** Records that were read and hashed. */
  readonly recordsHashed: number;
  /** Bytes of NAR that were rendered and hashed, each content once. */
  readonly narBytesHashed: number;
}

/** What was found. */
export interface VerifyReport {
  readonly counts: VerifyCounts;
  /** Each thing once; empty if nothing is damaged. */
  readonly damages: readonly Damage[];
}

/**
 * Verifies a store.
 * @throws STORE_FAILED it could not be read, for another reason than damage
 * @throws STORE_INVALID the index itself is damaged as a file
 * @throws the reason of an abort
 */
export async function verifyStore(
  store: Store,
  options: VerifyOptions = {},
): Promise<VerifyReport> {
  const { ledger, counts } = await runVerification(store, options);
  return { counts, damages: ledger.damages };
}

/** The same, with all that a repair has to know. */
export async function runVerification(
  store: Store,
  options: VerifyOptions,
): Promise<{ readonly ledger: DamageLedger; readonly counts: VerifyCounts }> {
  const { onEvent = () => {} } = options;
  const ledger = new DamageLedger((subject, error) => onEvent({ type: 'damage', subject, error }));
  await using inspection = store.inspect();
  const counts = await new Verification(store, inspection, ledger, options).run();
  return { ledger, counts };
}

/** One run. */
class Verification {
  readonly #store: Store;
  readonly #inspection: StoreInspection;
  readonly #ledger: DamageLedger;
  readonly #options: VerifyOptions;
  readonly #deep: boolean;
  readonly #records: RecordVerification;
  readonly #content: ContentVerification;
  readonly #paths: PathVerification;

  constructor(
    store: Store,
    inspection: StoreInspection,
    ledger: DamageLedger,
    options: VerifyOptions,
  ) {
    const { deep = false, limits, signal } = options;
    this.#store = store;
    this.#inspection = inspection;
    this.#ledger = ledger;
    this.#options = options;
    this.#deep = deep;
    this.#records = new RecordVerification(inspection, ledger);
    this.#content = new ContentVerification(inspection, this.#records, ledger);
    this.#paths = new PathVerification({
      inspection,
      ledger,
      content: this.#content,
      blobService: store.blobs,
      directoryService: store.directories,
      deep,
      limits,
      signal,
    });
  }

  async run(): Promise<VerifyCounts> {
    const { paths } = this.#options;
    const counts = paths === undefined ? await this.#everything() : await this.#some(paths);
    const { checked } = this.#records;
    return { ...counts, recordsHashed: checked, narBytesHashed: this.#paths.narBytes };
  }

  async #everything(): Promise<Pick<VerifyCounts, 'paths' | 'records'>> {
    const { records, variants, relations } = this.#inspection.counts();
    await this.#records.packs();
    const inRecords = this.#progress('records', this.#deep ? 2 * records : records);
    await this.#records.all(this.#deep, inRecords.reached);
    await this.#blobLists();
    const inPaths = this.#progress('paths', variants);
    let paths = 0;
    for (const keys of this.#inspection.variantPages()) {
      await this.#verifyPaths(keys, () => inPaths.add(1));
      paths += keys.length;
    }
    await this.#extraFiles();
    if (this.#deep) await this.#blobContents();
    const inRelations = this.#progress('relations', relations + variants);
    const verification = new RelationVerification(this.#inspection, this.#ledger);
    await verification.all(this.#options.signal, inRelations.add);
    await this.#records.noteEnds();
    return { paths, records };
  }

  async #some(keys: readonly VariantKey[]): Promise<Pick<VerifyCounts, 'paths' | 'records'>> {
    const records = this.#deep ? await this.#recordsOf(keys) : 0;
    const inPaths = this.#progress('paths', keys.length);
    await this.#verifyPaths(keys, () => inPaths.add(1));
    if (this.#options.extraFiles === true) await this.#extraFiles();
    const verification = new RelationVerification(this.#inspection, this.#ledger);
    for (const { digest } of keys) verification.current(digest);
    await this.#records.noteEnds();
    return { paths: keys.length, records };
  }

  async #verifyPaths(keys: readonly VariantKey[], onDone: () => void): Promise<void> {
    const queue = new Queue<VariantKey>();
    for (const key of keys) queue.push(key);
    await drain(queue, PATHS_IN_FLIGHT, async (key) => {
      await this.#paths.path(key);
      onDone();
    });
  }

  /** Reads and hashes the records below some paths, before anything is said about the paths. */
  async #recordsOf(keys: readonly VariantKey[]): Promise<number> {
    const placed = new PlacedRecords();
    const progress = this.#progress('records', keys.length);
    let records = 0;
    const read = async () => {
      records += placed.count;
      await this.#records.read(placed, () => {});
      placed.clear();
    };
    for (const key of keys) {
      const node = this.#nodeOf(key);
      if (node !== undefined) {
        // faults come again when the path is looked at
        await this.#content.node(node, this.#options.signal, (record) => placed.add(record));
      }
      progress.add(1);
      if (placed.count >= GATHERED_RECORDS) await read();
    }
    await read();
    return records;
  }

  #nodeOf(key: VariantKey) {
    try {
      return this.#inspection.variants.variant(key)?.node;
    } catch (error) {
      if (isDamage(error)) return undefined;
      throw error;
    }
  }

  async #blobLists(): Promise<void> {
    const progress = this.#progress('blobs', this.#inspection.counts().blobs);
    for (const blobs of this.#inspection.blobPages()) {
      for (const blob of blobs) {
        const faults = await this.#content.blob(blob);
        if (faults.length === 0) continue;
        this.#inspection.refresh();
        if (this.#inspection.chunkList(blob.digest) !== undefined) noteFaults(faults, this.#ledger);
      }
      progress.add(blobs.length);
      await new Promise(setImmediate);
      this.#options.signal?.throwIfAborted();
    }
  }

  /** What extra files hold is looked at as files of store paths are. */
  async #extraFiles(): Promise<void> {
    const { signal, paths } = this.#options;
    try {
      if (this.#deep && paths !== undefined) await this.#recordsOfExtraFiles();
      for await (const { name, file } of this.#store.extraFiles.list({ signal })) {
        const node = new FileNode(file.digest, file.size, false);
        const faults = await this.#content.node(node, signal);
        const [fault] = faults;
        if (fault === undefined || (await this.#store.extraFiles.get(name)) === undefined) continue;
        noteFaults(faults, this.#ledger);
        this.#ledger.add({ type: 'extraFile', path: extraFilePath(name) }, fault.error);
      }
    } catch (error) {
      // a row of the list that cannot be read
      if (!isDamage(error)) throw error;
      this.#ledger.add({ type: 'extraFile', path: String(error.facts['url']) }, error);
    }
  }

  async #recordsOfExtraFiles(): Promise<void> {
    const { signal } = this.#options;
    const placed = new PlacedRecords();
    for await (const { file } of this.#store.extraFiles.list({ signal })) {
      const node = new FileNode(file.digest, file.size, false);
      await this.#content.node(node, signal, (record) => placed.add(record));
    }
    await this.#records.read(placed, () => {});
  }

  /** The blobs that no NAR held. */
  async #blobContents(): Promise<void> {
    const { signal } = this.#options;
    for (const blobs of this.#inspection.blobPages()) {
      for (const { digest } of blobs) {
        await this.#content.hashBlob(digest, this.#store.blobs, signal);
      }
    }
  }

  #progress(phase: VerifyPhase, total: number) {
    const { onEvent, signal } = this.#options;
    let done = 0;
    const reached = (now: number) => {
      signal?.throwIfAborted();
      done = now;
      onEvent?.({ type: 'progress', phase, done, total: Math.max(done, total) });
    };
    reached(0);
    return { reached, add: (more: number) => reached(done + more) };
  }
}
