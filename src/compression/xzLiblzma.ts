/**
 * xz by liblzma itself, through the optional package `node-liblzma`: half as fast again as a decoder in
 * Rust. It works on the calling thread, a piece at a time, so that it is at its best on worker threads.
 * {@link xzStreams} walks over the structure beforehand, as for the other one: it bounds the dictionary, for
 * which the library has no limit, and says where and how the data is wrong.
 *
 * Of the library only its native part will do: its streams take truncated data, and what follows the data,
 * without a word.
 */
import { createRequire } from 'node:module';
import type { NativeLZMA, Unxz } from 'node-liblzma';
import { type Decoder, OUTPUT_PIECE_BYTES } from './decoder.ts';
import type { CompressedInput } from './input.ts';
import { xzStreams } from './xzStructure.ts';

// liblzma's `lzma_action` and `lzma_ret`
const RUN = 0;
const FINISH = 3;
const OK = 0;
const STREAM_END = 1;
/** No progress was possible: there is neither input nor anything left of it. */
const BUF_ERROR = 10;

type Library = { readonly Unxz: typeof Unxz };

/** What loading came to, once it was tried. */
let loaded: { readonly decoder: Decoder | undefined } | undefined;

/** The decoder, or `undefined` where the package is not installed or has no binary for this system. */
export function xzLiblzma(): Decoder | undefined {
  loaded ??= { decoder: load() };
  return loaded.decoder;
}

function load(): Decoder | undefined {
  let library: Library;
  try {
    library = createRequire(import.meta.url)('node-liblzma');
    new Decoding(library, false).close();
  } catch {
    // it is optional: whoever wants to know which one is in use asks for its name
    return undefined;
  }
  return {
    name: 'node-liblzma',
    async *decode(input, limits, lent) {
      const decoding = new Decoding(library, lent);
      try {
        for await (const piece of xzStreams(input, limits)) yield* decoding.decode(piece, input);
        yield* decoding.finish(input);
      } finally {
        decoding.close();
      }
    },
  };
}

/** One file that is decoded. */
class Decoding {
  readonly #native: NativeLZMA;
  readonly #lent: boolean;
  #output = Buffer.alloc(0);
  /** Up to here the output was given out. */
  #given = 0;
  #filled = 0;

  /** @param lent whether what was given out may be written over when there is more */
  constructor(library: Library, lent: boolean) {
    this.#lent = lent;
    const stream = new library.Unxz();
    // its types do not name the field; the stream around it is not used
    this.#native = (stream as unknown as { readonly lzma: NativeLZMA }).lzma;
  }

  close(): void {
    this.#native.close();
  }

  /** Decodes a piece and gives out what it came to. */
  *decode(piece: Uint8Array, input: CompressedInput): Generator<Uint8Array, void, undefined> {
    const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.length);
    let left = bytes.length;
    // where the output is full, there may be more of it though all input is taken
    while (left > 0 || this.#isFull) {
      this.#makeRoom();
      const [status, inputLeft] = this.#code(RUN, bytes, bytes.length - left, left);
      left = inputLeft;
      if (this.#isFull) yield this.#take();
      if (status === BUF_ERROR && left === 0) break;
      if (status !== OK) throw corrupt(input, status);
    }
    if (this.#filled > this.#given) yield this.#take();
  }

  /** Gives out the rest. Without an end there is an error. */
  *finish(input: CompressedInput): Generator<Uint8Array, void, undefined> {
    for (;;) {
      this.#makeRoom();
      const [status] = this.#code(FINISH, null, 0, 0);
      if (this.#filled > this.#given) yield this.#take();
      if (status === STREAM_END) return;
      if (status !== OK) throw corrupt(input, status);
    }
  }

  get #isFull(): boolean {
    return this.#output.length > 0 && this.#filled === this.#output.length;
  }

  #makeRoom(): void {
    if (this.#filled < this.#output.length) return;
    if (!this.#lent || this.#output.length === 0) {
      this.#output = Buffer.allocUnsafeSlow(OUTPUT_PIECE_BYTES);
    }
    this.#filled = 0;
    this.#given = 0;
  }

  #code(action: number, bytes: Buffer | null, start: number, length: number) {
    const output = this.#output;
    const result = this.#native.codeSync(action, bytes, start, length, output, this.#filled);
    this.#filled = output.length - result[2];
    return result;
  }

  #take(): Uint8Array {
    const piece = this.#output.subarray(this.#given, this.#filled);
    this.#given = this.#filled;
    return piece;
  }
}

function corrupt(input: CompressedInput, status: number): Error {
  return input.invalid('it does not decode', new Error(`liblzma says ${status}`));
}
