/** Running a native decoder, which works on another thread, between a source and a consumer. */

/** A native decoder: takes pieces, gives pieces, at its own pace. */
export interface Engine {
  /** Whether it takes a further piece now; it does so ahead of its work, but only by a little. */
  readonly wantsInput: boolean;
  /** Whether it is done and all of its output was read. */
  readonly finished: boolean;
  /** What it failed with, if it did. */
  readonly error: unknown;
  write(piece: Uint8Array): void;
  /** Says that no piece follows. */
  end(): void;
  /** Decoded bytes, if there are some now. */
  read(): Uint8Array | undefined;
  /** Gives back the memory of bytes that were read and are not looked at any more, if it is known to be free. */
  release?(decoded: Uint8Array): void;
  /** Resolves when something of the above has changed. */
  changed(): Promise<void>;
  /** Releases its thread and memory, at any time and more than once. */
  destroy(): void;
}

/** A promise for the next of many events. */
export class NextEvent {
  #waiting: PromiseWithResolvers<void> | undefined;

  wait(): Promise<void> {
    this.#waiting ??= Promise.withResolvers<void>();
    return this.#waiting.promise;
  }

  happened(): void {
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }
}

/**
 * Decodes `source` with `engine` and destroys it afterwards. One step at a time: while the consumer
 * holds a piece, the engine decodes what it was given, and no read of the source is under way.
 * Returns when the engine has finished, which may be before the source has.
 * @param lent whether a piece is not looked at any more once the next is asked for
 * @param fail makes the error to throw out of the engine's; errors of `source` pass unchanged
 */
export async function* runEngine(
  engine: Engine,
  source: AsyncGenerator<Uint8Array, void, undefined>,
  lent: boolean,
  fail: (cause: unknown) => Error,
): AsyncGenerator<Uint8Array, void, undefined> {
  let sourceEnded = false;
  try {
    for (;;) {
      while (!sourceEnded && engine.wantsInput) {
        const next = await source.next();
        if (!next.done) engine.write(next.value);
        else {
          sourceEnded = true;
          engine.end();
        }
      }
      const decoded = engine.read();
      if (decoded !== undefined) {
        yield decoded;
        if (lent) engine.release?.(decoded);
      } else if (engine.error !== undefined) throw fail(engine.error);
      else if (engine.finished) return;
      else await engine.changed();
    }
  } finally {
    engine.destroy();
    await source.return();
  }
}
