/**
 * Preferences under any history, held against the rule of src/pathinfo/preferVariant.ts as one would
 * follow it by hand: with recursion, and looking at every variant there is.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compareBytes } from '../../src/bytes.ts';
import { referencedVariants, type VariantKey } from '../../src/pathinfo/currentView.ts';
import type { PathInfo } from '../../src/pathinfo/pathInfo.ts';
import { itemsOf } from './collect.ts';
import { BY_KEY, BY_NOBODY, pathInfoOf } from './pathInfos.ts';
import type { OpenVariantService } from './variantContract.ts';

const NAMES = 5;
const PUTS = 18;
const PREFERENCES = 6;

interface Put {
  readonly name: number;
  readonly content: number;
  readonly verified: boolean;
  readonly mixed: boolean;
  /** For each other name: which of its variants so far, or none; taken modulo what there is. */
  readonly picks: readonly number[];
}

/** A put, or the wish that one of the variants so far be current. */
type Step = Put | { readonly prefer: number };

const anyPut: fc.Arbitrary<Put> = fc.record({
  name: fc.nat({ max: NAMES - 1 }),
  content: fc.nat({ max: 1 }),
  verified: fc.boolean(),
  mixed: fc.boolean(),
  picks: fc.array(fc.nat({ max: 5 }), { minLength: NAMES, maxLength: NAMES }),
});

const anyPreference = fc.record({ prefer: fc.nat({ max: 30 }) });

/** Enough puts for several worlds, then wishes with some more puts between them. */
const anySteps: fc.Arbitrary<Step[]> = fc
  .tuple(
    fc.array(anyPut, { minLength: PUTS, maxLength: PUTS }),
    fc.array(fc.oneof({ weight: 3, arbitrary: anyPreference }, anyPut), {
      minLength: PREFERENCES,
      maxLength: 2 * PREFERENCES,
    }),
  )
  .map(([puts, steps]) => [...puts, ...steps]);

/** Place → variant; places by base name. */
type View = ReadonlyMap<string, PathInfo>;

const idOf = ({ closureDigest }: Pick<VariantKey, 'closureDigest'>) => closureDigest.hex;
const placeOf = (variant: PathInfo) => variant.storePath.baseName;

class Model {
  readonly #variants = new Map<string, PathInfo>();

