/**
 * A file on its way to a worker. Its pieces belong to others (a socket's memory, mostly), so they are
 * gathered in blocks, which are handed on: large ones where the worker has enough to do, and what there
 * is where it waits.
 */
import type { ByteWindow } from './byteWindow.ts';
import { uncleared } from './encodeTask.ts';
import type { OwnedBytes } from './messages.ts';

const BLOCK_BYTES = 256 * 1024;

/** Takes a block, and what follows it. */
export type SendBlock = (bytes: OwnedBytes, then: 'more' | 'end' | 'failure') => void;

/** Sends one file. */
export class FileSender {
  readonly #pieces: AsyncIterator<Uint8Array>;
  readonly #window: ByteWindow;
  readonly #send: SendBlock;
  #gathered: Uint8Array[] = [];
  #gatheredBytes = 0;
  #isReading = false;
  #isLeft = false;
  #failure: unknown;

  constructor(file: AsyncIterable<Uint8Array>, window: ByteWindow, send: SendBlock) {
    this.#pieces = file[Symbol.asyncIterator]();
    this.#window = window;
    this.#send = send;
  }

  /** Why the file could not be read to its end: it takes its place behind what came before. */
  get failure(): unknown {
    return this.#failure;
  }

  /** Sends it all. */
  async run(): Promise<void> {
    while (!this.#isLeft) {
      const next = await this.#next();
      if (this.#isLeft) return;
      if (typeof next === 'string') {
        this.#isLeft = true;
        this.#flush(next);
        return;
      }
      this.#gathered.push(next);
      this.#gatheredBytes += next.length;
      if (this.#gatheredBytes >= BLOCK_BYTES) this.#flush('more');
      // what comes at the same time, the end included, goes with it
      else if (this.#window.isEmpty) setImmediate(() => this.#flushIfAwaited());
      await this.#window.open();
    }
  }

  /** Reads no further. A read that is under way is not waited for: nobody knows how long it takes. */
  async leave(): Promise<void> {
    if (this.#isLeft) return;
    this.#isLeft = true;
    const leaving = this.#pieces.return?.();
    if (this.#isReading) leaving?.catch(() => {});
    else await leaving;
  }

  async #next(): Promise<Uint8Array | 'end' | 'failure'> {
    this.#isReading = true;
    try {
      const next = await this.#pieces.next();
      return next.done ? 'end' : next.value;
    } catch (error) {
      this.#failure = error;
      return 'failure';
    } finally {
      this.#isReading = false;
    }
  }

  #flushIfAwaited(): void {
    if (!this.#isLeft && this.#window.isEmpty && this.#gatheredBytes > 0) this.#flush('more');
  }

  #flush(then: 'more' | 'end' | 'failure'): void {
    const bytes = uncleared(this.#gatheredBytes);
    let at = 0;
    for (const piece of this.#gathered) {
      bytes.set(piece, at);
      at += piece.length;
    }
    this.#gathered = [];
    this.#gatheredBytes = 0;
    this.#window.add(bytes.length);
    this.#send(bytes, then);
  }
}
