/** Figures that cost much to gather: gathered when they are asked for, and not too often. */

/** They are not gathered again within so many milliseconds. */
const MIN_AGE_MS = 30_000;
/** Nor before so many times the time that it took has passed: it takes one percent at most. */
const REST_FACTOR = 100;
/** Whoever asks first waits for them so long. */
const FIRST_WAIT_MS = 2_000;

/** What figures are gathered by. */
export interface RareFiguresOptions<T> {
  readonly gather: () => Promise<T>;
  readonly onFailure: (error: unknown) => void;
  /** Milliseconds since any moment. */
  readonly now?: (() => number) | undefined;
}

/** The last figures. Disposing waits for those that are being gathered. */
export class RareFigures<T> implements AsyncDisposable {
  readonly #options: RareFiguresOptions<T>;
  #last: T | undefined;
  #dueMs = Number.NEGATIVE_INFINITY;
  #gathering: Promise<void> | undefined;
  #isClosed = false;

  constructor(options: RareFiguresOptions<T>) {
    this.#options = options;
  }

  /** The last ones, and begins to gather new ones where they are due; `undefined` before there are any. */
  async latest(): Promise<T | undefined> {
    if (this.#gathering === undefined && !this.#isClosed && this.#now() >= this.#dueMs) {
      this.#gathering = this.#gather();
    }
    if (this.#last === undefined && this.#gathering !== undefined) {
      await withinTime(this.#gathering, FIRST_WAIT_MS);
    }
    return this.#last;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#gathering;
  }

  async #gather(): Promise<void> {
    const startedMs = this.#now();
    try {
      this.#last = await this.#options.gather();
    } catch (error) {
      this.#options.onFailure(error);
    }
    const endedMs = this.#now();
    this.#dueMs = endedMs + Math.max(MIN_AGE_MS, REST_FACTOR * (endedMs - startedMs));
    this.#gathering = undefined;
  }

  #now(): number {
    return this.#options.now?.() ?? performance.now();
  }
}

async function withinTime(promise: Promise<void>, ms: number): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, ms);
  await Promise.race([promise, late.promise]);
  clearTimeout(timer);
}
