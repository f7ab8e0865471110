/** Work in the background: some at once, the rest in a line of bounded length. */
import { NarthexError } from '../errors.ts';

/** The name under which a full line is refused (`limit` of `LIMIT_EXCEEDED`). */
export const WAITING_CLOSURES = 'waitingClosures';

/** How much is done at once, and how much may wait. */
export interface ClosureQueueLimits {
  readonly maxRunning: number;
  readonly maxWaiting: number;
}

/** Runs closures, first come first served. */
export class ClosureQueue {
  readonly #limits: ClosureQueueLimits;
  /** By name, in the order in which they came. */
  readonly #waiting = new Map<string, () => Promise<void>>();
  readonly #running = new Set<Promise<void>>();
  #isClosed = false;

  constructor(limits: ClosureQueueLimits) {
    this.#limits = limits;
  }

  /**
   * @param work MUST NOT reject
   * @throws LIMIT_EXCEEDED there is no room to wait
   */
  add(name: string, work: () => Promise<void>): void {
    if (this.#isClosed) return;
    const { maxRunning, maxWaiting } = this.#limits;
    if (this.#running.size >= maxRunning && this.#waiting.size >= maxWaiting) {
      throw new NarthexError(
        'LIMIT_EXCEEDED',
        `${this.#waiting.size} closures wait to be brought in, and no more may`,
        { limit: WAITING_CLOSURES, expected: maxWaiting, actual: this.#waiting.size + 1 },
      );
    }
    this.#waiting.set(name, work);
    this.#start();
  }

  get running(): number {
    return this.#running.size;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Takes one out of the line. @returns whether it was still in it */
  drop(name: string): boolean {
    return this.#waiting.delete(name);
  }

  /** Drops what waits, and waits for what is under way. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#waiting.clear();
    await Promise.all(this.#running);
  }

  #start(): void {
    for (const [name, work] of this.#waiting) {
      if (this.#running.size >= this.#limits.maxRunning) return;
      this.#waiting.delete(name);
      const running = work().then(() => {
        this.#running.delete(running);
        this.#start();
      });
      this.#running.add(running);
    }
  }
}
