/** Ingests from two caches that disagree, one after the other, held against the model. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { memoryServices, type Services, storeServices } from '../ingest/serviceHarness.ts';
import { ActualState, findingText, incoherent, plainState } from './actual.ts';
import { ingestStep, outcomeOf } from './ingestStep.ts';
import { EMPTY_STATE, type ModelState, modelIngest } from './model.ts';
import { anyScenario, type Scenario, urlOf } from './scenario.ts';
import { Soundness } from './soundness.ts';

async function check(scenario: Scenario, open: () => Promise<Services>): Promise<void> {
  await using services = await open();
  const remembersNars = services.contentByNarHash !== undefined;
  const names = Object.keys(scenario.caches[0] ?? {});
  let model: ModelState = EMPTY_STATE;
  /** NARs that may have come in, and so are known, even of paths that failed: how far those got is a matter of time. */
  const offered = new Set<string>();
  for (const step of scenario.steps) {
    const cache = scenario.caches[step.caches[0] ?? 0] ?? {};
    const specs = Object.entries(cache).map(([name, at]) => ({
      ...at,
      id: `${name} ${at.content}`,
    }));
    const kept = [...model.variants.values()].map(({ name, content }) => `${name} ${content}`);
    const isUncertain = ({ status, id }: { status: string; id: string }) =>
      status === 'noNar' && offered.has(id) && !kept.includes(id);
    fc.pre(!remembersNars || !specs.some(isUncertain));
    for (const { status, id } of specs) if (status === 'ok') offered.add(id);
    // each twice: what is here already is no other
    for (const time of ['first', 'second']) {
      const ran = await ingestStep(services, scenario, step);
      const expected = modelIngest(cache, step, model, remembersNars);
      const actual = await ActualState.read(services.pathInfoService, names);
      const outcomes = step.roots.map((_, i) => outcomeOf(ran.results[i], actual));
      expect(outcomes).toEqual(step.roots.map((root) => expected.outcomes.get(root)));
      expect(plainState(actual)).toEqual(plainState(expected.state));
      expect(incoherent(actual)).toEqual([]);
      expect(new Soundness(scenario.caches, actual).complaints()).toEqual([]);
      expect(ran.told.map((one) => findingText(one, actual)).sort()).toEqual(expected.findings);
      expect(ran.recorded).toEqual(ran.told);
      for (const { upstream } of ran.told) expect(upstream).toBe(urlOf(step.caches[0] ?? 0));
      const complete = ran.results.every(({ outcome }) => outcome === 'kept');
      if (complete && time === 'second') expect(ran.narsAsked).toBe(0);
      model = expected.state;
    }
  }
}

test.each([
  ['that only differ', 'none', memoryServices, 200],
  ['that also lack things, lie and fail', 'few', memoryServices, 500],
  ['that also lack things, lie and fail, in the embedded store', 'many', storeServices, 30],
] as const)(
  'after ingests from two caches %s, under any policies and in any order, all is as it should be',
  async (_, faults, open, numRuns) => {
    const scenario = anyScenario({
      maxPaths: 9,
      maxSteps: 6,
      cacheChoices: [[0], [1]],
      faults,
    });
    await fc.assert(
      fc.asyncProperty(scenario, (example) => check(example, open)),
      { numRuns },
    );
  },
);
