/** What failed a moment ago, and why. */

/** More than so many are not remembered: the oldest is forgotten. */
const MOST_FAILURES = 10_000;

/** Remembers failures for a short while, so that what fails is not tried again with every question. */
export class RecentFailures {
  readonly #ttlMs: number;
  readonly #now: () => number;
  /** The oldest first. */
  readonly #failures = new Map<string, { readonly error: unknown; readonly until: number }>();

  /** @param ttlMs milliseconds; 0 remembers nothing */
  constructor(ttlMs: number, now: () => number) {
    this.#ttlMs = ttlMs;
    this.#now = now;
  }

  /** @throws the failure that is remembered under this key */
  check(key: string): void {
    const failure = this.#failures.get(key);
    if (failure === undefined) return;
    if (this.#now() < failure.until) throw failure.error;
    this.#failures.delete(key);
  }

  add(key: string, error: unknown): void {
    if (this.#ttlMs <= 0) return;
    this.#failures.delete(key);
    this.#failures.set(key, { error, until: this.#now() + this.#ttlMs });
    for (const oldest of this.#failures.keys()) {
      if (this.#failures.size <= MOST_FAILURES) break;
      this.#failures.delete(oldest);
    }
  }
}
