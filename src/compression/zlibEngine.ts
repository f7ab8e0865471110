/** The decoders of `node:zlib`, which work on libuv's threads, as an {@link Engine}. */
import type { BrotliDecompress, Gunzip, ZstdDecompress } from 'node:zlib';
import { releaseBytes } from '../bytes.ts';
import { OUTPUT_PIECE_BYTES } from './decoder.ts';
import { type Engine, NextEvent } from './engine.ts';

/** Pieces that are queued, the one in work included: so the threads need not wait for ours. */
const QUEUED_PIECES = 2;

export class ZlibEngine implements Engine {
  readonly #stream: BrotliDecompress | Gunzip | ZstdDecompress;
  readonly #event = new NextEvent();
  #queuedPieces = 0;
  #written = false;
  #finished = false;
  #error: unknown;

  constructor(stream: BrotliDecompress | Gunzip | ZstdDecompress) {
    this.#stream = stream;
    const happened = () => this.#event.happened();
    stream.on('readable', happened);
    stream.on('end', () => {
      this.#finished = true;
      happened();
    });
    stream.on('error', (error) => {
      this.#error = error;
      happened();
    });
  }

  get wantsInput(): boolean {
    return this.#queuedPieces < QUEUED_PIECES && !this.#finished && this.#error === undefined;
  }

  get finished(): boolean {
    return this.#finished;
  }

  get error(): unknown {
    return this.#error;
  }

  /** How much of what was written it has used: less than all where it ended before. */
  get usedBytes(): number {
    return this.#stream.bytesWritten;
  }

  write(piece: Uint8Array): void {
    this.#written = true;
    this.#queuedPieces++;
    this.#stream.write(piece, () => {
      this.#queuedPieces--;
      this.#event.happened();
    });
  }

  end(): void {
    // to node:zlib no input at all is truncated input; to us it is what a skipped frame leaves
    if (this.#written) this.#stream.end();
    else this.#finished = true;
  }

  read(): Uint8Array | undefined {
    return this.#stream.read() ?? undefined;
  }

  release(decoded: Uint8Array<ArrayBuffer>): void {
    const { buffer, byteOffset, length } = decoded;
    // output comes piece by piece in blocks of OUTPUT_PIECE_BYTES, and nothing follows the end of one
    if (buffer.byteLength === OUTPUT_PIECE_BYTES && byteOffset + length === OUTPUT_PIECE_BYTES) {
      releaseBytes(decoded);
    }
  }

  changed(): Promise<void> {
    return this.#event.wait();
  }

  destroy(): void {
    this.#stream.destroy();
  }
}

/** Whether `error` is how node:zlib says that its input ended too early. */
export function isUnexpectedEnd(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'Z_BUF_ERROR';
}
