/**
 * How many answers may be under way at once, over all connections: each holds memory as long as its
 * client does not take it, and one HTTP/2 connection may have many.
 */

/**
 * What an answer under way holds at most, beyond its part of the budget for reading ahead (`store/readAhead.ts`):
 * what was read and what comes after it (128 KiB each, also as it lies at rest), and the pieces that are gathered
 * for its client. `test/server/slowReaders.test.ts` measures what one holds whose client never takes anything,
 * which is less.
 */
export const BODY_BYTES = 1536 * 1024;
/** What all of them together may hold. */
export const BODIES_BUDGET_BYTES = 1024 * BODY_BYTES;
/** Where there is no room, a client that has taken nothing for so long makes room for another. */
const STALLED_FOR_MS = 10_000;

/**
 * Calls of gRPC have this part of the places at most: they are not evicted, and may be asked to go on for ever
 * (`Health.Watch`), so that they could take them all.
 */
const CALLS_SHARE = 1 / 2;

/** The place of one answer. Disposing of it gives it back. */
export interface BodySlot extends Disposable {
  /** Waits for what the client takes its time for. */
  wait(taken: Promise<void>): Promise<void>;
}

/** Options of {@link BodiesInFlight}. */
export interface BodiesInFlightOptions {
  readonly maxBodies?: number | undefined;
  readonly stalledForMs?: number | undefined;
}

/** How the answers under way stand. */
export interface BodiesFigures {
  readonly inFlight: number;
  /** Those of them that wait for their clients. */
  readonly waiting: number;
  readonly maxBodies: number;
  /** How many found no room, since the server runs. */
  readonly refused: number;
  /** How many were broken off to make room, since the server runs. */
  readonly evicted: number;
}

/** The answers under way. */
export class BodiesInFlight {
  readonly #maxBodies: number;
  readonly #stalledForMs: number;
  readonly #slots = new Set<Slot>();
  readonly #maxCalls: number;
  readonly #calls = new Set<Disposable>();
  #refused = 0;
  #evicted = 0;
  /** Since when each that waits for its client does so; the one that waits longest comes first. */
  readonly #waiting = new Map<Slot, number>();

  constructor(options: BodiesInFlightOptions = {}) {
    this.#maxBodies = options.maxBodies ?? Math.floor(BODIES_BUDGET_BYTES / BODY_BYTES);
    this.#maxCalls = Math.ceil(this.#maxBodies * CALLS_SHARE);
    this.#stalledForMs = options.stalledForMs ?? STALLED_FOR_MS;
  }

  /** How it stands. */
  figures(): BodiesFigures {
    return {
      inFlight: this.#slots.size,
      waiting: this.#waiting.size,
      maxBodies: this.#maxBodies,
      refused: this.#refused,
      evicted: this.#evicted,
    };
  }

  /**
   * A place for one more, if there is one or can be made.
   * @param giveUp breaks the answer off; called when its place is taken away
   */
  admit(giveUp: () => void): BodySlot | undefined {
    if (this.#slots.size >= this.#maxBodies && !this.#evict()) {
      this.#refused++;
      return undefined;
    }
    const slot = new Slot(giveUp, this.#waiting, this.#slots);
    this.#slots.add(slot);
    return slot;
  }

  /** The same for a call of gRPC. Without a way to tell that it waits, it is never taken away. */
  admitCall(): Disposable | undefined {
    if (this.#calls.size >= this.#maxCalls) {
      this.#refused++;
      return undefined;
    }
    const slot = this.admit(() => {});
    if (slot === undefined) return undefined;
    this.#calls.add(slot);
    return {
      [Symbol.dispose]: () => {
        this.#calls.delete(slot);
        slot[Symbol.dispose]();
      },
    };
  }

  #evict(): boolean {
    const [oldest] = this.#waiting;
    if (oldest === undefined) return false;
    const [slot, since] = oldest;
    if (performance.now() - since < this.#stalledForMs) return false;
    slot[Symbol.dispose]();
    this.#evicted++;
    slot.giveUp();
    return true;
  }
}

class Slot implements BodySlot {
  readonly giveUp: () => void;
  readonly #waiting: Map<Slot, number>;
  readonly #slots: Set<Slot>;

  constructor(giveUp: () => void, waiting: Map<Slot, number>, slots: Set<Slot>) {
    this.giveUp = giveUp;
    this.#waiting = waiting;
    this.#slots = slots;
  }

  async wait(taken: Promise<void>): Promise<void> {
    if (this.#slots.has(this)) this.#waiting.set(this, performance.now());
    try {
      await taken;
    } finally {
      this.#waiting.delete(this);
    }
  }

  [Symbol.dispose](): void {
    this.#waiting.delete(this);
    this.#slots.delete(this);
  }
}
