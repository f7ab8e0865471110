/**
 * The directories around the place in a NAR that is being read or written: the rules that go across
 * entries, and the path for errors. Memory: two names for each level.
 */
import { displayBytes } from '../bytes.ts';
import { isAfter, nameFault } from './names.ts';

interface OpenDirectory {
  readonly name: Uint8Array;
  /** The name of its last entry so far; `undefined` before the first. */
  lastName: Uint8Array | undefined;
  entries: number;
}

/** Why a name may not come next: a sentence, and what could have come. */
export interface NameFault {
  readonly message: string;
  readonly expected: string;
}

/** A stack of directories; the root is the lowest. */
export class OpenDirectories {
  readonly #stack: OpenDirectory[] = [];

  /** How many are open. */
  get depth(): number {
    return this.#stack.length;
  }

  open(name: Uint8Array): void {
    this.#stack.push({ name, lastName: undefined, entries: 0 });
  }

  /** Closes the innermost; its name, or `undefined` where none is open. */
  close(): Uint8Array | undefined {
    return this.#stack.pop()?.name;
  }

  /** What keeps `name` from being the next in the innermost directory. */
  faultOf(name: Uint8Array): NameFault | undefined {
    const fault = nameFault(name);
    if (fault !== undefined) return { message: fault, expected: fault };
    const last = this.#stack.at(-1)?.lastName;
    if (last === undefined || isAfter(name, last)) return undefined;
    return {
      message: 'the names in a directory are not in strictly increasing byte order',
      expected: `a name after ${displayBytes(last)}`,
    };
  }

  /** Adds the next name to the innermost directory; the number of its entries with this one. */
  add(name: Uint8Array): number {
    const directory = this.#stack.at(-1);
    if (directory === undefined) return 0;
    directory.lastName = name;
    directory.entries += 1;
    return directory.entries;
  }

  /** The path of the innermost directory, or of the entry `name` in it; `/` is the root. */
  path(name?: Uint8Array): string {
    const names = this.#stack.slice(1).map((directory) => directory.name);
    if (name !== undefined && this.#stack.length > 0) names.push(name);
    return `/${names.map(displayBytes).join('/')}`;
  }
}
