/**
 * Reads the structure of compressed input on its way to a decoder that does not tell where a
 * stream ends: what was walked over is handed on, in pieces as large as the source gives them.
 *
 * The methods are generators because looking further than what is buffered first hands on what
 * lies before it: `const header = yield* walk.take(6)`.
 */
import type { CompressedInput } from './input.ts';

type Pieces<T> = AsyncGenerator<Uint8Array, T, undefined>;

export class Walk {
  readonly #input: CompressedInput;
  /** Bytes from the input's position to ours: walked over and not handed on. */
  #walked = 0;

  constructor(input: CompressedInput) {
    this.#input = input;
  }

  /** Offset in bytes of the first byte that was not walked over. */
  get offset(): number {
    return this.#input.offset + this.#walked;
  }

  /** The next `count` bytes, without walking over them; fewer only where the input ends. */
  async *look(count: number): Pieces<Uint8Array> {
    const input = this.#input;
    if (input.buffered.length < this.#walked + count) {
      yield* this.handOn();
      await input.fill(count);
    }
    return input.buffered.subarray(this.#walked, this.#walked + count);
  }

  /**
   * The next `count` bytes.
   * @throws COMPRESSION_TRUNCATED
   */
  async *take(count: number): Pieces<Uint8Array> {
    const bytes = yield* this.look(count);
    if (bytes.length < count) throw this.#input.truncated();
    this.#walked += count;
    return bytes;
  }

  /** Walks over `count` bytes unseen. */
  skip(count: number): void {
    this.#walked += count;
  }

  /**
   * Hands on what was walked over.
   * @throws COMPRESSION_TRUNCATED if there is less
   */
  async *handOn(): Pieces<void> {
    const input = this.#input;
    while (this.#walked > 0) {
      if (await input.atEnd()) throw input.truncated();
      const piece = input.consumePiece(this.#walked);
      this.#walked -= piece.length;
      yield piece;
    }
  }

  /** Drops what was walked over. @throws COMPRESSION_TRUNCATED if there is less */
  async drop(): Promise<void> {
    for await (const _ of this.handOn());
  }

  /** Whether there is no further byte. */
  async *atEnd(): Pieces<boolean> {
    return (yield* this.look(1)).length === 0;
  }
}
