/** A source that records how it is used, and fails or falls silent when told to. */

export interface TrackedSourceOptions {
  /** Piece after piece; when they are used up the source ends, or does what the others say. */
  readonly pieces: Iterable<Uint8Array>;
  /** Thrown after the pieces. */
  readonly error?: unknown;
  /** Whether it never answers after the pieces. */
  readonly silent?: boolean;
}

export class TrackedSource implements AsyncIterableIterator<Uint8Array> {
  readonly #options: TrackedSourceOptions;
  readonly #pieces: Iterator<Uint8Array>;
  /** Bytes that were given. */
  givenBytes = 0;
  /** Calls of `return()`. */
  returns = 0;
  /** Calls of `next()` that were made and not answered. */
  pending = 0;
  /** Resolves when it has fallen silent. */
  readonly silence = Promise.withResolvers<void>();

  constructor(options: TrackedSourceOptions) {
    this.#options = options;
    this.#pieces = options.pieces[Symbol.iterator]();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    if (this.pending > 0) throw new Error('a read was begun before the last one ended');
    this.pending++;
    const result = this.#pieces.next();
    if (result.done && this.#options.silent) {
      this.silence.resolve();
      return new Promise(() => {});
    }
    await Promise.resolve();
    this.pending--;
    if (result.done && 'error' in this.#options) throw this.#options.error;
    if (result.done) return { done: true, value: undefined };
    this.givenBytes += result.value.length;
    return result;
  }

  async return(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.returns++;
    return { done: true, value: undefined };
  }
}
