/**
 * xz by `@napi-rs/lzma`, on a thread of its own. {@link xzStreams} walks over the structure
 * beforehand: it bounds the dictionary, for which the library has no limit, and says where and how
 * the data is wrong.
 *
 * Of the library's interfaces only the native `decompressStream` will do: its one-shot functions
 * buffer everything, its `XzDecompressor` the output of all input that it was given.
 */
import type { xz as Xz } from '@napi-rs/lzma';
import type { Decoder } from './decoder.ts';
import { type Engine, NextEvent, runEngine } from './engine.ts';
import { xzStreams } from './xzStructure.ts';

export const XZ_NAPI: Decoder = {
  name: '@napi-rs/lzma',
  async *decode(input, limits, lent) {
    // loaded only where there is something to decode
    const { xz } = await import('@napi-rs/lzma');
    yield* runEngine(new XzEngine(xz), xzStreams(input, limits), lent, (cause) =>
      input.invalid('it does not decode', cause),
    );
  },
};

/** Pieces that wait for the library, which takes some more into queues of its own. */
const QUEUED_PIECES = 2;

class XzEngine implements Engine {
  readonly #event = new NextEvent();
  readonly #output: ReadableStreamDefaultReader<Uint8Array>;
  #input: ReadableStreamDefaultController<Uint8Array> | undefined;
  #decoded: Uint8Array | undefined;
  #finished = false;
  #error: unknown;

  constructor(xz: typeof Xz) {
    const input = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#input = controller;
        },
        pull: () => this.#event.happened(),
      },
      { highWaterMark: QUEUED_PIECES },
    );
    this.#output = xz.decompressStream(input).getReader();
    this.#readAhead();
  }

  get wantsInput(): boolean {
    return (this.#input?.desiredSize ?? 0) > 0 && !this.#finished && this.#error === undefined;
  }

  get finished(): boolean {
    return this.#finished;
  }

  get error(): unknown {
    return this.#error;
  }

  write(piece: Uint8Array): void {
    this.#input?.enqueue(piece);
  }

  end(): void {
    this.#input?.close();
  }

  read(): Uint8Array | undefined {
    const decoded = this.#decoded;
    if (decoded === undefined) return undefined;
    this.#decoded = undefined;
    this.#readAhead();
    return decoded;
  }

  changed(): Promise<void> {
    return this.#event.wait();
  }

  destroy(): void {
    if (this.#finished || this.#error !== undefined) return;
    // the library's thread waits for room in its output or for input: both have to end
    this.#output.cancel().catch(() => {});
    this.#input?.error(new Error('the decoder was left'));
    this.#input = undefined;
  }

  #readAhead(): void {
    this.#output
      .read()
      .then(
        ({ done, value }) => {
          if (done) this.#finished = true;
          else this.#decoded = value;
        },
        (error: unknown) => {
          this.#error = error;
        },
      )
      .then(() => this.#event.happened());
  }
}
