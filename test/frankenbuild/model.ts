/**
 * What is kept after an ingest, worked out by brute force from what the policies promise (not from
 * the code): whole worlds as values, compared by looking at all of them.
 */
import type { Evidence } from '../../src/pathinfo/pathInfo.ts';
import { baseNameOf, type CacheSpec, type PathAt, type Step } from './scenario.ts';

/** One world of a path. Equal worlds are equal texts. */
export type WorldText = string;

/** A path with its whole closure. */
export interface ModelVariant {
  readonly name: string;
  readonly content: string;
  readonly self: boolean;
  /** Without itself. */
  readonly references: ReadonlyMap<string, WorldText>;
}

/** What is kept of a variant besides what it is. */
export interface KeptVariant extends ModelVariant {
  readonly evidence: ReadonlyMap<string, Evidence>;
}

/** Everything that is kept. */
export interface ModelState {
  readonly variants: ReadonlyMap<WorldText, KeptVariant>;
  readonly current: ReadonlyMap<string, WorldText>;
}

/** What becomes of an ingest. */
export interface ModelResult {
  readonly state: ModelState;
  /** By root: the world that is kept, or how it ended. */
  readonly outcomes: ReadonlyMap<string, { kept: WorldText } | 'absent' | 'rejected' | 'failed'>;
  /** `referrer reference differing world`, sorted. */
  readonly findings: readonly string[];
}

export const EMPTY_STATE: ModelState = { variants: new Map(), current: new Map() };

/** The text of a world. */
export function textOf({ name, content, self, references }: ModelVariant): WorldText {
  const below = [...references].sort(([a], [b]) => (a < b ? -1 : 1));
  return `${name}:${content}${self ? '*' : ''}(${below.map(([, world]) => world).join(' ')})`;
}

type Outcome = 'same' | 'absent' | 'unreachable' | 'unverified' | 'differs';
const WORST_FIRST: readonly Outcome[] = ['differs', 'unverified', 'unreachable', 'absent', 'same'];

/** Evidence that two looks at the same variant give together. */
export function unitedEvidence(
  one: ReadonlyMap<string, Evidence>,
  other: ReadonlyMap<string, Evidence>,
): ReadonlyMap<string, Evidence> {
  const isSame = (evidence: ReadonlyMap<string, Evidence>) =>
    [...evidence.values()].every((mark) => mark === 'same');
  if (isSame(one)) return one;
  if (isSame(other)) return other;
  const united = new Map(
    [...one].map(([name, mark]) => [name, mark === 'unchecked' ? (other.get(name) ?? mark) : mark]),
  );
  return isSame(united) ? one : united;
}

/** An ingest from one cache. */
class ModelIngest {
  readonly cache: CacheSpec;
  readonly step: Step;
  readonly before: ModelState;
  /** Whether a NAR that was unpacked once need not be fetched again. */
  readonly remembersNars: boolean;
  readonly kept = new Map<WorldText, KeptVariant>();
  readonly made: WorldText[] = [];

  constructor(cache: CacheSpec, step: Step, before: ModelState, remembersNars: boolean) {
    this.cache = cache;
    this.step = step;
    this.before = before;
    this.remembersNars = remembersNars;
    for (const [world, variant] of before.variants) this.kept.set(world, variant);
  }

  at(name: string): PathAt {
    return this.cache[name] ?? { status: 'absent', content: '', references: [] };
  }

  isKnown(name: string): boolean {
    return ['ok', 'noNar'].includes(this.at(name).status);
  }

  /** In the order of the narinfo. */
  below(name: string): string[] {
    const others = this.at(name).references.filter((one) => one !== name);
    return others.sort((a, b) => (baseNameOf(a) < baseNameOf(b) ? -1 : 1));
  }

  ours(name: string): KeptVariant | undefined {
    const world = this.before.current.get(name);
    return world === undefined ? undefined : this.before.variants.get(world);
  }

  /** All paths of the cache's world above which the roots are, as far as it tells. */
  world(): string[] {
    const seen = new Set(this.step.roots.filter((root) => this.isKnown(root)));
    for (const name of seen)
      if (this.isKnown(name)) for (const one of this.below(name)) seen.add(one);
    return [...seen];
  }

