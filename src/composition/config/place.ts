/** Where in a configuration something stands, and what is wrong there. */
import { NarthexError } from '../../errors.ts';
import { excerpt } from '../../excerpt.ts';

/** A place in a file, or on the command line. */
export interface Place {
  /** As it is written, with dots: `pathinfoservices.root.far`. Empty for the whole. */
  readonly key: string;
  /** From 1; `undefined` on the command line. */
  readonly line?: number | undefined;
  /** From 1. */
  readonly column?: number | undefined;
}

/** Something that is wrong. */
export interface Fault {
  readonly place: Place;
  /** Without the place. */
  readonly message: string;
}

/** A fault is shown so, as compilers show theirs: `narthex.toml:12:8: root.far: …`. */
function shownFault(source: string | undefined, { place, message }: Fault): string {
  const { key, line, column } = place;
  const where = [source, line, column].filter((part) => part !== undefined).join(':');
  return [where, excerpt(key), message].filter((part) => part !== '').join(': ');
}

/**
 * Faults that are found one after the other. Who reads a configuration goes on after one, with a
 * placeholder, and stops before anything is made of it.
 */
export class Faults {
  readonly #source: string | undefined;
  readonly #all: Fault[] = [];

  /** @param source the file; `undefined` for a command line */
  constructor(source: string | undefined) {
    this.#source = source;
  }

  get isEmpty(): boolean {
    return this.#all.length === 0;
  }

  add(place: Place, message: string): void {
    this.#all.push({ place, message });
  }

  /**
   * Does nothing where there is none.
   * @throws CONFIG_INVALID about the first one; `faults` in its facts are all, a line each
   */
  throwIfAny(): void {
    const inOrder = this.#all.toSorted(
      (a, b) =>
        (a.place.line ?? 0) - (b.place.line ?? 0) || (a.place.column ?? 0) - (b.place.column ?? 0),
    );
    const [first, ...others] = inOrder;
    if (first === undefined) return;
    const more = others.length === 0 ? '' : ` (and ${others.length} more)`;
    const { key, line, column } = first.place;
    throw new NarthexError('CONFIG_INVALID', shownFault(this.#source, first) + more, {
      file: this.#source,
      line,
      column,
      key,
      faults: inOrder.map((fault) => shownFault(this.#source, fault)),
    });
  }
}
