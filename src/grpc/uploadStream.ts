/** The messages of a call that streams to its peer, one at a time. */

/**
 * A stream that is written to by one side and read by the other. A write is over when the next message
 * is asked for, so that nothing gathers in between.
 */
export class UploadStream<T> implements AsyncIterable<T> {
  #waiting: { message: T; taken: () => void } | undefined;
  #wake: (() => void) | undefined;
  #ended = false;
  #left = false;
  #abandoned = false;

  /** Resolves once the message was taken, or nobody reads any more: the call's result tells why. */
  async write(message: T): Promise<void> {
    if (this.#left) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting = { message, taken: resolve };
    this.#wake?.();
    await promise;
  }

  /** No more messages come. */
  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  /** The writer gives up: the reader fails, so that it does not take what it has for the whole. */
  abandon(): void {
    this.#abandoned = true;
    this.leave();
  }

  /** Nobody reads any more. */
  leave(): void {
    this.#left = true;
    this.#waiting?.taken();
    this.#waiting = undefined;
    this.end();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    try {
      for (;;) {
        if (this.#abandoned) throw new Error('the writer has given up');
        const waiting = this.#waiting;
        if (waiting !== undefined) {
          this.#waiting = undefined;
          yield waiting.message;
          waiting.taken();
          continue;
        }
        if (this.#ended) return;
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#wake = resolve;
        await promise;
      }
    } finally {
      this.leave();
    }
  }
}
