/** One worker thread, as the main thread sees it: its jobs, and what happens to them when it ends. */
import { Worker } from 'node:worker_threads';
import { NarthexError } from '../errors.ts';
import type { OwnedBytes, WorkerAnswer, WorkerData, WorkerRequest } from './messages.ts';

/** The script: its source, or what was built of it, which `scripts/build.mjs` puts beside this module. */
const SCRIPT = import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js';

/**
 * Memory for what is new on a worker, in MiB. What a thread makes lives for one piece of a NAR; more than this
 * makes the process larger by some 15 MB a thread, and nothing faster.
 */
const YOUNG_MIB = 4;

/** What is under way on a worker. */
export interface Job {
  /** Bytes of work that it still is, about; it is given to whoever has the least. */
  readonly loadBytes: number;
  received(answer: WorkerAnswer): void;
  /** The worker has ended; nothing more is received. */
  lost(error: NarthexError): void;
}

/** How to begin a thread. */
export interface WorkerThreadOptions {
  /** The most JavaScript memory that it may have, in MiB; more ends it. */
  readonly heapMib: number | undefined;
  /** Whether it leaves processors to all others who can use them. */
  readonly inBackground: boolean;
}

/** A worker thread. An idle one does not keep the process alive. */
export class WorkerThread {
  readonly #worker: Worker;
  readonly #jobs = new Map<number, Job>();
  #nextJob = 0;
  #error: unknown;
  #isEnded = false;

  /** @param ended is told once, before its jobs are */
  constructor({ heapMib, inBackground }: WorkerThreadOptions, ended: () => void) {
    this.#worker = new Worker(new URL(SCRIPT, import.meta.url), {
      name: 'narthex',
      // what the program was started with, such as --input-type, is not meant for it
      execArgv: [],
      workerData: { inBackground } satisfies WorkerData,
      resourceLimits: {
        maxYoungGenerationSizeMb: YOUNG_MIB,
        ...(heapMib !== undefined && { maxOldGenerationSizeMb: heapMib }),
      },
    });
    this.#worker.unref();
    this.#worker.on('message', (answer: WorkerAnswer) => {
      this.#jobs.get(answer.job)?.received(answer);
    });
    this.#worker.on('error', (error) => {
      this.#error = error;
    });
    this.#worker.on('exit', (exitCode) => {
      this.#isEnded = true;
      ended();
      const jobs = [...this.#jobs.values()];
      this.#jobs.clear();
      for (const job of jobs) job.lost(workerFailed(exitCode, this.#error));
    });
  }

  /** Bytes of work that it still has, about. */
  get loadBytes(): number {
    let load = 0;
    for (const job of this.#jobs.values()) load += job.loadBytes;
    return load;
  }

  get isIdle(): boolean {
    return this.#jobs.size === 0;
  }

  /** Begins a job. @returns its number on this thread */
  begin(job: Job): number {
    if (this.isIdle) this.#worker.ref();
    const number = this.#nextJob++;
    this.#jobs.set(number, job);
    return number;
  }

  /** The job has had its last answer. */
  end(number: number): void {
    this.#jobs.delete(number);
    if (this.isIdle && !this.#isEnded) this.#worker.unref();
  }

  /** Sends, handing on the memory of what is listed. */
  send(request: WorkerRequest, memory: readonly OwnedBytes[] = []): void {
    this.#worker.postMessage(
      request,
      memory.map(({ buffer }) => buffer),
    );
  }

  /** Ends the thread, and with it all its jobs. */
  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }
}

function workerFailed(exitCode: number, error: unknown): NarthexError {
  const reason = error instanceof Error ? error.message : `exit code ${exitCode}`;
  return new NarthexError(
    'WORKER_FAILED',
    `a worker thread ended while it had work: ${reason}`,
    { exitCode, reason },
    error,
  );
}
