/** Shares work that several callers want at the same time. */
import { abortable } from './abortable.ts';

interface Flight<T, Progress> {
  readonly result: Promise<T>;
  readonly controller: AbortController;
  readonly listeners: Set<(progress: Progress) => void>;
  waiters: number;
  settled: boolean;
}

/**
 * Runs work once for all callers that ask for the same key while it runs. A caller that aborts
 * leaves at once, as long as others stay; the last one aborts the work and waits until it has
 * ended, so that nothing goes on behind the back of those who asked. Nothing is remembered
 * afterwards.
 */
export class SingleFlight<T, Progress = never> {
  readonly #flights = new Map<string, Flight<T, Progress>>();

  /**
   * @param work gets a signal of its own, not the caller's, which it MUST heed, and may report
   *   progress to all who wait at that moment
   * @returns the shared result
   * @throws what the work throws, the same for all; the reason of `signal` if that aborts
   */
  async run(
    key: string,
    signal: AbortSignal | undefined,
    work: (signal: AbortSignal, report: (progress: Progress) => void) => Promise<T>,
    onProgress?: (progress: Progress) => void,
  ): Promise<T> {
    signal?.throwIfAborted();
    const flight = this.#flights.get(key) ?? this.#start(key, work);
    flight.waiters++;
    // one of its own for each caller, or two that pass the same function would count as one
    const listener = onProgress && ((progress: Progress) => onProgress(progress));
    if (listener !== undefined) flight.listeners.add(listener);
    try {
      return await abortable(flight.result, signal);
    } finally {
      if (listener !== undefined) flight.listeners.delete(listener);
      flight.waiters--;
      if (flight.waiters === 0 && !flight.settled) {
        this.#forget(key, flight); // nobody may join what is being aborted
        flight.controller.abort(signal?.reason);
        await flight.result.catch(() => {}); // the abort is the outcome, whatever comes of it
      }
    }
  }

  #start(
    key: string,
    work: (signal: AbortSignal, report: (progress: Progress) => void) => Promise<T>,
  ): Flight<T, Progress> {
    const controller = new AbortController();
    const listeners = new Set<(progress: Progress) => void>();
    const report = (progress: Progress) => {
      for (const listener of listeners) listener(progress);
    };
    const flight: Flight<T, Progress> = {
      result: work(controller.signal, report),
      controller,
      listeners,
      waiters: 0,
      settled: false,
    };
    this.#flights.set(key, flight);
    const settle = () => {
      flight.settled = true;
      this.#forget(key, flight);
    };
    // the callers see a failure through their own promise; this one only tidies up
    flight.result.then(settle, settle);
    return flight;
  }

  #forget(key: string, flight: Flight<T, Progress>): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key);
  }
}
