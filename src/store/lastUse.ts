/**
 * When variants were last used, to the hour: noted in memory, and written now and then for many at once.
 * It decides what a collection deletes first, so a few minutes that a crash loses do no harm.
 */
import type { Digest } from '../castore/digest.ts';
import { WeightedLru } from '../weightedLru.ts';
import { decodeU48, encodeU48 } from './schema.ts';
import type { StoreIndex } from './storeIndex.ts';

/** A use is written down if the last one that is known is older. */
const GRANULARITY_MS = 60 * 60_000;
/** Uses wait no longer than this to be written. */
const WRITE_AFTER_MS = 5_000;
/** Or until there are so many. */
const WRITE_COUNT = 1024;
/** Variants whose last use is remembered, some 100 bytes each. */
const REMEMBERED = 50_000;

/** Notes uses of variants. */
export class LastUse implements AsyncDisposable {
  readonly #index: StoreIndex;
  readonly #now: () => number;
  readonly #known = new WeightedLru<number>(REMEMBERED, () => 1);
  #noted = new Map<string, { readonly closureDigest: Digest; readonly at: number }>();
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;

  /** @param now milliseconds since 1970 */
  constructor(index: StoreIndex, now: () => number) {
    this.#index = index;
    this.#now = now;
  }

  /** Notes that a variant was used now. */
  note(closureDigest: Digest): void {
    const at = this.#now();
    const { key } = closureDigest;
    const known = this.#known.get(key) ?? this.#stored(closureDigest);
    if (known !== undefined && isLately(known, at)) {
      this.#known.set(key, known);
      return;
    }
    this.#known.set(key, at);
    this.#noted.set(key, { closureDigest, at });
    this.#timer ??= setTimeout(() => this.#write(), WRITE_AFTER_MS).unref();
    if (this.#noted.size >= WRITE_COUNT) this.#write();
  }

  /** Writes down that a variant is put now. Inside a transaction. */
  put(closureDigest: Digest): void {
    const at = this.#now();
    const stored = this.#stored(closureDigest);
    if (stored !== undefined && isLately(stored, at)) return;
    this.#index.tables.used.put(closureDigest.bytes, encodeU48(at));
  }

  /** Writes down what is noted. */
  async flush(): Promise<void> {
    this.#write();
    await this.#writing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.flush();
  }

  #stored(closureDigest: Digest): number | undefined {
    const stored = this.#index.tables.used.get(closureDigest.bytes);
    return stored && decodeU48(stored);
  }

  #write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const noted = this.#noted;
    if (noted.size === 0) return;
    this.#noted = new Map();
    const { used, closure } = this.#index.tables;
    const before = this.#writing;
    const writing = this.#index
      .transaction(() => {
        for (const { closureDigest, at } of noted.values()) {
          if (closure.has(closureDigest.bytes)) used.put(closureDigest.bytes, encodeU48(at));
        }
      })
      // a full disk must not keep anyone from reading
      .catch(() => {});
    this.#writing = Promise.all([before, writing]).then(() => {});
  }
}

/** Not if it was noted by a clock that was far ahead: it would count as used for as long. */
function isLately(usedAt: number, now: number): boolean {
  return Math.abs(now - usedAt) < GRANULARITY_MS;
}
