/**
 * The current view under any sequence of puts, held against the rule as one would check it by hand:
 * look at every variant there is.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { referencedVariants } from '../../src/pathinfo/currentView.ts';
import type { PathInfo } from '../../src/pathinfo/pathInfo.ts';
import { itemsOf } from './collect.ts';
import type { OpenPathInfoService } from './pathInfoServiceContract.ts';
import { BY_KEY, BY_NOBODY, pathInfoOf } from './pathInfos.ts';

/** One put: which name, in which world, and what it picks of what is there to refer to. */
interface Step {
  readonly name: number;
  readonly content: number;
  readonly verified: boolean;
  /** For each other name: which of its variants so far, or none. */
  readonly picks: readonly number[];
}

const NAMES = 5;

const anyStep: fc.Arbitrary<Step> = fc.record({
  name: fc.nat({ max: NAMES - 1 }),
  content: fc.nat({ max: 2 }),
  verified: fc.boolean(),
  picks: fc.array(fc.nat({ max: 5 }), { minLength: NAMES, maxLength: NAMES }),
});

const keyOf = ({ storePath, closureDigest }: PathInfo) => storePath.baseName + closureDigest.hex;

/** Every variant that was put, by key, as the service keeps it now. */
class Model {
  readonly variants = new Map<string, PathInfo>();

  ofName(name: number): PathInfo[] {
    return [...this.variants.values()].filter((v) => v.storePath.name === `name-${name}`);
  }

  /** The PathInfo of a step. @param honest whether names never refer to each other in a circle */
  make({ name, content, verified, picks }: Step, honest: boolean): PathInfo {
    const references = picks.flatMap((pick, other) => {
      if (other === name || (honest && other > name)) return [];
      return this.ofName(other)[pick] ?? [];
    });
    return pathInfoOf({
      name: `name-${name}`,
      content: `content-${content}`,
      references,
      verification: verified ? BY_KEY : BY_NOBODY,
    });
  }
}

async function currentView(
  service: OpenPathInfoService['service'],
): Promise<Map<string, PathInfo>> {
  const view = new Map<string, PathInfo>();
  for (const pathInfo of await itemsOf(service.list())) {
    view.set(pathInfo.storePath.baseName, pathInfo);
  }
  return view;
}

async function runSteps(
  { service }: OpenPathInfoService,
  steps: readonly Step[],
  honest: boolean,
): Promise<void> {
  const model = new Model();
  let before = new Map<string, PathInfo>();
  for (const step of steps) {
    const pathInfo = model.make(step, honest);
    model.variants.set(keyOf(pathInfo), await service.put(pathInfo));
    const view = await currentView(service);
    const isCurrent = (key: string) => [...view.values()].some((v) => keyOf(v) === key);
    const stands = (v: PathInfo) =>
      referencedVariants(v).every(({ closureDigest }) =>
        [...view.values()].some((current) => current.closureDigest.equals(closureDigest)),
      );
    for (const variant of model.variants.values()) {
      const { storePath, closureDigest, claim } = variant;
      const kept = await service.getVariant(storePath.digest, closureDigest);
      expect(kept?.claim.verified, 'nothing is lost').toBe(claim.verified);
      if (isCurrent(keyOf(variant))) {
        expect(stands(variant), 'what is current stands on what is current').toBe(true);
        continue;
      }
      if (!stands(variant)) continue;
      const holder = view.get(storePath.baseName);
      expect(holder, 'no place is empty that could be filled').toBeDefined();
      if (honest && claim.verified) {
        expect(holder?.claim.verified, 'verified beats unverified').toBe(true);
      }
    }
    for (const [name, previous] of before) {
      const holder = view.get(name);
      if (!honest || holder === undefined || holder.sameVariant(previous) || !stands(previous))
        continue;
      const better = !previous.claim.verified && holder.claim.verified;
      expect(better, 'otherwise the first stays').toBe(true);
    }
    before = view;
  }
}

/** Runs the contract. */
export function currentViewContract(
  name: string,
  numRuns: number,
  open: () => Promise<OpenPathInfoService>,
): void {
  describe(`the current view of ${name}`, () => {
    test.each([
      ['honest', true],
      ['of names that refer to each other in circles', false],
    ] as const)('%s', async (_, honest) => {
      await fc.assert(
        fc.asyncProperty(fc.array(anyStep, { maxLength: 25 }), async (steps) => {
          await using opened = await open();
          await runSteps(opened, steps, honest);
        }),
        { numRuns },
      );
    });

    test('a variant does not take the place of what it stands on', async () => {
      await using opened = await open();
      const { service } = opened;
      const ground = pathInfoOf({ name: 'd', content: 'ground', verification: BY_NOBODY });
      const between = pathInfoOf({ name: 'x', references: [ground] });
      const usurper = pathInfoOf({ name: 'd', content: 'usurper', references: [between] });
      await service.putAll([ground, between, usurper]);
      expect((await service.get(ground.storePath.digest))?.sameVariant(ground)).toBe(true);
      expect((await service.get(between.storePath.digest))?.sameVariant(between)).toBe(true);
    });

    test('ends where each of three would replace the next', async () => {
      await using opened = await open();
      const { service } = opened;
      const grounds = ['a', 'b', 'c'].map((letter) =>
        pathInfoOf({ name: letter, content: 'ground', verification: BY_NOBODY }),
      );
      await service.putAll(grounds);
      for (const [index, letter] of ['a', 'b', 'c'].entries()) {
        const next = grounds[(index + 1) % grounds.length];
        await service.put(
          pathInfoOf({
            name: letter,
            content: 'above',
            references: next === undefined ? [] : [next],
          }),
        );
      }
      expect(await itemsOf(service.list())).toHaveLength(3);
    });
  });
}