  get variants(): PathInfo[] {
    return [...this.#variants.values()];
  }

  keep(variant: PathInfo): void {
    this.#variants.set(idOf(variant), variant);
  }

  references(variant: PathInfo): PathInfo[] {
    return referencedVariants(variant).flatMap((key) => this.#variants.get(idOf(key)) ?? []);
  }

  /** With all it refers to, itself first. */
  closure(variant: PathInfo): Set<PathInfo> {
    const below = this.references(variant).flatMap((one) => [...this.closure(one)]);
    return new Set([variant, ...below]);
  }

  /** Puts a step's variant together. @param honest whether names never refer to each other in a circle */
  make(step: Put, honest: boolean): PathInfo {
    const references = step.picks.flatMap((pick, other) => {
      if (other === step.name || (honest && other > step.name)) return [];
      const choices = this.variants.filter((one) => one.storePath.name === `name-${other}`);
      return choices[pick % (choices.length + 1)] ?? [];
    });
    return pathInfoOf({
      name: `name-${step.name}`,
      content: `content-${step.content}`,
      references,
      verification: step.verified ? BY_KEY : BY_NOBODY,
      evidence: step.mixed ? 'mixed' : 'same',
    });
  }

  /** The view with a closure in it, or `undefined` where a place would have two variants. */
  with(view: View, variant: PathInfo): View | undefined {
    const changed = new Map(view);
    for (const member of this.closure(variant)) {
      const holder = changed.get(placeOf(member));
      if (holder !== undefined && holder !== member) return undefined;
      changed.set(placeOf(member), member);
    }
    return changed;
  }

  /** The places that must be held after a preference and by whom, or who is in its way. */
  prefer(before: View, wanted: PathInfo): { required: View } | { conflicts: string[] } {
    const closure = this.with(new Map(), wanted);
    if (closure === undefined) {
      const members = [...this.closure(wanted)];
      const isTwice = (one: PathInfo) =>
        members.some((other) => other !== one && placeOf(other) === placeOf(one));
      return { conflicts: [...new Set(members.filter(isTwice).map(placeOf))] };
    }
    const current = [...before.values()];
    const isReplaced = (one: PathInfo) => (closure.get(placeOf(one)) ?? one) !== one;
    const falling = current.filter((one) => [...this.closure(one)].some(isReplaced));
    const levelOf = (one: PathInfo): number => {
      const referrers = falling.filter((other) => this.references(other).includes(one));
      return Math.max(0, ...referrers.map((referrer) => levelOf(referrer) + 1));
    };
    const inOrder = falling.sort(
      (a, b) => levelOf(a) - levelOf(b) || compareBytes(a.storePath.digest, b.storePath.digest),
    );
    const stays = current.filter((one) => !falling.includes(one));
    let view: View = new Map([...stays.map((one) => [placeOf(one), one] as const), ...closure]);
    const conflicts: string[] = [];
    for (const fallen of inOrder) {
      if (view.has(placeOf(fallen))) continue;
      const follower = this.#ranked(placeOf(fallen)).find((one) => this.with(view, one));
      if (follower === undefined) conflicts.push(placeOf(fallen));
      else view = this.with(view, follower) ?? view;
    }
    return conflicts.length > 0 ? { conflicts } : { required: view };
  }

  #ranked(place: string): PathInfo[] {
    const rank = (one: PathInfo) =>
      (one.claim.verified ? 0 : 2) +
      ([...one.references.values()].some(({ evidence }) => evidence === 'mixed') ? 1 : 0);
    return this.variants
      .filter((one) => placeOf(one) === place)
      .sort(
        (a, b) => rank(a) - rank(b) || compareBytes(a.closureDigest.bytes, b.closureDigest.bytes),
      );
  }
}

const idsOf = (view: View) =>
  Object.fromEntries([...view].map(([place, one]) => [place, idOf(one)]));

async function runSteps(
  { service }: OpenVariantService,
  steps: readonly Step[],
  honest: boolean,
): Promise<void> {
  const model = new Model();
  const viewNow = async (): Promise<View> => {
    const kept = new Map(model.variants.map((one) => [idOf(one), one]));
    return new Map(
      (await itemsOf(service.list())).map((one) => [placeOf(one), kept.get(idOf(one)) ?? one]),
    );
  };
  for (const step of steps) {
    if (!('prefer' in step)) {
      model.keep(await service.put(model.make(step, honest)));
      continue;
    }
    const wanted = model.variants[step.prefer % model.variants.length];
    if (wanted === undefined) continue;
    const before = await viewNow();
    const expected = model.prefer(before, wanted);
    const result = await service.prefer(wanted.storePath.digest, wanted.closureDigest);
    const after = await viewNow();

    if (result.outcome === 'refused') {
      expect(idsOf(after), 'a refusal changes nothing').toEqual(idsOf(before));
      const places = result.conflicts.map((conflict) => {
        if (conflict.kind === 'missing') return 'nothing is missing here';
        const key = conflict.kind === 'referrer' ? conflict.referrer : conflict.variants[0];
        return model.variants.filter((one) => key && idOf(one) === idOf(key)).map(placeOf)[0];
      });
      expect({ conflicts: places.sort() }).toEqual(
        'conflicts' in expected ? { conflicts: expected.conflicts.sort() } : expected,
      );
      continue;
    }
    if ('conflicts' in expected) {
      expect.fail(`switched in spite of ${expected.conflicts}`);
    }
    expect(idsOf(after), 'every place that must be is held as the rule says').toMatchObject(
      idsOf(expected.required),
    );
    for (const place of before.keys()) expect(after.has(place), 'no place is lost').toBe(true);
    const holds = (one: PathInfo) => after.get(placeOf(one)) === one;
    for (const variant of model.variants) {
      const stands = model.references(variant).every(holds);
      if (holds(variant)) expect(stands, 'the view is coherent').toBe(true);
      else if (!after.has(placeOf(variant))) {
        expect(stands, 'no place is empty that could be filled').toBe(false);
      }
    }
    const changed = [...after].filter(([place, one]) => before.get(place) !== one);
    const told = result.switched.map(({ closureDigest, previous }) => [
      idOf({ closureDigest }),
      previous?.hex,
    ]);
    expect(told.sort(), 'what changed is told').toEqual(
      changed.map(([place, one]) => [idOf(one), before.get(place)?.closureDigest.hex]).sort(),
    );
  }
}

/** Runs the contract. */
export function preferenceContract(
  name: string,
  numRuns: number,
  open: () => Promise<OpenVariantService>,
): void {
  describe(`preferences of ${name}`, () => {
    test.each([
      ['honest', true],
      ['of names that refer to each other in circles', false],
    ] as const)('%s', async (_, honest) => {
      await fc.assert(
        fc.asyncProperty(anySteps, async (steps) => {
          await using opened = await open();
          await runSteps(opened, steps, honest);
        }),
        { numRuns },
      );
    });
  });
}
