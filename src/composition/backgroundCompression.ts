/** Compresses what came in uncompressed, while the processors have nothing better to do. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isNarthexError } from '../errors.ts';
import type { CompressionReport } from '../store/gc/compressPacks.ts';
import type { Store } from '../store/store.ts';
import { WorkerPool } from '../workers/workerPool.ts';

/** How often it is looked whether there is something to do. */
const LOOK_MS = 60_000;

/** Who is told what comes of it. */
export interface CompressionObserver {
  /** Some packs were compressed. */
  compressed?(report: CompressionReport): void;
  /** It failed, and is tried again. */
  failed?(error: unknown): void;
}

/** Runs until it is disposed of. What it is at then is given up; nothing is lost. */
export class BackgroundCompression implements AsyncDisposable {
  readonly #stopping = new AbortController();
  readonly #store: Store;
  readonly #observer: CompressionObserver;
  readonly #running: Promise<void>;

  /** @param lookMs how often it is looked whether there is something to do */
  constructor(store: Store, observer: CompressionObserver = {}, lookMs = LOOK_MS) {
    this.#store = store;
    this.#observer = observer;
    this.#running = this.#run(lookMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(lookMs: number): Promise<void> {
    const { signal } = this.#stopping;
    // one thread: whoever waits for an answer has the others
    await using workers = new WorkerPool({ threads: 1, inBackground: true });
    const encoderOf = (level: number) => workers.encoder(level);
    while (!signal.aborted) {
      try {
        const report = await this.#store.compress({ encoderOf, signal });
        if (report.compressedPacks > 0) this.#observer.compressed?.(report);
      } catch (error) {
        // another process that compresses does the same work
        if (!signal.aborted && !isNarthexError(error, 'STORE_BUSY')) this.#observer.failed?.(error);
      }
      // it is aborted to end
      await sleep(lookMs, undefined, { signal, ref: false }).catch(() => {});
    }
  }
}
