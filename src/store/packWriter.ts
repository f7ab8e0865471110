/**
 * The packs that this process writes: one open at a time, made at the first write, and followed by
 * another when it has reached its length.
 */
import { packPath } from './layout.ts';
import { PackFile } from './packFile.ts';
import {
  encodeRecordHeader,
  endOffset,
  RECORD_MAX_BYTES,
  type RecordHeader,
  type RecordLocation,
} from './packFormat.ts';
import { storeFailure } from './storeFailure.ts';

/** A pack this long gets no more records: few files, each small enough to rewrite in seconds. */
export const PACK_FULL_BYTES = 256 * 1024 * 1024;

/** How packs get their numbers. */
export type AllocatePack = () => Promise<number>;

/** Appends records to packs of its own. */
export class PackWriter implements AsyncDisposable {
  readonly #store: string;
  readonly #allocate: AllocatePack;
  readonly #fullBytes: number;
  #current: Promise<PackFile> | undefined;
  /** Full packs that are not on disk yet. */
  readonly #full = new Set<PackFile>();
  /** Packs that get no more records. */
  readonly #retired = new WeakSet<PackFile>();
  /** Every pack of this process that is not closed. */
  readonly #open = new Map<number, PackFile>();
  /** Packs with lost writes; what lies in them unsynced must never be referred to. */
  readonly #failed = new Map<number, unknown>();

  constructor(store: string, allocate: AllocatePack, fullBytes: number = PACK_FULL_BYTES) {
    this.#store = store;
    this.#allocate = allocate;
    this.#fullBytes = fullBytes;
  }

  /**
   * Appends a record. It can be read after `ensureWritten`.
   * @throws STORE_FAILED
   */
  async append(header: RecordHeader, data: Uint8Array): Promise<RecordLocation> {
    if (data.length > RECORD_MAX_BYTES) {
      throw storeFailure('writing a record', this.#store, new RangeError('it is above 4 GiB'));
    }
    let pack = await this.#currentPack();
    // several appends may have waited for the same pack, and one of them filled it
    while (this.#retired.has(pack)) pack = await this.#currentPack();
    const offset = pack.append([encodeRecordHeader(header), data]);
    if (pack.end >= this.#fullBytes) this.#retire(pack);
    if (pack.isBehind) await this.#orFail('writing a pack', pack, () => pack.drain());
    const { encoding, encodedSize, size } = header;
    return { pack: pack.number, offset, encoding, encodedSize, size };
  }

  /** Waits until a record of this process can be read from its pack. @throws STORE_FAILED */
  async ensureWritten(location: RecordLocation): Promise<void> {
    const pack = this.#open.get(location.pack);
    if (pack === undefined || endOffset(location) <= pack.writtenEnd) return;
    await this.#orFail('writing a pack', pack, () => pack.writeOut());
  }

  /** Everything appended before the call is on disk afterwards. @throws STORE_FAILED */
  async sync(): Promise<void> {
    const full = [...this.#full];
    const current = await this.#current;
    for (const pack of full) {
      await this.#orFail('writing a pack', pack, () => pack.sync());
      this.#full.delete(pack);
      this.#open.delete(pack.number);
      await pack.close();
    }
    if (current !== undefined && !full.includes(current)) {
      await this.#orFail('writing a pack', current, () => current.sync());
    }
  }

  /** Completes the pack that is open: what follows goes into another. @throws STORE_FAILED */
  async complete(): Promise<void> {
    const current = await this.#current?.catch(() => undefined);
    if (current !== undefined && !this.#retired.has(current)) this.#retire(current);
    await this.sync();
  }

  /** Why a pack's writes were lost, or `undefined` if they were not. */
  failureOf(pack: number): unknown {
    return this.#failed.get(pack);
  }

  /** Packs with lost writes. What of them was referred to before stays readable. */
  get failedPacks(): Iterable<number> {
    return this.#failed.keys();
  }

  /** Closes the packs. What was not synced may be lost. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#current = undefined;
    for (const pack of this.#open.values()) await pack.close();
    this.#open.clear();
    this.#full.clear();
  }

  #currentPack(): Promise<PackFile> {
    if (this.#current === undefined) {
      const creating = this.#create();
      this.#current = creating;
      // the next write tries again
      creating.catch(() => {
        if (this.#current === creating) this.#current = undefined;
      });
    }
    return this.#current;
  }

  async #create(): Promise<PackFile> {
    const number = await this.#allocate();
    const path = packPath(this.#store, number);
    try {
      const pack = await PackFile.create(number, path);
      this.#open.set(number, pack);
      return pack;
    } catch (error) {
      throw storeFailure('making a pack', path, error);
    }
  }

  #retire(pack: PackFile): void {
    this.#retired.add(pack);
    this.#full.add(pack);
    this.#current = undefined;
  }

  async #orFail(name: string, pack: PackFile, action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      // after a failed write or sync nobody knows what of it is on disk
      if (!this.#failed.has(pack.number)) {
        this.#failed.set(pack.number, error);
        this.#retired.add(pack);
        this.#full.delete(pack);
        this.#open.delete(pack.number);
        if ((await this.#current?.catch(() => undefined)) === pack) this.#current = undefined;
        await pack.close().catch(() => {});
      }
      throw storeFailure(name, pack.path, error);
    }
  }
}
