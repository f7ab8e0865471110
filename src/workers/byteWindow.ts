/** Back-pressure in bytes between two threads: so many may be under way. */

/** Counts bytes that were sent and are not out of the way yet. */
export class ByteWindow {
  readonly #maxBytes: number;
  #bytes = 0;
  #isClosed = false;
  #changed: PromiseWithResolvers<void> | undefined;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Whether nothing is under way. */
  get isEmpty(): boolean {
    return this.#bytes === 0;
  }

  /** They are under way. */
  add(bytes: number): void {
    this.#bytes += bytes;
  }

  /** They are out of the way. */
  remove(bytes: number): void {
    this.#bytes -= bytes;
    this.#wake();
  }

  /** Nobody waits any more. */
  close(): void {
    this.#isClosed = true;
    this.#wake();
  }

  /** Waits until more may be sent; always once it is closed. */
  async open(): Promise<void> {
    while (this.#bytes >= this.#maxBytes && !this.#isClosed) {
      this.#changed ??= Promise.withResolvers<void>();
      await this.#changed.promise;
    }
  }

  #wake(): void {
    this.#changed?.resolve();
    this.#changed = undefined;
  }
}
