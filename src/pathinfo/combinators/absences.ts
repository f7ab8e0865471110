/** What was not there a moment ago. */

/** More than so many are not remembered: the oldest is forgotten. */
const MOST_ABSENCES = 100_000;

/** Remembers for a short while that something is absent. */
export class Absences {
  readonly #ttlMs: number;
  readonly #now: () => number;
  /** The oldest first. */
  readonly #until = new Map<string, number>();

  /** @param ttlMs milliseconds; 0 remembers nothing */
  constructor(ttlMs: number, now: () => number) {
    this.#ttlMs = ttlMs;
    this.#now = now;
  }

  has(key: string): boolean {
    const until = this.#until.get(key);
    if (until === undefined) return false;
    if (this.#now() < until) return true;
    this.#until.delete(key);
    return false;
  }

  add(key: string): void {
    if (this.#ttlMs <= 0) return;
    this.#until.delete(key);
    this.#until.set(key, this.#now() + this.#ttlMs);
    for (const oldest of this.#until.keys()) {
      if (this.#until.size <= MOST_ABSENCES) break;
      this.#until.delete(oldest);
    }
  }

  /** One write may bring many. */
  clear(): void {
    this.#until.clear();
  }
}
