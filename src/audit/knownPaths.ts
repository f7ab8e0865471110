/** Which store paths are known, by hash part. */
import { NarthexError } from '../errors.ts';
import type { PathInfoService } from '../pathinfo/pathInfoService.ts';
import { parseHashPart, type StorePath } from '../storePath.ts';

/**
 * Look-ups after which all paths are listed once. Most files hold few candidates, but a megabyte of
 * hexadecimal digits holds a quarter of a million.
 */
const LOOKUPS_BEFORE_LISTING = 20_000;

/** What is asked about paths. */
export type KnownPathsSource = Pick<PathInfoService, 'listVariants' | 'list'>;

/** The store paths that a service keeps, and some others. */
export class KnownPaths {
  readonly #service: KnownPathsSource;
  readonly #signal: AbortSignal | undefined;
  readonly #known: Map<string, StorePath>;
  #lookups = 0;
  #listing: Promise<void> | undefined;

  /** @param others known whether they are kept or not */
  constructor(
    service: KnownPathsSource,
    others: Iterable<StorePath>,
    signal: AbortSignal | undefined,
  ) {
    this.#service = service;
    this.#signal = signal;
    this.#known = new Map(Array.from(others, (path) => [path.hashPart, path]));
  }

  /** The store path with a hash part. @throws STORE_FAILED and the reason of an abort */
  async find(hashPart: string): Promise<StorePath | undefined> {
    const known = this.#known.get(hashPart);
    if (known !== undefined) return known;
    if (this.#lookups >= LOOKUPS_BEFORE_LISTING) {
      this.#listing ??= this.#list();
      await this.#listing;
      return this.#known.get(hashPart);
    }
    this.#lookups += 1;
    return await orUnknown(async () => {
      const digest = parseHashPart(hashPart);
      const variants = this.#service.listVariants(digest, { signal: this.#signal });
      for await (const { storePath } of variants) return storePath;
      return undefined;
    });
  }

  async #list(): Promise<void> {
    await orUnknown(async () => {
      for await (const { storePath } of this.#service.list({ signal: this.#signal })) {
        this.#known.set(storePath.hashPart, storePath);
      }
    });
  }
}

/** A damaged record is about a path that nobody asked to audit. */
async function orUnknown<T>(action: () => Promise<T>): Promise<T | undefined> {
  try {
    return await action();
  } catch (error) {
    if (error instanceof NarthexError && error.code === 'STORE_INVALID') return undefined;
    throw error;
  }
}
