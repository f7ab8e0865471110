/** How fast something goes right now. */

/** What lies longer ago does not count. */
const WINDOW_MS = 5000;
/** Amounts that come within this time are counted as one. */
const STEP_MS = 100;

/** A rate over the last seconds, so that it follows what changes and a stall shows. */
export class RateMeter {
  readonly #now: () => number;
  /** The total before each step that is in the window, oldest first. */
  readonly #steps: { readonly at: number; readonly before: number }[];
  #total = 0;

  /** @param now milliseconds of a clock that does not jump */
  constructor(now: () => number) {
    this.#now = now;
    this.#steps = [{ at: now(), before: 0 }];
  }

  /** So much more has come. */
  add(amount: number): void {
    const at = this.#now();
    this.#forget(at);
    const last = this.#steps.at(-1);
    if (last === undefined || at - last.at >= STEP_MS) {
      this.#steps.push({ at, before: this.#total });
    }
    this.#total += amount;
  }

  /** Amount per second; 0 as long as there is too little to tell. */
  get perSecond(): number {
    const now = this.#now();
    this.#forget(now);
    const [oldest] = this.#steps;
    if (oldest === undefined || now - oldest.at < STEP_MS) return 0;
    return ((this.#total - oldest.before) * 1000) / (now - oldest.at);
  }

  /** Drops steps that are too old, but the last one before the window, which is where it begins. */
  #forget(now: number): void {
    while (this.#steps.length > 1 && (this.#steps[1]?.at ?? now) <= now - WINDOW_MS) {
      this.#steps.shift();
    }
  }
}
