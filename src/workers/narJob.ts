/** The reading of one NAR on a worker, as the main thread sees it. */
import type { NarOutput, NarReading, NarRequest } from '../ingest/narReading.ts';
import { ByteWindow } from './byteWindow.ts';
import { FileSender } from './fileSender.ts';
import { receivedError, receivedReading, type WorkerAnswer } from './messages.ts';
import type { Job, WorkerThread } from './workerThread.ts';

/** Bytes of a file that may be on their way to a worker, or wait there. */
const FILE_WINDOW_BYTES = 1024 * 1024;
/** What a NAR of unknown length counts as. */
const UNKNOWN_NAR_BYTES = 16 * 1024 * 1024;

/** One NAR; it is read once. */
export class NarJob implements Job {
  readonly #request: NarRequest;
  readonly #file: FileSender;
  readonly #output: NarOutput;
  readonly #thread: WorkerThread;
  readonly #number: number;
  readonly #window = new ByteWindow(FILE_WINDOW_BYTES);
  readonly #result = Promise.withResolvers<NarReading>();
  /** What was received is given out in order, one after the other. */
  #given: Promise<void> = Promise.resolve();
  #narBytes = 0;
  #isSettled = false;

  constructor(
    request: NarRequest,
    file: AsyncIterable<Uint8Array>,
    output: NarOutput,
    thread: WorkerThread,
  ) {
    this.#request = request;
    this.#file = new FileSender(file, this.#window, (bytes, then) =>
      thread.send({ type: 'file', job: this.#number, bytes, then }, [bytes]),
    );
    this.#output = output;
    this.#thread = thread;
    this.#number = thread.begin(this);
  }

  get loadBytes(): number {
    return Math.max(0, (this.#request.narSize ?? UNKNOWN_NAR_BYTES) - this.#narBytes);
  }

  /** What `NarReader.read` does. */
  async read(signal?: AbortSignal): Promise<NarReading> {
    const abort = () => this.#fail(signal?.reason);
    const isTapped = this.#output.tap !== undefined;
    this.#thread.send({ type: 'read', job: this.#number, request: this.#request, isTapped });
    signal?.addEventListener('abort', abort, { once: true });
    if (signal?.aborted) abort();
    this.#file.run().catch((error) => this.#fail(error));
    try {
      return await this.#result.promise;
    } finally {
      signal?.removeEventListener('abort', abort);
      await this.#file.leave();
    }
  }

  received(answer: WorkerAnswer): void {
    if (answer.type === 'used') this.#window.remove(answer.bytes);
    else if (answer.type === 'content') {
      const { batch, narBytes } = answer;
      this.#report(narBytes);
      this.#give(batch.bytes.length, () => this.#output.content(batch));
    } else if (answer.type === 'tapped') {
      const { bytes } = answer;
      this.#give(bytes.length, async () => this.#output.tap?.(bytes));
    } else {
      this.#thread.end(this.#number);
      if (answer.type === 'failed') {
        this.#fail(answer.error ? receivedError(answer.error) : this.#file.failure);
      } else if (answer.type === 'done') {
        this.#report(answer.narBytes);
        const reading = receivedReading(answer.reading);
        this.#given.then(() => this.#settle(() => this.#result.resolve(reading)));
      }
    }
  }

  lost(error: Error): void {
    this.#fail(error);
  }

  #report(narBytes: number): void {
    this.#narBytes += narBytes;
    if (narBytes > 0 && !this.#isSettled) this.#output.progress?.(narBytes);
  }

  /** Gives something of that length out, and tells the worker once it is out of the way. */
  #give(length: number, give: () => Promise<void>): void {
    this.#given = this.#given.then(async () => {
      if (this.#isSettled) return;
      try {
        await give();
      } catch (error) {
        this.#fail(error);
      }
      if (!this.#isSettled) {
        this.#thread.send({ type: 'taken', job: this.#number, bytes: length });
      }
    });
  }

  #fail(error: unknown): void {
    if (this.#isSettled) return;
    // the worker answers, and has ended the job by then
    this.#thread.send({ type: 'abort', job: this.#number });
    this.#settle(() => this.#result.reject(error));
  }

  #settle(settle: () => void): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    this.#window.close();
    settle();
  }
}
