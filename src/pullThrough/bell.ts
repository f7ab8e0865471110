/** Tells all who wait that something has changed. */

/**
 * Whoever waits looks first, then calls {@link rung} without awaiting anything in between, and looks
 * again afterwards.
 */
export class Bell {
  #next = Promise.withResolvers<void>();

  /** Resolves the next time that it rings. */
  rung(): Promise<void> {
    return this.#next.promise;
  }

  ring(): void {
    const { resolve } = this.#next;
    this.#next = Promise.withResolvers<void>();
    resolve();
  }
}
