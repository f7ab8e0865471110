/**
 * How much is read at once, and how far ahead. Both make reading fast, and what was read is held until the caller
 * comes back for more; so all who read from a store together have a budget, and the more of it is held, the less the
 * next one gets.
 */

/** What all readers may hold together beyond two spans of {@link LEAST_SPAN_BYTES} each. */
export const READ_AHEAD_BYTES = 32 * 1024 * 1024;
/** More at once is not faster: a processor's own memory holds no more. */
export const MOST_SPAN_BYTES = 512 * 1024;
/** What a reader gets who finds nothing left. */
export const LEAST_SPAN_BYTES = 128 * 1024;
/** The part of what is left that one span may have: the first ones get the most. */
const SHARE = 1 / 32;
/** Spans that are under way for one reader, so that a thread that is slow to wake keeps nobody waiting. */
const MOST_SPANS_AHEAD = 3;

/** The budget of the readers of a store. */
export class ReadAhead {
  #heldBytes = 0;

  /** How many bytes of content are to be read at once now. */
  get spanBytes(): number {
    const share = (READ_AHEAD_BYTES - this.#heldBytes) * SHARE;
    return Math.min(Math.max(share, LEAST_SPAN_BYTES), MOST_SPAN_BYTES);
  }

  /** How many spans are to be under way behind the one that the caller has. */
  get spansAhead(): number {
    return this.#heldBytes < READ_AHEAD_BYTES / 2 ? MOST_SPANS_AHEAD : 1;
  }

  /** They are held until what is returned is disposed of. */
  hold(bytes: number): Disposable {
    this.#heldBytes += bytes;
    let isHeld = true;
    return {
      [Symbol.dispose]: () => {
        if (isHeld) this.#heldBytes -= bytes;
        isHeld = false;
      },
    };
  }
}
