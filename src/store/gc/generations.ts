/**
 * What one process relies on, in the order of time: its packs and what it found instead of writing it.
 * After a while nobody needs it any more who did not say so: PathInfos follow their content soon.
 */

import { bytesKey, bytesOfKey } from '../../bytes.ts';
import { Digest } from '../../castore/digest.ts';
import { NO_PACK, type Stamp, type StampKind } from './leaseTable.ts';

/** Part of the time in which a store is open. */
interface Generation {
  readonly startedAt: number;
  endedAt: number | undefined;
  /** The first pack that was begun in it. */
  firstPack: number;
  /** The counts of its stamps in the index. */
  readonly rows: number[];
  /** Those who may still need what it has. */
  holds: number;
  readonly relied: Set<string>;
  readonly unreported: Set<string>;
}

/** Things of a generation that are remembered; more of them are in the index alone. */
const REMEMBERED = 64 * 1024;

const LETTERS: Readonly<Record<StampKind, string>> = {
  chunk: 'c',
  directory: 'd',
  blob: 'b',
  variant: 'v',
};
const KIND_OF_LETTER = new Map(
  Object.entries(LETTERS).map(([kind, letter]) => [letter, kind as StampKind]), // the keys are kinds
);

function keyOf({ kind, digest }: Stamp): string {
  return LETTERS[kind] + bytesKey(digest.bytes);
}

function stampOf(key: string): Stamp {
  return {
    kind: KIND_OF_LETTER.get(key.slice(0, 1)) ?? 'chunk',
    digest: new Digest(bytesOfKey(key.slice(1))),
  };
}

/** The generations of an open store, the last of which goes on. */
export class Generations {
  readonly #graceMs: number;
  #generations: Generation[];

  /** @param graceMs for how long what nobody holds is kept */
  constructor(graceMs: number, now: number) {
    this.#graceMs = graceMs;
    this.#generations = [begin(now)];
  }

  /** The first pack of all generations, or {@link NO_PACK}. */
  get firstPack(): number {
    return Math.min(...this.#generations.map(({ firstPack }) => firstPack));
  }

  /** The first pack that was begun in the current generation, or {@link NO_PACK}. */
  get currentFirstPack(): number {
    return this.#current.firstPack;
  }

  /** Whether there is nothing that could be given up. */
  get isEmpty(): boolean {
    return this.#generations.every(isEmpty);
  }

  /** Whether more is remembered than should be. */
  get isFull(): boolean {
    return this.#current.relied.size > REMEMBERED;
  }

  /** A pack was begun. */
  tookPack(pack: number): void {
    this.#current.firstPack = Math.min(this.#current.firstPack, pack);
  }

  /** Whether it is remembered that somebody relies on it. */
  relies(stamp: Stamp): boolean {
    const key = keyOf(stamp);
    return this.#generations.some(({ relied }) => relied.has(key));
  }

  /** Remembers that somebody relies on it. */
  rely(stamp: Stamp): void {
    const key = keyOf(stamp);
    const { relied, unreported } = this.#current;
    if (relied.has(key)) return;
    relied.add(key);
    unreported.add(key);
  }

  /** Keeps all of the current generation and of later ones. */
  hold(): Disposable {
    let held: Generation | undefined = this.#current;
    held.holds++;
    return {
      [Symbol.dispose]() {
        if (held !== undefined) held.holds--;
        held = undefined;
      },
    };
  }

  /**
   * Puts what is not in the index yet there, a row for each generation.
   * @param put puts a row, and tells its count
   * @returns to be called when that is on disk
   */
  report(put: (stamps: readonly Stamp[]) => number): () => void {
    const reports = this.#generations
      .filter(({ unreported }) => unreported.size > 0)
      .map((generation) => {
        const keys = [...generation.unreported];
        generation.rows.push(put(keys.map(stampOf)));
        return { generation, keys };
      });
    return () => {
      for (const { generation, keys } of reports) {
        for (const key of keys) generation.unreported.delete(key);
        if (generation.relied.size <= REMEMBERED || generation.unreported.size > 0) continue;
        generation.relied.clear();
      }
    };
  }

  /** Another row in the index that is of now. */
  tookRow(count: number): void {
    this.#current.rows.push(count);
  }

  /** Whether it is time to begin another generation. */
  isDue(now: number): boolean {
    return !isEmpty(this.#current) && now - this.#current.startedAt >= this.#graceMs / 2;
  }

  /** Begins another generation; the current one's packs are complete. */
  rotate(now: number): void {
    this.#current.endedAt = now;
    this.#generations.push(begin(now));
  }

  /**
   * Forgets generations that nobody needs.
   * @returns the counts of their stamps in the index, or `undefined` if none was forgotten
   */
  expire(now: number): number[] | undefined {
    let rows: number[] | undefined;
    for (;;) {
      const [oldest] = this.#generations;
      if (oldest?.endedAt === undefined || oldest.holds > 0) return rows;
      if (oldest.endedAt + this.#graceMs > now) return rows;
      this.#generations = this.#generations.slice(1);
      rows = [...(rows ?? []), ...oldest.rows];
    }
  }

  get #current(): Generation {
    const current = this.#generations.at(-1);
    if (current === undefined) throw new TypeError('there is always a generation');
    return current;
  }
}

function begin(now: number): Generation {
  return {
    startedAt: now,
    endedAt: undefined,
    firstPack: NO_PACK,
    rows: [],
    holds: 0,
    relied: new Set(),
    unreported: new Set(),
  };
}

function isEmpty({ firstPack, relied, rows }: Generation): boolean {
  return firstPack === NO_PACK && relied.size === 0 && rows.length === 0;
}
