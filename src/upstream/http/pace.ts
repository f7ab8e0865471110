/**
 * How long the bytes of a file may take. A body that is silent fails by a timeout of its own; this is
 * about the one that never is: a byte every few seconds would hold a place for ever.
 *
 * Only the time for which we wait for the upstream counts, over all attempts at the file. Whoever reads
 * slowly is not the upstream's fault.
 */
import { upstreamFailed } from '../failure.ts';

/** Less than this, averaged over {@link SLOW_WINDOW_MS} of waiting, is as good as nothing. */
export const SLOWEST_BYTES_PER_SECOND = 256;
/** Over how much waiting the speed is measured. */
export const SLOW_WINDOW_MS = 60_000;

/** What a {@link Pace} goes by. */
export interface PaceOptions {
  readonly totalMs: number;
  /** {@link SLOWEST_BYTES_PER_SECOND} */
  readonly slowestBytesPerSecond?: number | undefined;
  /** Milliseconds since any moment. */
  readonly now?: (() => number) | undefined;
}

/** Watches one file, over all attempts at it. */
export class Pace {
  readonly #options: PaceOptions;
  readonly #now: () => number;
  #waitedMs = 0;
  #windowMs = 0;
  #windowBytes = 0;

  constructor(options: PaceOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  /**
   * The next chunk, or `undefined` at the end.
   * @throws UPSTREAM_FAILED kind `totalTimeout`; kind `slow`, which another connection may better
   */
  async next(chunks: AsyncIterator<Uint8Array>, url: string): Promise<Uint8Array | undefined> {
    const askedMs = this.#now();
    const next = await chunks.next();
    const chunk = next.done ? undefined : next.value;
    this.#add(this.#now() - askedMs, chunk?.length ?? 0);
    if (chunk === undefined) return undefined;
    const { totalMs, slowestBytesPerSecond = SLOWEST_BYTES_PER_SECOND } = this.#options;
    if (this.#waitedMs > totalMs) {
      const seconds = totalMs / 1000;
      const reason = `is not all there after ${seconds} s of waiting`;
      throw upstreamFailed('totalTimeout', url, reason, { expected: totalMs });
    }
    if (this.#windowMs >= SLOW_WINDOW_MS) {
      const bytesPerSecond = (this.#windowBytes * 1000) / this.#windowMs;
      this.#windowMs = 0;
      this.#windowBytes = 0;
      if (bytesPerSecond < slowestBytesPerSecond) {
        throw upstreamFailed(
          'slow',
          url,
          `gives only ${Math.round(bytesPerSecond)} bytes a second`,
          {
            expected: slowestBytesPerSecond,
            actual: bytesPerSecond,
          },
        );
      }
    }
    return chunk;
  }

  /** All of a body, of one attempt. */
  async *through(
    source: AsyncIterable<Uint8Array>,
    url: string,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const chunks = source[Symbol.asyncIterator]();
    try {
      for (;;) {
        const chunk = await this.next(chunks, url);
        if (chunk === undefined) return;
        yield chunk;
      }
    } finally {
      await chunks.return?.();
    }
  }

  #add(waitedMs: number, bytes: number): void {
    this.#waitedMs += waitedMs;
    this.#windowMs += waitedMs;
    this.#windowBytes += bytes;
  }
}
