/**
 * Watches that requests get on. One that waits for its turn on a connection has no timeout: it runs from when the
 * request is sent. Over HTTP/2 a server says how many it takes at a time, and may say none.
 */

/** The requests that share connections. */
export class Turns {
  readonly #stuckMs: number;
  /** How many were answered, or failed by themselves. */
  #ended = 0;

  /** @param stuckMs when none ends in such a time, those that wait have waited in vain */
  constructor(stuckMs: number) {
    this.#stuckMs = stuckMs;
  }

  /**
   * @param ask sends a request and resolves with the head of its answer
   * @param stuck what `ask` is aborted with
   */
  async watch<T>(
    signal: AbortSignal,
    ask: (signal: AbortSignal) => Promise<T>,
    stuck: () => Error,
  ): Promise<T> {
    const inVain = new AbortController();
    let before = this.#ended;
    const timer = setInterval(() => {
      if (this.#ended === before) inVain.abort(stuck());
      before = this.#ended;
    }, this.#stuckMs);
    try {
      return await ask(AbortSignal.any([signal, inVain.signal]));
    } finally {
      clearInterval(timer);
      // whoever is given up is no sign that the others get on
      if (!inVain.signal.aborted && !signal.aborted) this.#ended++;
    }
  }
}
