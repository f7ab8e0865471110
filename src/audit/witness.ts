/** Upstreams as witnesses: they are asked what they say about paths, and nothing is fetched from them. */
import { NarthexError } from '../errors.ts';
import type { FoundNarInfo, WantedPath } from '../ingest/walkItem.ts';
import { outcomeOfError, type UnknownOutcome } from '../ingest/world.ts';

/** A binary cache that is asked for narinfos. */
export interface Witness {
  /** The address, without credentials. */
  readonly url: string;
  /**
   * The narinfo of a path, if it holds.
   * @returns `undefined` if the cache does not have the path
   * @throws NarthexError it could not be asked, or what it says does not verify
   */
  ask(path: WantedPath, signal: AbortSignal | undefined): Promise<FoundNarInfo | undefined>;
}

/** What a witness says about a path. */
export type Answer =
  | { readonly outcome: 'known'; readonly found: FoundNarInfo }
  | { readonly outcome: UnknownOutcome; readonly error: NarthexError | undefined };

/** Narinfos that each witness is asked for at once, unless somebody says otherwise. */
export const DEFAULT_QUESTIONS_IN_FLIGHT = 128;

/**
 * After so many failures in a row a witness is not asked any more: one that is down takes seconds for
 * each, and there may be thousands of paths.
 */
const FAILURES_TO_GIVE_UP = 8;

/** The questioning of one witness. */
export class Questioning {
  readonly witness: Witness;
  readonly #signal: AbortSignal | undefined;
  #failuresInARow = 0;
  #lastFailure: Answer | undefined;

  constructor(witness: Witness, signal: AbortSignal | undefined) {
    this.witness = witness;
    this.#signal = signal;
  }

  /** Asks about a path. @throws the reason of an abort */
  async ask(path: WantedPath): Promise<Answer> {
    this.#signal?.throwIfAborted();
    if (this.#lastFailure !== undefined && this.#failuresInARow >= FAILURES_TO_GIVE_UP) {
      return this.#lastFailure;
    }
    const answer = await this.#askOnce(path);
    if (answer.outcome === 'unreachable') {
      this.#failuresInARow += 1;
      this.#lastFailure = answer;
    } else {
      this.#failuresInARow = 0;
    }
    return answer;
  }

  async #askOnce(path: WantedPath): Promise<Answer> {
    try {
      const found = await this.witness.ask(path, this.#signal);
      return found === undefined
        ? { outcome: 'absent', error: undefined }
        : { outcome: 'known', found };
    } catch (error) {
      if (!(error instanceof NarthexError)) throw error;
      return { outcome: outcomeOfError(error), error };
    }
  }
}
