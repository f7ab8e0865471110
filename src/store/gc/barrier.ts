/** The side of leases that a collection sees: taking its turn, and waiting until all have taken notice. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { NarthexError } from '../../errors.ts';
import { ownIdentity } from '../processIdentity.ts';
import { leaseLost, runningCollection, runningRepair } from '../storeFailure.ts';
import { nextPack, type StoreIndex, type Tables } from '../storeIndex.ts';
import type { Lease } from './lease.ts';
import {
  type CollectionPhase,
  collectionState,
  type LeaseRecord,
  leasesOf,
  putCollectionState,
  removeLease,
} from './leaseTable.ts';
import { isCollecting, isLive } from './liveness.ts';

/** How often it is looked whether all have passed. */
const LOOK_MS = 20;
/** A process that writes looks at the index four times a second, unless it is stopped. */
export const DEFAULT_PATIENCE_MS = 30_000;

/** Content in packs from this number on is being written, or was by a process that lives. */
export function firstLivePack(tables: Tables, now: number): number {
  const live = [...leasesOf(tables).values()].filter((lease) => isLive(lease, now));
  return Math.min(nextPack(tables), ...live.map(({ firstPack }) => firstPack));
}

/** The stamps that a collection would remove when it begins, as counts by lease. */
export function stampsOfEndedProcesses(tables: Tables, now: number): Map<number, number> {
  const ended = [...leasesOf(tables)].filter(([, lease]) => !isLive(lease, now));
  return new Map(ended.map(([number]) => [number, Number.POSITIVE_INFINITY]));
}

/** The turn of one collection. Disposing of it lets the next one begin. */
export class CollectionTurn implements AsyncDisposable {
  readonly #index: StoreIndex;
  readonly #lease: Lease | undefined;
  /** See {@link firstLivePack}, when the collection began. */
  readonly firstPack: number;
  #barrier: number;

  private constructor(
    index: StoreIndex,
    lease: Lease | undefined,
    begun: { readonly barrier: number; readonly firstPack: number },
  ) {
    this.#index = index;
    this.#lease = lease;
    this.#barrier = begun.barrier;
    this.firstPack = begun.firstPack;
  }

  /**
   * Begins, and removes the leases of processes that have ended.
   * @throws STORE_BUSY another collection runs, or a repair
   */
  static async begin(index: StoreIndex, lease: Lease | undefined): Promise<CollectionTurn> {
    index.checkReaders();
    const { tables, path } = index;
    const begun = await index.transaction(() => {
      const state = collectionState(tables);
      const now = Date.now();
      if (state !== undefined && isCollecting(tables, state, now)) {
        throw runningCollection(path, state.process.pid);
      }
      for (const [number, record] of leasesOf(tables)) {
        if (!isLive(record, now)) removeLease(tables, number);
        else if (record.use === 'repairing') throw runningRepair(path, record.process.pid);
      }
      const barrier = (state?.barrier ?? 0) + 1;
      putCollectionState(tables, { barrier, phase: 'selecting', process: ownIdentity() });
      return { barrier, firstPack: firstLivePack(tables, now) };
    });
    return new CollectionTurn(index, lease, begun);
  }

  /**
   * Waits until every process that writes has reported what it relies on.
   * @throws STORE_BUSY one does not
   * @throws the signal's reason
   */
  async passed(signal: AbortSignal | undefined, patienceMs = DEFAULT_PATIENCE_MS): Promise<void> {
    const { tables, path } = this.#index;
    const patientUntil = performance.now() + patienceMs;
    await this.#lease?.look();
    for (;;) {
      const waitedFor = this.#notPassed(tables);
      if (waitedFor === undefined) return;
      if (performance.now() > patientUntil) throw silentProcess(path, waitedFor.process.pid);
      await sleep(LOOK_MS, undefined, { signal });
    }
  }

  /** Goes on to what comes next, which all are to notice. @throws STORE_FAILED as {@link transaction} */
  async enter(phase: CollectionPhase): Promise<void> {
    const barrier = this.#barrier + 1;
    await this.transaction(() => this.#put(barrier, phase));
    this.#barrier = barrier;
  }

  get tables(): Tables {
    return this.#index.tables;
  }

  /**
   * A transaction of this collection.
   * @throws STORE_FAILED another one has begun, which took this process to have ended
   */
  async transaction<T>(action: () => T): Promise<T> {
    const { path } = this.#index;
    return await this.#index.transaction(() => {
      if (!this.#isOurs()) throw leaseLost(path);
      return action();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#index.transaction(() => {
      if (this.#isOurs()) this.#put(this.#barrier, 'idle');
    });
  }

  #isOurs(): boolean {
    const state = collectionState(this.tables);
    return state?.barrier === this.#barrier && isDeepStrictEqual(state.process, ownIdentity());
  }

  #put(barrier: number, phase: CollectionPhase): void {
    putCollectionState(this.tables, { barrier, phase, process: ownIdentity() });
  }

  #notPassed(tables: Tables): LeaseRecord | undefined {
    tables.lease.refresh();
    const now = Date.now();
    return [...leasesOf(tables).values()].find(
      (lease) => lease.barrier < this.#barrier && isLive(lease, now),
    );
  }
}

function silentProcess(path: string, pid: number): NarthexError {
  return new NarthexError(
    'STORE_BUSY',
    `process ${pid} has the store open for writing and does not answer; nothing more is deleted: ${path}`,
    { path, pid },
  );
}
