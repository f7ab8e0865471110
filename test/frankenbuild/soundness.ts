/**
 * What must be true of everything that is kept, whoever brought it in, in which order and how much at
 * the same time: said of each variant and finding alone, by looking at what the caches have.
 */
import type { Evidence } from '../../src/pathinfo/pathInfo.ts';
import type { KeptVariant, ModelState, WorldText } from './model.ts';
import { type CacheSpec, type PathAt, urlOf } from './scenario.ts';

/** Judges what is kept by what the caches have. */
export class Soundness {
  readonly #caches: readonly CacheSpec[];
  readonly #state: ModelState;

  constructor(caches: readonly CacheSpec[], state: ModelState) {
    this.#caches = caches;
    this.#state = state;
  }

  /** Everything that is wrong, in words. */
  complaints(): string[] {
    return [...this.#state.variants].flatMap(([world, variant]) => [
      ...this.#aboutEdges(world, variant),
      ...this.#aboutWhole(world, variant),
    ]);
  }

  /** Whether a cache has this world, all of it and verified. */
  isWorldOf(cache: CacheSpec, world: WorldText): boolean {
    const variant = this.#variant(world);
    if (!this.#hasOwn(cache, variant)) return false;
    return [...variant.references.values()].every((one) => this.isWorldOf(cache, one));
  }

  /** Whether a cache tells of another world, as far as it tells. */
  differsAt(cache: CacheSpec, world: WorldText): boolean {
    const variant = this.#variant(world);
    if (!isKnown(cache[variant.name])) return false;
    if (!this.#hasOwn(cache, variant)) return true;
    return [...variant.references.values()].some((one) => this.differsAt(cache, one));
  }

  /** Names of paths of the closure that are others in a cache. */
  othersAt(cache: CacheSpec, world: WorldText, found: Set<string> = new Set()): Set<string> {
    const variant = this.#variant(world);
    if (isKnown(cache[variant.name]) && !this.#hasOwn(cache, variant)) found.add(variant.name);
    for (const one of variant.references.values()) this.othersAt(cache, one, found);
    return found;
  }

  /** Store paths that a closure holds in two worlds. */
  twice(world: WorldText, seen: Map<string, WorldText> = new Map()): string[] {
    const { name, references } = this.#variant(world);
    const known = seen.get(name);
    if (known !== undefined) return known === world ? [] : [name];
    seen.set(name, world);
    return [...references.values()].flatMap((one) => this.twice(one, seen));
  }

  /** What is wrong with a finding. */
  aboutFinding(text: string, upstream: string): string[] {
    const [referrer = '', reference = '', differing = '', ...rest] = text.split(' ');
    const world = rest.join(' ');
    const cache = this.#caches.find((_, index) => urlOf(index) === upstream);
    if (cache === undefined) return [`nobody is ${upstream}`];
    if (!this.#state.variants.has(world)) return [`${world} is not kept`];
    const wrong: string[] = [];
    if (!this.differsAt(cache, world)) wrong.push(`${upstream} has ${world}, too`);
    if (!this.othersAt(cache, world).has(differing)) wrong.push(`${differing} does not differ`);
    if (referrer !== '-') {
      const variants = [...this.#state.variants.values()];
      const isThere = variants.some(
        (one) =>
          one.name === referrer &&
          one.references.get(reference) === world &&
          this.#hasOwn(cache, one),
      );
      if (!isThere) wrong.push(`no ${referrer} of ${upstream} stands on ${world}`);
    }
    return wrong.map((one) => `finding ${text}: ${one}`);
  }

  #aboutEdges(world: WorldText, variant: KeptVariant): string[] {
    return [...variant.evidence].flatMap(([name, evidence]) => {
      const below = variant.references.get(name);
      if (below === undefined) return [`${world}: evidence about ${name}, which is no reference`];
      const isTrue: Record<Evidence, () => boolean> = {
        unchecked: () => true,
        same: () =>
          this.#caches.some(
            (cache) => this.#hasOwn(cache, variant) && this.isWorldOf(cache, below),
          ),
        mixed: () =>
          this.#caches.some(
            (cache) => this.#hasOwn(cache, variant) && this.differsAt(cache, below),
          ),
      };
      return isTrue[evidence]() ? [] : [`${world}: ${name} is not ${evidence}`];
    });
  }

  /** Edges that are all the same are so in one and the same cache. */
  #aboutWhole(world: WorldText, { evidence }: KeptVariant): string[] {
    const marks = [...evidence.values()];
    if (marks.length === 0 || marks.some((mark) => mark !== 'same')) return [];
    const isSomewhere = this.#caches.some((cache) => this.isWorldOf(cache, world));
    return isSomewhere ? [] : [`${world}: all edges are the same, and nobody has it`];
  }

  #variant(world: WorldText): KeptVariant {
    const variant = this.#state.variants.get(world);
    if (variant === undefined) throw new Error(`${world} is not kept`);
    return variant;
  }

  #hasOwn(cache: CacheSpec, { name, content, self, references }: KeptVariant): boolean {
    const at = cache[name];
    if (at === undefined || !isKnown(at) || at.content !== content) return false;
    const named = [...references.keys(), ...(self ? [name] : [])].sort();
    return named.join() === [...at.references].sort().join();
  }
}

function isKnown(at: PathAt | undefined): boolean {
  return at?.status === 'ok' || at?.status === 'noNar';
}
