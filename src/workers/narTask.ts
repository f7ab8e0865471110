/** The reading of one NAR, on a worker. */
import { releaseBytes } from '../bytes.ts';
import type { ContentBatch } from '../ingest/contentBatch.ts';
import { type NarOutput, type NarRequest, readNar } from '../ingest/narReading.ts';
import { ByteWindow } from './byteWindow.ts';
import { type OwnedBytes, sentError, sentReading, type WorkerAnswer } from './messages.ts';

/** Bytes of content, and of tapped NAR, that may wait for the main thread. */
const WAITING_BYTES = 2 * 1024 * 1024;
/** How many bytes are used up before the main thread is told, unless there are no others. */
const TOLD_BYTES = 256 * 1024;

/** Sends an answer, handing on the memory of what is listed. */
export type Send = (answer: WorkerAnswer, memory?: readonly OwnedBytes[]) => void;

/** Stands for the error of the file, which only the main thread knows. */
const FILE_FAILED = new Error('the file could not be read');

/** What the main thread sends of the file, as the pipeline reads it. */
class SentFile implements AsyncIterableIterator<Uint8Array> {
  readonly #pieces: OwnedBytes[] = [];
  readonly #onUsed: (bytes: number) => void;
  readonly #isNar: boolean;
  #current: OwnedBytes | undefined;
  #then: 'more' | 'end' | 'failure' = 'more';
  #used = 0;
  #changed: PromiseWithResolvers<void> | undefined;

  /** @param isNar whether the file is the NAR itself: then no decoder looks at what came before */
  constructor(isNar: boolean, onUsed: (bytes: number) => void) {
    this.#isNar = isNar;
    this.#onUsed = onUsed;
  }

  add(bytes: OwnedBytes, then: 'more' | 'end' | 'failure'): void {
    if (bytes.length > 0) this.#pieces.push(bytes);
    this.#then = then;
    this.#changed?.resolve();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    if (this.#isNar && this.#current !== undefined) releaseBytes(this.#current);
    this.#current = undefined;
    for (;;) {
      const piece = this.#pieces.shift();
      if (piece === undefined || this.#used >= TOLD_BYTES) this.#tellUsed();
      if (piece !== undefined) {
        this.#used += piece.length;
        this.#current = piece;
        return { done: false, value: piece };
      }
      if (this.#then === 'end') return { done: true, value: undefined };
      if (this.#then === 'failure') throw FILE_FAILED;
      this.#changed = Promise.withResolvers<void>();
      await this.#changed.promise;
    }
  }

  async return(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.#pieces.length = 0;
    return { done: true, value: undefined };
  }

  #tellUsed(): void {
    if (this.#used > 0) this.#onUsed(this.#used);
    this.#used = 0;
  }
}

/** Reads one NAR and sends what it holds. */
export class NarTask implements NarOutput {
  readonly #job: number;
  readonly #request: NarRequest;
  readonly #send: Send;
  readonly #file: SentFile;
  readonly #waiting = new ByteWindow(WAITING_BYTES);
  readonly #aborted = new AbortController();
  #narBytes = 0;
  readonly tap?: (bytes: Uint8Array) => Promise<void>;

  constructor(job: number, request: NarRequest, isTapped: boolean, send: Send) {
    this.#job = job;
    this.#request = request;
    this.#send = send;
    const isNar = request.compression === 'none';
    this.#file = new SentFile(isNar, (bytes) => send({ type: 'used', job, bytes }));
    if (isTapped) this.tap = (bytes) => this.#tap(bytes);
  }

  /** Runs to the end, which it sends. */
  async run(): Promise<void> {
    const job = this.#job;
    try {
      const reading = await readNar(this.#request, this.#file, this, this.#aborted.signal);
      this.#send({
        type: 'done',
        job,
        reading: sentReading(reading),
        narBytes: this.#takeNarBytes(),
      });
    } catch (error) {
      const sent = error === FILE_FAILED ? undefined : sentError(error);
      this.#send({ type: 'failed', job, error: sent });
    }
  }

  addFile(bytes: OwnedBytes, then: 'more' | 'end' | 'failure'): void {
    this.#file.add(bytes, then);
  }

  taken(bytes: number): void {
    this.#waiting.remove(bytes);
  }

  abort(): void {
    this.#waiting.close();
    this.#aborted.abort();
  }

  async content(batch: ContentBatch): Promise<void> {
    const { bytes, records } = batch;
    const narBytes = this.#takeNarBytes();
    await this.#hand(bytes.length, () =>
      this.#send({ type: 'content', job: this.#job, batch, narBytes }, [bytes, records]),
    );
  }

  progress(narBytes: number): void {
    this.#narBytes += narBytes;
  }

  async #tap(piece: Uint8Array): Promise<void> {
    // the pipeline goes on with the piece itself
    const bytes = new Uint8Array(piece);
    await this.#hand(bytes.length, () =>
      this.#send({ type: 'tapped', job: this.#job, bytes }, [bytes]),
    );
  }

  /** Sends something of that length, and waits if there is much on its way. */
  async #hand(length: number, send: () => void): Promise<void> {
    this.#waiting.add(length);
    send();
    await this.#waiting.open();
  }

  #takeNarBytes(): number {
    const narBytes = this.#narBytes;
    this.#narBytes = 0;
    return narBytes;
  }
}
