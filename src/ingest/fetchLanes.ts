/**
 * Whose content is brought in next, in two lanes: what small NARs take is round trips rather than bytes,
 * so there may be many of them at once, and none waits behind a large one.
 */

/** A NAR up to this long is small. */
export const SMALL_NAR_BYTES: number = 256 * 1024;

interface Lane<Item> {
  /** How many at once. */
  readonly limit: number;
  /** Taken from its end: what was found last is lowest in a closure, and is what the others wait for. */
  readonly waiting: Item[];
  inFlight: number;
}

/** Somebody's turn, until it is ended. */
export interface FetchTurn<Item> {
  readonly item: Item;
  end(): void;
}

/** Those who wait, and those whose turn it is. */
export class FetchLanes<Item> {
  readonly #others: Lane<Item>;
  readonly #small: Lane<Item>;

  /**
   * @param limit how many at once
   * @param smallLimit how many small ones besides; without it they are counted with the others
   */
  constructor(limit: number, smallLimit: number | undefined) {
    this.#others = { limit, waiting: [], inFlight: 0 };
    this.#small =
      smallLimit === undefined ? this.#others : { limit: smallLimit, waiting: [], inFlight: 0 };
  }

  get inFlight(): number {
    const others = this.#others.inFlight;
    return this.#small === this.#others ? others : others + this.#small.inFlight;
  }

  /** @param narSize in bytes */
  push(item: Item, narSize: number): void {
    (narSize <= SMALL_NAR_BYTES ? this.#small : this.#others).waiting.push(item);
  }

  /** Begins the next turn; `undefined` where nobody waits or the limits allow none. */
  take(): FetchTurn<Item> | undefined {
    return take(this.#others) ?? take(this.#small);
  }
}

function take<Item>(lane: Lane<Item>): FetchTurn<Item> | undefined {
  if (lane.inFlight >= lane.limit) return undefined;
  const item = lane.waiting.pop();
  if (item === undefined) return undefined;
  lane.inFlight++;
  return { item, end: () => lane.inFlight-- };
}
