/** Compresses what came in uncompressed, while the processors have nothing better to do. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isNarthexError } from '../errors.ts';
import type { CompressionReport } from '../store/gc/compressPacks.ts';
import type { EncoderOfLevel } from '../store/recordEncoding.ts';
import type { Store } from '../store/store.ts';
import { WorkerPool } from '../workers/workerPool.ts';

/** When it does something. */
export interface CompressionTimes {
  /** How often it is looked whether there is something to do. */
  readonly lookMs: number;
  /** For how long it is left alone after a failure: a full disk or a damaged pack does not mend itself. */
  readonly restMs: number;
}

const TIMES: CompressionTimes = { lookMs: 60_000, restMs: 60 * 60_000 };

/** Who is told what comes of it. */
export interface CompressionObserver {
  /** Some packs were compressed. */
  compressed?(report: CompressionReport): void;
  /** It failed, or a pack is damaged; it is tried again. */
  failed?(error: unknown): void;
}

/** Runs until it is disposed of. What it is at then is given up; nothing is lost. */
export class BackgroundCompression implements AsyncDisposable {
  readonly #stopping = new AbortController();
  readonly #store: Store;
  readonly #observer: CompressionObserver;
  readonly #running: Promise<void>;

  constructor(store: Store, observer: CompressionObserver = {}, times = TIMES) {
    this.#store = store;
    this.#observer = observer;
    this.#running = this.#run(times);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run({ lookMs, restMs }: CompressionTimes): Promise<void> {
    const { signal } = this.#stopping;
    // one thread: whoever waits for an answer has the others
    await using workers = new WorkerPool({ threads: 1, inBackground: true });
    const encoderOf = (level: number) => workers.encoder(level);
    while (!signal.aborted) {
      const isWell = await this.#compress(encoderOf);
      // it is aborted to end
      await sleep(isWell ? lookMs : restMs, undefined, { signal, ref: false }).catch(() => {});
    }
  }

  /** @returns false where something is wrong */
  async #compress(encoderOf: EncoderOfLevel): Promise<boolean> {
    const { signal } = this.#stopping;
    try {
      const report = await this.#store.compress({ encoderOf, signal });
      if (report.compressedPacks > 0) this.#observer.compressed?.(report);
      for (const error of report.damagedPacks) this.#observer.failed?.(error);
      return report.damagedPacks.length === 0;
    } catch (error) {
      // another process that compresses does the same work, and one that repairs has an end
      if (signal.aborted || isNarthexError(error, 'STORE_BUSY')) return true;
      this.#observer.failed?.(error);
      return false;
    }
  }
}
