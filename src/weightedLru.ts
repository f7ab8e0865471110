/** A map of bounded weight that forgets what was not used for longest. */

/** Keeps values as long as their weights together are within a bound. */
export class WeightedLru<T> {
  readonly #maxWeight: number;
  readonly #weigh: (value: T) => number;
  /** The least recently used one first. */
  readonly #values = new Map<string, T>();
  #weight = 0;

  constructor(maxWeight: number, weigh: (value: T) => number) {
    this.#maxWeight = maxWeight;
    this.#weigh = weigh;
  }

  /** The value, which counts as used now. */
  get(key: string): T | undefined {
    const value = this.#values.get(key);
    if (value === undefined) return undefined;
    this.#values.delete(key); // to come last again
    this.#values.set(key, value);
    return value;
  }

  /** Keeps a value in place of the one before; one that is too heavy alone is not kept. */
  set(key: string, value: T): void {
    this.delete(key);
    this.#values.set(key, value);
    this.#weight += this.#weigh(value);
    for (const oldest of this.#values.keys()) {
      if (this.#weight <= this.#maxWeight) break;
      this.delete(oldest);
    }
  }

  delete(key: string): void {
    const value = this.#values.get(key);
    if (value === undefined) return;
    this.#values.delete(key);
    this.#weight -= this.#weigh(value);
  }
}