  isOwnSame(name: string, variant: ModelVariant): boolean {
    const { content, references } = this.at(name);
    const named = [...variant.references.keys(), ...(variant.self ? [name] : [])].sort();
    return content === variant.content && named.join() === [...references].sort().join();
  }

  readonly #compared = new Map<string, Outcome>();

  compare(name: string): Outcome {
    const known = this.#compared.get(name) ?? this.#compare(name);
    this.#compared.set(name, known);
    return known;
  }

  #compare(name: string): Outcome {
    const { status } = this.at(name);
    if (status !== 'ok' && status !== 'noNar') return status;
    const ours = this.ours(name);
    if (ours !== undefined && !this.isOwnSame(name, ours)) return 'differs';
    const outcomes = this.below(name).map((one) => this.compare(one));
    return WORST_FIRST.find((outcome) => outcomes.includes(outcome)) ?? 'same';
  }

  isWhole(name: string): boolean {
    return this.isKnown(name) && this.below(name).every((one) => this.isWhole(one));
  }

  isRefused(outcome: Outcome): boolean {
    if (outcome === 'same') return false;
    return !(this.step.allowUnknown && (outcome === 'absent' || outcome === 'unreachable'));
  }

  canHaveContent(name: string): boolean {
    const { status, content } = this.at(name);
    if (status === 'ok') return true;
    const known = [...this.before.variants.values()];
    const isKnown = known.some((one) => one.name === name && one.content === content);
    return status === 'noNar' && this.remembersNars && isKnown;
  }

  keep(variant: ModelVariant, evidence: ReadonlyMap<string, Evidence>): WorldText {
    const world = textOf(variant);
    const known = this.kept.get(world);
    if (known === undefined) this.made.push(world);
    const united = known === undefined ? evidence : unitedEvidence(known.evidence, evidence);
    this.kept.set(world, { ...variant, evidence: united });
    return world;
  }

  /** The world that a path is used in; memory for what was worked out already. */
  readonly used = new Map<string, WorldText | undefined>();

  use(name: string): WorldText | undefined {
    if (!this.used.has(name)) this.used.set(name, this.bringIn(name));
    return this.used.get(name);
  }

  /** Also where something is wrong with a reference, those beside it are brought in. */
  bringIn(name: string): WorldText | undefined {
    const { policy, roots } = this.step;
    if (policy === 'variant') return this.bringVariant(name);
    const ours = this.ours(name);
    if (policy === 'reject' && roots.includes(name) && this.isRefused(this.compare(name))) {
      return undefined;
    }
    if (ours !== undefined) return textOf(ours);
    if (!this.isKnown(name)) return undefined;
    const below = this.below(name);
    if (policy === 'reject' && below.some((one) => this.isRefused(this.compare(one)))) {
      return undefined;
    }
    const worlds = below.map((one) => [one, this.use(one)] as const);
    const references = new Map<string, WorldText>();
    for (const [one, world] of worlds) if (world !== undefined) references.set(one, world);
    if (references.size < below.length || !this.canHaveContent(name)) return undefined;
    const evidence = below.map((one): [string, Evidence] => {
      const outcome = this.compare(one);
      if (policy === 'off') return [one, 'unchecked'];
      return [one, outcome === 'same' ? 'same' : outcome === 'differs' ? 'mixed' : 'unchecked'];
    });
    const { content, references: named } = this.at(name);
    const variant = { name, content, self: named.includes(name), references };
    return this.keep(variant, new Map(evidence));
  }

  bringVariant(name: string): WorldText | undefined {
    if (!this.isKnown(name)) {
      const ours = this.ours(name);
      return ours && this.standIn(ours);
    }
    const below = this.below(name);
    const worlds = below.map((one) => [one, this.use(one)] as const);
    const references = new Map<string, WorldText>();
    for (const [one, world] of worlds) if (world !== undefined) references.set(one, world);
    if (references.size < below.length) return undefined;
    const { content, references: named } = this.at(name);
    const variant = { name, content, self: named.includes(name), references };
    if (!this.kept.has(textOf(variant)) && !this.canHaveContent(name)) return undefined;
    const marks = below.map((one): [string, Evidence] => [
      one,
      this.isWhole(one) ? 'same' : 'unchecked',
    ]);
    return this.keep(variant, new Map(marks));
  }

  /** Ours, above what the cache means where it tells of it. */
  standIn(ours: ModelVariant): WorldText | undefined {
    const world = new Set(this.world());
    const worlds = [...ours.references].map(([name, below]) => {
      const variant = this.before.variants.get(below);
      if (variant === undefined) throw new Error('what is referred to is kept');
      const isMeant = world.has(name) && this.isKnown(name);
      return [name, isMeant ? this.use(name) : this.standIn(variant)] as const;
    });
    const references = new Map<string, WorldText>();
    for (const [name, one] of worlds) if (one !== undefined) references.set(name, one);
    if (references.size < worlds.length) return undefined;
    const unchecked = [...references.keys()].map((name): [string, Evidence] => [name, 'unchecked']);
    return this.keep({ ...ours, references }, new Map(unchecked));
  }

  /** What is here of a path after the walk and was used, or would be. */
  here(name: string): WorldText | undefined {
    const used = this.used.get(name);
    return this.step.policy === 'variant' ? used : (used ?? this.before.current.get(name));
  }

  confirm(): void {
    for (const name of this.world()) {
      const world = this.here(name);
      const variant = world === undefined ? undefined : this.kept.get(world);
      if (variant === undefined || !this.isKnown(name) || !this.isOwnSame(name, variant)) continue;
      const marks = [...variant.references.keys()].map((one): [string, Evidence] => {
        const isVariant = this.step.policy === 'variant';
        const same = isVariant ? this.isWhole(one) : this.compare(one) === 'same';
        return [one, same ? 'same' : 'unchecked'];
      });
      this.keep(variant, new Map(marks));
    }
  }

  findings(): string[] {
    const found: string[] = [];
    const add = (referrer: string, reference: string) => {
      const world = this.here(reference);
      if (this.compare(reference) !== 'differs' || world === undefined) return;
      found.push(`${referrer} ${reference} ${this.differing(reference)} ${world}`);
    };
    for (const name of this.world()) {
      const world = this.here(name);
      const variant = world === undefined ? undefined : this.kept.get(world);
      if (!this.isKnown(name) || variant === undefined) continue;
      if (this.isOwnSame(name, variant)) for (const one of this.below(name)) add(name, one);
      else if (this.step.roots.includes(name)) add('-', name);
    }
    return found.sort();
  }

  /** The first path found, references in their order, whose own bytes or names differ. */
  differing(name: string): string {
    const ours = this.ours(name);
    if (ours !== undefined && !this.isOwnSame(name, ours)) return name;
    const below = this.below(name).find((one) => this.compare(one) === 'differs');
    return below === undefined ? name : this.differing(below);
  }

  outcome(root: string): { kept: WorldText } | 'absent' | 'rejected' | 'failed' {
    const { policy } = this.step;
    const { status } = this.at(root);
    const ours = this.ours(root);
    if (!this.isKnown(root)) {
      if (ours === undefined) return status === 'absent' ? 'absent' : 'failed';
      const outcome = this.compare(root);
      if (policy === 'reject' && this.isRefused(outcome)) return 'rejected';
      return { kept: textOf(ours) };
    }
    if (policy === 'reject' && this.isRefused(this.compare(root))) return 'rejected';
    const world = this.use(root);
    return world === undefined ? 'failed' : { kept: world };
  }
}

/** What an ingest from one cache leads to. All that is kept counts as verified. */
export function modelIngest(
  cache: CacheSpec,
  step: Step,
  before: ModelState,
  remembersNars: boolean,
): ModelResult {
  const ingest = new ModelIngest(cache, step, before, remembersNars);
  const outcomes = new Map(step.roots.map((root) => [root, ingest.outcome(root)]));
  const findings = step.policy === 'report' ? ingest.findings() : [];
  if (step.policy !== 'off') ingest.confirm();
  const current = new Map(before.current);
  for (const world of ingest.made) {
    const variant = ingest.kept.get(world);
    if (variant === undefined || current.has(variant.name)) continue;
    const below = [...variant.references];
    if (below.every(([name, one]) => current.get(name) === one)) current.set(variant.name, world);
  }
  return { state: { variants: ingest.kept, current }, outcomes, findings };
}
