/**
 * The lease of an open store: what it writes and relies on is kept by collections, also of other
 * processes, before a PathInfo says so.
 *
 * - Content in **packs** that this process began under its lease is kept: a lease names the first of them.
 * - What was **found** and is relied on (not written again, looked up under a hold, or put into the view)
 *   is remembered here, and put into the index as *stamps* when a collection asks.
 * - A collection asks by a *barrier*: it raises a number, and waits until every lease has passed it. In
 *   passing it a process reports what it relies on. From then on until the collection ends it finds only what is
 *   kept for certain; other content it writes once more.
 * - A process notices by looking every now and then. One that has ended is not waited for; one in another
 *   container is taken to have ended when it has not renewed its lease for long. Should it not have, its next
 *   commit finds the lease gone and fails: nothing is ever committed on a lease that is not held.
 */
import type { Digest } from '../../castore/digest.ts';
import { isNarthexError } from '../../errors.ts';
import { ownIdentity } from '../processIdentity.ts';
import { encodeU32 } from '../schema.ts';
import { leaseLost, runningCollection, runningCompression } from '../storeFailure.ts';
import type { StoreIndex, Tables } from '../storeIndex.ts';
import { Generations } from './generations.ts';
import {
  allocateLease,
  type CollectionPhase,
  type CollectionState,
  collectionState,
  compressingProcess,
  isDeleting,
  type LeaseUse,
  NO_PACK,
  putLease,
  putStamps,
  removeLease,
  removeStamps,
  type Stamp,
  type StampKind,
} from './leaseTable.ts';
import { isCollecting, isRunning, RENEW_MS } from './liveness.ts';

/** How often a process looks whether a collection asks: what a collection waits for at least. */
const LOOK_MS = 250;
/** For how long content is kept that no PathInfo refers to yet, unless somebody holds it. */
export const DEFAULT_GRACE_MS = 60 * 60_000;

/** What a lease is made of. */
export interface LeaseParts {
  readonly index: Pick<StoreIndex, 'path' | 'tables' | 'transaction'>;
  /** See {@link DEFAULT_GRACE_MS}. */
  readonly graceMs?: number | undefined;
  /** Brings all that was published to disk, and completes the pack that is open. */
  readonly completePack: () => Promise<void>;
}

/** See the head of this file. */
export class Lease implements AsyncDisposable {
  readonly #parts: LeaseParts;
  readonly #generations: Generations;
  readonly #timer: NodeJS.Timeout;
  /** Known once it is on disk. */
  #number: number | undefined;
  #taking: Promise<void> | undefined;
  #phase: CollectionPhase = 'idle';
  #barrier = 0;
  /** What the index says for certain; perhaps it says an earlier one. */
  #firstPack = NO_PACK;
  #renewedAt = 0;
  #nextStamp = 0;
  #watching = 0;
  #repairs = 0;
  #looking: Promise<void> | undefined;
  #closed = false;

  private constructor(parts: LeaseParts) {
    this.#parts = parts;
    this.#generations = new Generations(parts.graceMs ?? DEFAULT_GRACE_MS, performance.now());
    // what fails is tried again, and fails the next commit, too
    this.#timer = setInterval(() => this.look().catch(() => {}), LOOK_MS);
    this.#timer.unref();
  }

  /**
   * Takes a lease. Where the disk is full it is taken with the first write instead, so that what is
   * kept can be given out.
   */
  static async take(parts: LeaseParts): Promise<Lease> {
    const lease = new Lease(parts);
    try {
      await lease.ensureHeld();
    } catch (error) {
      if (isNarthexError(error, 'STORE_FAILED')) return lease;
      clearInterval(lease.#timer);
      throw error;
    }
    return lease;
  }

  /** Takes it where that was not possible before; what commits something does so first. @throws STORE_FAILED */
  async ensureHeld(): Promise<void> {
    if (this.#number !== undefined) return;
    this.#taking ??= this.#enter().finally(() => {
      this.#taking = undefined;
    });
    await this.#taking;
  }

  /** Its number, once it is held. */
  get number(): number | undefined {
    return this.#number;
  }

