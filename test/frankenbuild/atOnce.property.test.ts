/**
 * Ingests from caches that disagree, several at once and from several caches at a time. What comes of
 * it depends on who is first; what must be true of it does not.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { WalkResult } from '../../src/ingest/closureWalk.ts';
import type { Finding } from '../../src/pathinfo/finding.ts';
import { memoryServices, storeServices } from '../ingest/serviceHarness.ts';
import { ActualState, findingText, incoherent } from './actual.ts';
import { ingestStep } from './ingestStep.ts';
import { PausedPathInfoService } from './pausedPathInfos.ts';
import { anyScenario, type Scenario, type Step } from './scenario.ts';
import { Soundness } from './soundness.ts';

type Services = Awaited<ReturnType<typeof memoryServices>>;

/** Waits a few turns of the event loop, as many as come next in `turns`, over and over. */
function pauses(turns: readonly number[]): () => Promise<void> {
  let step = 0;
  return async () => {
    const wait = turns[step++ % turns.length] ?? 0;
    for (let i = 0; i < wait; i++) await new Promise((resolve) => setImmediate(resolve));
  };
}

/** Everything that must hold after `findings` were told. */
function expectSound(
  { caches }: Scenario,
  before: ActualState,
  after: ActualState,
  findings: readonly Finding[],
): void {
  expect(incoherent(after)).toEqual([]);
  // nothing that was kept is lost, and what was current stays
  for (const world of before.variants.keys()) expect([...after.variants.keys()]).toContain(world);
  for (const [name, world] of before.current) expect(after.current.get(name)).toBe(world);
  const soundness = new Soundness(caches, after);
  expect(soundness.complaints()).toEqual([]);
  for (const finding of findings) {
    const text = findingText(finding, after);
    expect(soundness.aboutFinding(text, finding.upstream)).toEqual([]);
  }
}

/** With `variant`, a root is what the first cache has that knows it, as far as that tells. */
function expectTheirWorlds(
  { caches }: Scenario,
  step: Step,
  results: readonly WalkResult[],
  after: ActualState,
): void {
  if (step.policy !== 'variant') return;
  const soundness = new Soundness(caches, after);
  for (const [i, result] of results.entries()) {
    const root = step.roots[i] ?? '';
    const cache = step.caches
      .map((index) => caches[index] ?? {})
      .find((spec) => ['ok', 'noNar'].includes(spec[root]?.status ?? ''));
    if (result.outcome !== 'kept' || cache === undefined) continue;
    const world = after.worldOf(result.pathInfo);
    expect(soundness.differsAt(cache, world)).toBe(false);
  }
}

async function check(
  scenario: Scenario,
  atOnce: number,
  turns: readonly number[],
  open: () => Promise<Services>,
): Promise<void> {
  await using services = await open();
  const { pathInfoService } = services;
  const names = Object.keys(scenario.caches[0] ?? {});
  const pause = pauses(turns);
  const paused = {
    ...services,
    pathInfoService: new PausedPathInfoService(pathInfoService, pause),
  };
  for (let i = 0; i < scenario.steps.length; i += atOnce) {
    const steps = scenario.steps.slice(i, i + atOnce);
    const before = await ActualState.read(pathInfoService, names);
    const ran = await Promise.all(
      steps.map((step) => ingestStep(paused, scenario, step, { pause })),
    );
    const after = await ActualState.read(pathInfoService, names);
    expectSound(
      scenario,
      before,
      after,
      ran.flatMap(({ told }) => told),
    );
    for (const [place, step] of steps.entries()) {
      expectTheirWorlds(scenario, step, ran[place]?.results ?? [], after);
    }
    if (atOnce > 1) continue;
    const soundness = new Soundness(scenario.caches, after);
    expect([...after.variants.keys()].flatMap((world) => soundness.twice(world))).toEqual([]);
  }
}

/** Mostly a few turns of the event loop, sometimes as many as a whole ingest takes. */
const anyTurns = fc.array(fc.oneof({ weight: 4, arbitrary: fc.nat(3) }, fc.constant(150)), {
  minLength: 1,
  maxLength: 30,
});

test.each([
  ['one after the other from both caches', 1, [[0, 1], [1, 0], [0]], 'many', memoryServices, 200],
  ['at once from one cache each', 3, [[0], [1]], 'few', memoryServices, 100],
  ['at once from one or both caches', 3, [[0], [1], [0, 1], [1, 0]], 'many', memoryServices, 100],
  ['at once, in the embedded store', 3, [[0], [1], [0, 1]], 'few', storeServices, 15],
] as const)('whatever is ingested %s: what is kept is sound', async (...row) => {
  const [, atOnce, cacheChoices, faults, open, numRuns] = row;
  const scenario = anyScenario({ maxPaths: 9, maxSteps: 6, cacheChoices, faults });
  await fc.assert(
    fc.asyncProperty(scenario, anyTurns, (example, turns) => check(example, atOnce, turns, open)),
    { numRuns },
  );
});

test('what is brought in from two caches without looking is brought in with looking, too', async () => {
  const scenario = anyScenario({
    maxPaths: 9,
    maxSteps: 1,
    cacheChoices: [
      [0, 1],
      [1, 0],
    ],
    faults: 'manyGaps',
    policies: ['report', 'variant'],
  });
  const check = async ({ caches: [one = {}, other = {}], steps: [step] }: Scenario) => {
    if (step === undefined) throw new Error('there is one step');
    // what one cache refers to and nobody has, the other one may do without
    const alike = Object.entries(other).map(([name, at]) => {
      return [name, { ...at, references: one[name]?.references ?? [] }] as const;
    });
    const caches = [one, Object.fromEntries(alike)];
    const outcomes = await Promise.all(
      [{ ...step, policy: 'off' } as const, step].map(async (asStep) => {
        await using services = await memoryServices();
        const { results } = await ingestStep(services, { caches }, asStep);
        return results.map(({ outcome }) => outcome);
      }),
    );
    expect(outcomes[1]).toEqual(outcomes[0]);
  };
  await fc.assert(fc.asyncProperty(scenario, check), { numRuns: 300 });
});

test('what is ingested at once under policies that look: no closure holds a store path twice', async () => {
  const scenario = anyScenario({
    maxPaths: 7,
    maxSteps: 6,
    cacheChoices: [[0], [1]],
    faults: 'none',
    policies: ['report', 'reject', 'variant'],
  });
  const check = async ({ caches, steps }: Scenario, turns: readonly number[]) => {
    await using services = await memoryServices();
    const pause = pauses(turns);
    const pathInfoService = new PausedPathInfoService(services.pathInfoService, pause);
    const paused = { ...services, pathInfoService };
    await Promise.all(steps.map((step) => ingestStep(paused, { caches }, step, { pause })));
    const names = Object.keys(caches[0] ?? {});
    const after = await ActualState.read(services.pathInfoService, names);
    const soundness = new Soundness(caches, after);
    expect([...after.variants.keys()].flatMap((world) => soundness.twice(world))).toEqual([]);
  };
  await fc.assert(fc.asyncProperty(scenario, anyTurns, check), { numRuns: 400 });
});
