/** Signals that end the program: the first in order, a later one at once. */

/** Shells report a program that a signal ended as 128 and the signal's number. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/** A signal that is heeded. */
export type EndSignal = keyof typeof EXIT_CODES;

/**
 * Within this time a signal that comes again is the same one: a terminal sends Ctrl-C to all of its
 * processes, and those in between, such as npm, may pass it on.
 */
export const SAME_SIGNAL_MS = 500;

/** The part of `process` that is needed. */
export interface SignalSource {
  on(signal: EndSignal, listener: (signal: EndSignal) => void): unknown;
  off(signal: EndSignal, listener: (signal: EndSignal) => void): unknown;
  exit(code: number): unknown;
}

/** Listens to signals until it is disposed of, or to the end of the program once there was one. */
export class Interruption implements Disposable {
  readonly #source: SignalSource;
  readonly #now: () => number;
  readonly #controller = new AbortController();
  #first: { readonly signal: EndSignal; readonly at: number } | undefined;

  /** @param now milliseconds of a clock that does not jump */
  constructor(source: SignalSource, now: () => number = () => performance.now()) {
    this.#source = source;
    this.#now = now;
    for (const signal of signals) source.on(signal, this.#onSignal);
  }

  /** Aborted by the first signal. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The first signal and the exit code that tells of it, once there was one. */
  get ended(): { readonly by: EndSignal; readonly exitCode: number } | undefined {
    return this.#first && { by: this.#first.signal, exitCode: EXIT_CODES[this.#first.signal] };
  }

  readonly #onSignal = (signal: EndSignal): void => {
    const at = this.#now();
    if (this.#first === undefined) {
      this.#first = { signal, at };
      this.#controller.abort(new DOMException(`ended by ${signal}`, 'AbortError'));
    } else if (signal !== this.#first.signal || at - this.#first.at >= SAME_SIGNAL_MS) {
      // whoever asks twice does not want to wait; what is kept is safe at any moment
      this.#source.exit(EXIT_CODES[signal]);
    }
  };

  [Symbol.dispose](): void {
    // a program that was interrupted is about to end, and the same signal that comes again must not end it otherwise
    if (this.#first !== undefined) return;
    for (const signal of signals) this.#source.off(signal, this.#onSignal);
  }
}

const signals: readonly EndSignal[] = ['SIGINT', 'SIGTERM'];