  /** Keeps what is written, found and looked up from now on, until it is disposed of. */
  hold(): Disposable {
    const hold = this.#generations.hold();
    this.#watching++;
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (held) this.#watching--;
        held = false;
        hold[Symbol.dispose]();
      },
    };
  }

  /** The same for what is written and found alone: what an open writer has, and content on its way. */
  holdWritten(): Disposable {
    return this.#generations.hold();
  }

  /**
   * Lets no collection and no compression begin until it is disposed of: a repair points the index to what a collection may be about
   * to delete.
   * @throws STORE_BUSY a collection runs
   * @throws STORE_FAILED
   */
  async holdRepairing(): Promise<AsyncDisposable> {
    const { index } = this.#parts;
    const { tables, path } = index;
    await this.ensureHeld();
    const putRow = () => this.#putRow(this.keepCommitted([]));
    this.#repairs++;
    try {
      await index.transaction(() => {
        const state = collectionState(tables);
        if (state !== undefined && isCollecting(tables, state, Date.now())) {
          throw runningCollection(path, state.process.pid);
        }
        checkNoCompression(index);
        putRow();
      });
    } catch (error) {
      this.#repairs--;
      throw error;
    }
    let held = true;
    return {
      [Symbol.asyncDispose]: async () => {
        if (!held) return;
        held = false;
        this.#repairs--;
        await index.transaction(putRow);
      },
    };
  }

  /**
   * Whether what is in the index can be relied on. What is found so is kept from then on.
   * @param pack where it lies, if one can tell
   */
  find(kind: StampKind, digest: Digest, pack: number | undefined): boolean {
    if (this.#number === undefined) return false;
    const stamp = { kind, digest };
    if (pack !== undefined && pack >= this.#firstPack) {
      // packs of earlier generations may be given up before whoever has found this
      if (pack < this.#generations.currentFirstPack) this.#generations.rely(stamp);
      return true;
    }
    if (this.#phase === 'sweeping') return this.#generations.relies(stamp);
    this.#generations.rely(stamp);
    return true;
  }

  /**
   * The same for who can wait: true, also during a collection, unless it was deleted just now.
   * @param isThere asked inside a transaction
   */
  async relyOn(kind: StampKind, digest: Digest, isThere: () => boolean): Promise<boolean> {
    const stamp = { kind, digest };
    if (this.#number !== undefined && !isDeleting(this.#phase)) {
      this.#generations.rely(stamp);
      return true;
    }
    if (this.#generations.relies(stamp)) return true;
    await this.ensureHeld();
    return await this.#parts.index.transaction(() => {
      const there = isThere();
      if (there) this.keepCommitted([stamp]);
      return there;
    });
  }

  /** {@link relyOn} for what is looked up, which is relied on only where somebody holds it. */
  async watch(kind: StampKind, digest: Digest, isThere: () => boolean): Promise<boolean> {
    return this.#watching === 0 || (await this.relyOn(kind, digest, isThere));
  }

  /**
   * Inside a transaction that commits something: what is to be kept with it.
   * @returns the number of the lease
   * @throws STORE_FAILED the lease is not held any more
   */
  keepCommitted(stamps: readonly Stamp[]): number {
    const { tables, path } = this.#parts.index;
    const number = this.#number;
    if (number === undefined || !tables.lease.has(encodeU32(number))) throw leaseLost(path);
    for (const stamp of stamps) this.#generations.rely(stamp);
    if (stamps.length > 0 && isDeleting(collectionState(tables)?.phase)) {
      this.#generations.tookRow(this.#putStamps(number, stamps));
    }
    return number;
  }

  /** Inside the transaction that gives this process a pack. @throws STORE_FAILED as above */
  takePack(pack: number): void {
    const number = this.keepCommitted([]);
    // whatever else puts the row before this is known to be on disk puts the pack into it, too
    this.#generations.tookPack(pack);
    if (this.#firstPack === NO_PACK) this.#putRow(number);
  }

  /** That transaction is on disk. */
  tookPack(pack: number): void {
    this.#firstPack = Math.min(this.#firstPack, pack);
  }

  /** Looks whether a collection asks for something, and gives up what nobody needs. */
  async look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    await this.#looking;
  }

  /** Ends the lease. @throws STORE_FAILED */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#timer);
    // what it could not do is done here
    await this.#looking?.catch(() => {});
    const { index } = this.#parts;
    const number = this.#number;
    if (number === undefined) return;
    await index.transaction(() => {
      const { tables } = index;
      if (!isDeleting(phaseOf(tables, collectionState(tables)))) {
        removeLease(tables, number);
      } else if (tables.lease.has(encodeU32(number))) {
        this.#report(number);
        this.#putRow(number, 'ended');
      }
    });
  }

  async #enter(): Promise<void> {
    const { tables } = this.#parts.index;
    this.#number = await this.#parts.index.transaction(() => {
      const number = allocateLease(tables);
      const state = collectionState(tables);
      this.#barrier = state?.barrier ?? 0;
      this.#phase = phaseOf(tables, state);
      this.#putRow(number);
      return number;
    });
  }

  /** Inside a transaction. */
  #putRow(number: number, use: LeaseUse = this.#repairs > 0 ? 'repairing' : 'open'): void {
    this.#renewedAt = Date.now();
    putLease(this.#parts.index.tables, number, {
      process: ownIdentity(),
      renewedAt: this.#renewedAt,
      firstPack: this.#generations.firstPack,
      barrier: this.#barrier,
      use,
    });
  }

  #report(number: number): () => void {
    return this.#generations.report((stamps) => this.#putStamps(number, stamps));
  }

  #putStamps(number: number, stamps: readonly Stamp[]): number {
    const count = this.#nextStamp++;
    putStamps(this.#parts.index.tables, number, count, stamps);
    return count;
  }

  async #look(): Promise<void> {
    if (this.#number === undefined) return;
    const { tables } = this.#parts.index;
    const state = collectionState(tables, 'getLatest');
    // from here on what is found is not reported by what follows
    this.#phase = phaseOf(tables, state);
    if (state !== undefined && state.barrier !== this.#barrier) await this.#pass(state.barrier);
    if (isDeleting(this.#phase)) return;
    if (this.#generations.isFull) await this.#pass(this.#barrier);
    // of a clock that does not jump
    const now = performance.now();
    if (this.#generations.isDue(now)) {
      await this.#parts.completePack();
      this.#generations.rotate(performance.now());
    }
    const rows = this.#generations.expire(now);
    if (rows !== undefined) await this.#giveUp(rows);
    else if (Math.abs(Date.now() - this.#renewedAt) > RENEW_MS) await this.#pass(this.#barrier);
  }

  /** Reports what is relied on. */
  async #pass(barrier: number): Promise<void> {
    const { index } = this.#parts;
    const before = this.#barrier;
    try {
      const reported = await index.transaction(() => {
        const number = this.keepCommitted([]);
        const whenReported = this.#report(number);
        // no earlier, or another transaction says so before
        this.#barrier = barrier;
        this.#putRow(number);
        return whenReported;
      });
      reported();
    } catch (error) {
      this.#barrier = before;
      throw error;
    }
  }

  async #giveUp(rows: readonly number[]): Promise<void> {
    const { index } = this.#parts;
    // first here, so that nothing is found that the index does not protect any more
    this.#firstPack = this.#generations.firstPack;
    await index.transaction(() => {
      const number = this.keepCommitted([]);
      this.#putRow(number);
      removeStamps(index.tables, number, rows);
    });
  }
}

/** Inside a transaction. @throws STORE_BUSY a process compresses what lies at rest */
export function checkNoCompression({ tables, path }: Pick<StoreIndex, 'tables' | 'path'>): void {
  const process = compressingProcess(tables);
  if (process !== undefined && isRunning(tables, process, Date.now())) {
    throw runningCompression(path, process.pid);
  }
}

/** A collection that ended without saying so deletes nothing. */
function phaseOf(tables: Tables, state: CollectionState | undefined): CollectionPhase {
  if (state === undefined || !isDeleting(state.phase)) return 'idle';
  return isCollecting(tables, state, Date.now()) ? state.phase : 'idle';
}
