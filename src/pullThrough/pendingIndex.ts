/** Paths that are being brought in with their closures, and are not kept yet. */
import type { Hash } from '../hash.ts';
import type { UpstreamNarInfo } from '../ingest/upstreamIngest.ts';
import { Claim } from '../pathinfo/claim.ts';
import { WeightedLru } from '../weightedLru.ts';
import type { NarInTransit } from './narInTransit.ts';

/** A path whose narinfo holds, and whose closure is on its way or waits for its turn. */
export class PendingPath {
  readonly found: UpstreamNarInfo;
  readonly nar: NarInTransit;
  /** How many closures that contain it are waited for or under way; with the last one it stops pending. */
  closures = 0;

  constructor(found: UpstreamNarInfo, nar: NarInTransit) {
    this.found = found;
    this.nar = nar;
  }

  /** Its store path without the folder. */
  get baseName(): string {
    return this.found.narInfo.storePath.baseName;
  }

  /** What is said about it. */
  get claim(): Claim {
    return claimOf(this.found);
  }
}

/** A verified narinfo as a claim. */
export function claimOf({ narInfo, verification, origin }: UpstreamNarInfo): Claim {
  return new Claim({ ...narInfo, verification, origin });
}

/** So many paths that were kept last are remembered; a few KB of memory each. */
const RECENTLY_KEPT = 2048;

/** The pending paths, by hash part and by NarHash. */
export class PendingIndex {
  readonly #byHashPart = new Map<string, PendingPath>();
  readonly #byNarHash = new Map<string, Set<PendingPath>>();
  readonly #kept = new WeightedLru<PendingPath>(RECENTLY_KEPT, () => 1);

  /** How many there are. */
  get size(): number {
    return this.#byHashPart.size;
  }

  find(hashPart: string): PendingPath | undefined {
    return this.#byHashPart.get(hashPart);
  }

  /**
   * One that was pending a moment ago and is kept: whoever looked there before that, and comes here only
   * now, has no need to ask for it again.
   */
  findKept(hashPart: string): PendingPath | undefined {
    return this.#kept.get(hashPart);
  }

  /** It is kept, and not pending any more. */
  keep(path: PendingPath): void {
    this.delete(path);
    this.#kept.set(path.found.narInfo.storePath.hashPart, path);
  }

  /** One with this NAR; one whose NAR is on its way already before others. */
  withNar(narHash: Hash): PendingPath | undefined {
    const paths = [...(this.#byNarHash.get(narHash.toString()) ?? [])];
    return paths.find(({ nar }) => nar.hasBegun) ?? paths[0];
  }

  add(path: PendingPath): void {
    const { storePath, narHash } = path.found.narInfo;
    this.#byHashPart.set(storePath.hashPart, path);
    const key = narHash.toString();
    const same = this.#byNarHash.get(key);
    if (same === undefined) this.#byNarHash.set(key, new Set([path]));
    else same.add(path);
  }

  /** Does nothing where it is not pending. */
  delete(path: PendingPath): void {
    const { storePath, narHash } = path.found.narInfo;
    if (this.#byHashPart.get(storePath.hashPart) !== path) return;
    this.#byHashPart.delete(storePath.hashPart);
    const key = narHash.toString();
    const same = this.#byNarHash.get(key);
    same?.delete(path);
    if (same?.size === 0) this.#byNarHash.delete(key);
  }
}
