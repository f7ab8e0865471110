/** Divergences counted: how many paths, which packages, which caches could not be asked. */
import { parsePackageName } from '../diff/packageName.ts';
import type { NarthexError } from '../errors.ts';
import type { UnknownOutcome } from '../ingest/world.ts';
import type { Agreement, PathDivergence } from './divergence.ts';

/** A package by name, of any version. */
export interface PackageCount {
  readonly name: string;
  /** Paths that several caches have. */
  readonly compared: number;
  /** Of those, paths whose bytes are not the same everywhere. */
  readonly differing: number;
}

/** Of how many paths nothing is known at a cache, by reason. */
export interface SilenceCount extends Record<UnknownOutcome, number> {
  /** The first reason. */
  error: NarthexError | undefined;
}

/** Counts what it is given. */
export class DivergenceTally {
  paths = 0;
  readonly agreements: Record<Agreement, number> = {
    agree: 0,
    differ: 0,
    referencesDiffer: 0,
    alone: 0,
    nowhere: 0,
  };
  /** By URL of the cache. */
  readonly silent = new Map<string, SilenceCount>();
  readonly #packages = new Map<string, { compared: number; differing: number }>();

  /** @param caches URLs of all that are asked */
  constructor(caches: readonly string[]) {
    for (const url of caches) {
      this.silent.set(url, { absent: 0, unreachable: 0, unverified: 0, error: undefined });
    }
  }

  add({ agreement, silent, storePath }: PathDivergence): void {
    this.paths += 1;
    this.agreements[agreement] += 1;
    for (const { url, outcome, error } of silent) {
      const counts = this.silent.get(url);
      if (counts === undefined) continue;
      counts[outcome] += 1;
      counts.error ??= error;
    }
    if (storePath === undefined || agreement === 'alone' || agreement === 'nowhere') return;
    const { name } = parsePackageName(storePath.name);
    const counts = this.#packages.get(name) ?? { compared: 0, differing: 0 };
    counts.compared += 1;
    if (agreement === 'differ') counts.differing += 1;
    this.#packages.set(name, counts);
  }

  /** Packages with a path whose bytes differ, those with most of them first, then by name. */
  get notReproducible(): PackageCount[] {
    return [...this.#packages]
      .filter(([, { differing }]) => differing > 0)
      .map(([name, counts]) => ({ name, ...counts }))
      .sort((a, b) => b.differing - a.differing || (a.name < b.name ? -1 : 1));
  }

  /** Whether some cache says something else than another, or something that does not verify. */
  get hasFindings(): boolean {
    const { differ, referencesDiffer } = this.agreements;
    const unverified = this.silent.values().some((counts) => counts.unverified > 0);
    return differ + referencesDiffer > 0 || unverified;
  }

  /** Whether some cache could not be asked about some path. */
  get isIncomplete(): boolean {
    return this.silent.values().some(({ unreachable }) => unreachable > 0);
  }
}
