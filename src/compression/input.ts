/** Compressed input as decoders read it: buffered, with its offset, and with errors that name it. */
import { concatBytes, EMPTY } from '../bytes.ts';
import { type ErrorCode, NarthexError } from '../errors.ts';

/** The most that is handed to a native decoder in one piece; they copy it. */
const MAX_PIECE_BYTES = 256 * 1024;

/**
 * Reads a source on demand: never ahead of what a decoder asked for, so that no read is under way
 * while decoded bytes wait for their consumer, and leaving early reaches the source at once.
 */
export class CompressedInput {
  /** The compression's name as narinfos spell it, for errors. */
  readonly compression: string;
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #signal: AbortSignal | undefined;
  #buffer: Uint8Array = EMPTY;
  #offset = 0;
  #ended = false;
  #reading = false;

  /** @param signal ends a read that waits for the source, with the signal's own reason */
  constructor(compression: string, source: AsyncIterable<Uint8Array>, signal?: AbortSignal) {
    this.compression = compression;
    this.#source = source[Symbol.asyncIterator]();
    this.#signal = signal;
  }

  /** Offset in bytes of the first byte that was not consumed. */
  get offset(): number {
    return this.#offset;
  }

  /** What was read and not consumed. */
  get buffered(): Uint8Array {
    return this.#buffer;
  }

  /** Reads until `count` bytes are buffered; `false` if the source ends before. */
  async fill(count: number): Promise<boolean> {
    let length = this.#buffer.length;
    if (length >= count) return true;
    const parts = length === 0 ? [] : [this.#buffer];
    while (length < count) {
      const chunk = await this.#read();
      if (chunk === undefined) break;
      if (chunk.length === 0) continue;
      parts.push(chunk);
      length += chunk.length;
    }
    this.#buffer = concatBytes(parts);
    return length >= count;
  }

  /** Whether there is no further byte. */
  async atEnd(): Promise<boolean> {
    return !(await this.fill(1));
  }

  /** Takes `count` of the buffered bytes. */
  consume(count: number): Uint8Array {
    const bytes = this.#buffer.subarray(0, count);
    this.#buffer = this.#buffer.subarray(count);
    this.#offset += bytes.length;
    return bytes;
  }

  /**
   * Takes exactly `count` bytes.
   * @throws COMPRESSION_TRUNCATED
   */
  async take(count: number): Promise<Uint8Array> {
    if (!(await this.fill(count))) throw this.truncated();
    return this.consume(count);
  }

  /** Takes up to `count` of the buffered bytes: a piece for a native decoder. */
  consumePiece(count: number): Uint8Array {
    return this.consume(Math.min(count, MAX_PIECE_BYTES));
  }

  /** Takes everything, in pieces as the source gives them, large ones cut. */
  async *pieces(): AsyncGenerator<Uint8Array, void, undefined> {
    while (await this.fill(1)) yield this.consumePiece(this.#buffer.length);
  }

  /**
   * Checks the first bytes of a stream. They are `found`, at `offset`, fewer than the magic number
   * has only where the input ends.
   * @throws COMPRESSION_TRUNCATED where they only begin as the magic number does
   * @throws COMPRESSION_INVALID where they are not it, at the start of the input
   * @throws COMPRESSION_TRAILING where they are not it, further on
   */
  checkMagic(found: Uint8Array, magic: Uint8Array, offset: number = this.#offset): void {
    const length = Math.min(found.length, magic.length);
    for (let i = 0; i < length; i++) {
      if (found[i] === magic[i]) continue;
      throw offset === 0
        ? this.invalid('it does not begin as such data does', undefined, offset)
        : this.trailing(offset);
    }
    if (found.length < magic.length) throw this.truncated(offset + found.length);
  }

  /** Lets go of the source. A read that is under way after an abort is not waited for. */
  async close(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    const closing = this.#source.return?.();
    if (!this.#reading) await closing;
    // the abort is the outcome; what the abandoned source says later has no one to go to
    else closing?.catch(() => {});
  }

  /** The error for input that ends at `offset`, inside of a stream. */
  truncated(offset: number = this.#offset + this.#buffer.length, cause?: unknown): NarthexError {
    return this.#error('COMPRESSION_TRUNCATED', 'data ends too early, after', offset, cause);
  }

  /** The error for bytes at `offset` that follow the last stream. */
  trailing(offset: number = this.#offset): NarthexError {
    return this.#error('COMPRESSION_TRAILING', 'data is followed by other bytes at', offset);
  }

  /** The error for corrupt data near `offset`; `reason` is half a sentence. */
  invalid(reason: string, cause?: unknown, offset: number = this.#offset): NarthexError {
    return this.#error('COMPRESSION_INVALID', `data is corrupt (${reason}) near`, offset, cause);
  }

  #error(code: ErrorCode, what: string, offset: number, cause?: unknown): NarthexError {
    const { compression } = this;
    return new NarthexError(
      code,
      `${compression} ${what} byte ${offset}`,
      { compression, offset },
      cause,
    );
  }

  async #read(): Promise<Uint8Array | undefined> {
    if (this.#ended) return undefined;
    this.#reading = true;
    let result: IteratorResult<Uint8Array>;
    try {
      result = await this.#nextOrAbort();
    } catch (error) {
      // an iterator that throws has ended; one that was abandoned by an abort has not
      if (!this.#signal?.aborted) this.#ended = true;
      throw error;
    }
    this.#reading = false;
    if (!result.done) return result.value;
    this.#ended = true;
    return undefined;
  }

  #nextOrAbort(): Promise<IteratorResult<Uint8Array>> {
    const signal = this.#signal;
    if (signal === undefined) return this.#source.next();
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const onAbort = () => reject(signal.reason);
      signal.addEventListener('abort', onAbort, { once: true });
      this.#source
        .next()
        .then(resolve, reject)
        .finally(() => signal.removeEventListener('abort', onAbort));
    });
  }
}
