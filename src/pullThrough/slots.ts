/** So many at once; the others wait in line. */
import { abortable } from '../abortable.ts';

/** Places, taken and given back. */
export class Slots {
  #free: number;
  readonly #line = new Set<() => void>();

  constructor(count: number) {
    this.#free = count;
  }

  /**
   * Takes a place, in turn. Whoever gets one MUST give it back.
   * @throws the reason of `signal`: no place was taken
   */
  async take(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    if (this.#free > 0) {
      this.#free--;
      return;
    }
    const given = Promise.withResolvers<void>();
    this.#line.add(given.resolve);
    try {
      await abortable(given.promise, signal);
    } catch (error) {
      // it may have been given in the very same moment
      if (!this.#line.delete(given.resolve)) this.giveBack();
      throw error;
    }
  }

  /** How many wait in line. */
  get waiting(): number {
    return this.#line.size;
  }

  giveBack(): void {
    const [next] = this.#line;
    if (next === undefined) {
      this.#free++;
      return;
    }
    this.#line.delete(next);
    next();
  }
}
