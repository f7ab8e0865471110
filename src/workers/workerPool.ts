/**
 * Worker threads for what takes time and knows no service: reading NARs and compressing records.
 *
 * Threads are begun when there is work and kept until the pool is disposed of; idle ones do not keep the
 * process alive. Work goes to whoever has the least left, counted in bytes; a thread has several NARs at
 * a time, so that small ones do not wait behind large ones. One that ends before its time fails what it
 * worked on, and another takes its place.
 */
import { availableParallelism } from 'node:os';
import { type NarReader, readNar } from '../ingest/narReading.ts';
import {
  DEFAULT_COMPRESSION_LEVEL,
  NO_COMPRESSION,
  type RecordEncoder,
  zstdEncoder,
} from '../store/recordEncoding.ts';
import { EncodeJob } from './encodeJob.ts';
import { encodedRecords, encodeJoined } from './encodeTask.ts';
import { NarJob } from './narJob.ts';
import { gatheringEncoder } from './recordGathering.ts';
import { WorkerThread, type WorkerThreadOptions } from './workerThread.ts';

const SMALL_NAR_BYTES = 64 * 1024;
/** Records up to so many bytes are compressed on the calling thread. */
const SMALL_RECORDS_BYTES = 16 * 1024;

/** How to make a pool. */
export interface WorkerPoolOptions {
  /** The most threads at once; as many as there are processors by default. With 0 all is done by the caller. */
  readonly threads?: number | undefined;
  /** NARs up to this long are read by the caller, which takes less than to ask another; 64 KiB by default. */
  readonly smallNarBytes?: number | undefined;
  /**
   * The most JavaScript memory of a thread, in MiB, without that of contents; Node's own limit by default. A
   * thread that needs more is ended: `WORKER_FAILED`.
   */
  readonly threadHeapMib?: number | undefined;
  /** Whether threads leave processors to all others who can use them; on Linux. */
  readonly inBackground?: boolean | undefined;
}

/** Worker threads. Disposing of them ends what they work on. */
export class WorkerPool implements AsyncDisposable {
  readonly #maxThreads: number;
  readonly #smallNarBytes: number;
  readonly #threadOptions: WorkerThreadOptions;
  readonly #threads = new Set<WorkerThread>();
  #isDisposed = false;

  constructor(options: WorkerPoolOptions = {}) {
    const { threads, smallNarBytes, threadHeapMib, inBackground } = options;
    this.#maxThreads = threads ?? availableParallelism();
    this.#smallNarBytes = smallNarBytes ?? SMALL_NAR_BYTES;
    this.#threadOptions = { heapMib: threadHeapMib, inBackground: inBackground ?? false };
  }

  /** Reads NARs on these threads. */
  readonly narReader: NarReader = {
    read: async (request, file, output, signal) => {
      const { narSize = Number.POSITIVE_INFINITY } = request;
      if (this.#maxThreads === 0 || narSize <= this.#smallNarBytes) {
        return await readNar(request, file, output, signal);
      }
      return await new NarJob(request, file, output, this.#thread()).read(signal);
    },
  };

  /** Compresses records on these threads, many at once. @param level of zstd, 1 to 19; 0 for as they are */
  encoder(level: number = DEFAULT_COMPRESSION_LEVEL): RecordEncoder {
    if (level === NO_COMPRESSION) return zstdEncoder(level);
    return gatheringEncoder(async (records) => {
      if (this.#maxThreads === 0 || records.bytes.length <= SMALL_RECORDS_BYTES) {
        return encodedRecords(encodeJoined(records, level));
      }
      return await new EncodeJob(records, level, this.#thread()).encoded;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    await Promise.all(Array.from(this.#threads, (thread) => thread.terminate()));
  }

  /** The thread with the least to do; another one where all have something. */
  #thread(): WorkerThread {
    if (this.#isDisposed) throw new TypeError('the worker threads were ended');
    const loads = Array.from(this.#threads, (thread) => ({ thread, load: thread.loadBytes }));
    loads.sort((a, b) => a.load - b.load);
    const [least] = loads;
    const isEnough = least?.thread.isIdle || this.#threads.size >= this.#maxThreads;
    if (least !== undefined && isEnough) return least.thread;
    const thread: WorkerThread = new WorkerThread(this.#threadOptions, () =>
      this.#threads.delete(thread),
    );
    this.#threads.add(thread);
    return thread;
  }
}
