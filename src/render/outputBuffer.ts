/** Gathers small pieces of output, so that framing does not cost a write each. */

/** Length of what is given out when it was gathered. */
const GATHERED_BYTES = 128 * 1024;
/** Pieces from this length on are passed on as they are: copying them would cost more than a write. */
const LARGE_BYTES = 64 * 1024;

/** Takes pieces in order and gives out fewer, in order. */
export class OutputBuffer {
  readonly #capacity: number;
  readonly #lent: boolean;
  #memory: Uint8Array | undefined;
  /** What was given out before, where that is over when more is given out. */
  #spare: Uint8Array | undefined;
  #length = 0;

  /**
   * @param totalBytes how much will be added in all, so that little output takes little memory
   * @param lent what is given out is only lent: it is used again after the next time
   */
  constructor(totalBytes: number, lent = false) {
    this.#capacity = Math.min(totalBytes, GATHERED_BYTES);
    this.#lent = lent;
  }

  /** Takes a piece, which may be given out itself; returns what is due now. */
  add(piece: Uint8Array): readonly Uint8Array[] {
    if (piece.length >= LARGE_BYTES) return [...this.flush(), piece];
    const due = this.#length + piece.length > this.#capacity ? this.flush() : [];
    this.#memory ??= Buffer.allocUnsafeSlow(this.#capacity);
    this.#memory.set(piece, this.#length);
    this.#length += piece.length;
    return due;
  }

  /** Returns what is left. */
  flush(): readonly Uint8Array[] {
    if (this.#memory === undefined || this.#length === 0) return [];
    const given = this.#memory;
    const gathered = given.subarray(0, this.#length);
    // whoever takes it may keep it, so it is never filled again; when lent, not before the next one
    this.#memory = this.#spare;
    this.#spare = this.#lent ? given : undefined;
    this.#length = 0;
    return [gathered];
  }
}
