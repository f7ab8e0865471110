/** Narinfos that are remembered for a while, so that a plan asks for each once and not once a path. */

/** For how long, in milliseconds: long enough for a large closure, short enough to see a change. */
const REMEMBERED_MS = 5 * 60_000;
/** How many; the oldest are forgotten first. */
const REMEMBERED_NARINFOS = 100_000;

/** A memory of narinfos. That a path is absent is never remembered. */
export class NarInfoMemory<T> {
  readonly #entries = new Map<string, { readonly value: T; readonly since: number }>();
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  get(key: string): T | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (this.#now() - entry.since < REMEMBERED_MS) return entry.value;
    this.#entries.delete(key);
    return undefined;
  }

  set(key: string, value: T): void {
    this.#entries.delete(key);
    this.#entries.set(key, { value, since: this.#now() });
    if (this.#entries.size <= REMEMBERED_NARINFOS) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }
}
