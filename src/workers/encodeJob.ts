/** Records that are compressed on a worker, as the main thread sees them. */
import type { EncodedData } from '../store/recordEncoding.ts';
import { encodedRecords, type Joined } from './encodeTask.ts';
import { receivedError, type WorkerAnswer } from './messages.ts';
import type { Job, WorkerThread } from './workerThread.ts';

/** Some records at once. */
export class EncodeJob implements Job {
  readonly loadBytes: number;
  readonly #thread: WorkerThread;
  readonly #number: number;
  readonly #result = Promise.withResolvers<EncodedData[]>();

  /** @param records whose memory is handed on */
  constructor({ bytes, lengths }: Joined, level: number, thread: WorkerThread) {
    this.#thread = thread;
    this.loadBytes = bytes.length;
    this.#number = thread.begin(this);
    thread.send({ type: 'encode', job: this.#number, level, bytes, lengths }, [bytes]);
  }

  /** What becomes of each. @throws WORKER_FAILED */
  get encoded(): Promise<EncodedData[]> {
    return this.#result.promise;
  }

  received(answer: WorkerAnswer): void {
    this.#thread.end(this.#number);
    if (answer.type === 'encoded') this.#result.resolve(encodedRecords(answer));
    else if (answer.type === 'failed') {
      this.#result.reject(answer.error && receivedError(answer.error));
    }
  }

  lost(error: Error): void {
    this.#result.reject(error);
  }
}
