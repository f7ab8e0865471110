/** Two processes that bring the same store paths from caches that disagree into one store, at once. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { FrankenbuildPolicy } from '../../src/ingest/frankenbuild.ts';
import { Store } from '../../src/store/store.ts';
import { temporaryDirectory } from '../support/temporaryDirectory.ts';
import { ActualState, findingText, incoherent } from './actual.ts';
import { anyScenario, type CacheSpec, type Scenario, type Step } from './scenario.ts';
import { Soundness } from './soundness.ts';

const PROCESS = new URL('./ingestProcess.ts', import.meta.url).pathname;

type Ingester = ChildProcessByStdio<Writable, Readable, null>;

function start(directory: string, caches: readonly CacheSpec[], step: Step) {
  const args = [PROCESS, directory, JSON.stringify(caches), JSON.stringify(step)];
  const process_: Ingester = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: process_.stdout })[Symbol.asyncIterator]();
  return {
    line: async () => (await lines.next()).value,
    go: () => process_.stdin.end('go\n'),
    exited: once(process_, 'exit'),
  };
}

/** The first step alone, then the two next ones at once, each in a process. */
async function check({ caches, steps }: Scenario, policies: readonly FrankenbuildPolicy[]) {
  await using directory = await temporaryDirectory('frankenbuild');
  const roots = ['p0'];
  const atOnce = policies.map((policy, cache): Step => {
    return { caches: [cache], policy, roots, allowUnknown: false };
  });
  for (const round of [steps.slice(0, 1), atOnce, atOnce]) {
    const ingesters = round.map((step) => start(directory.path, caches, step));
    for (const one of ingesters) expect(await one.line()).toBe('ready');
    for (const one of ingesters) one.go();
    const outcomes = await Promise.all(ingesters.map(({ line }) => line()));
    for (const { exited } of ingesters) expect((await exited)[0]).toBe(0);
    await expectSound(directory.path, caches);
    if (round !== atOnce) continue;
    for (const [i, policy] of policies.entries()) {
      // whoever is second may refuse; nothing else goes wrong
      const allowed = ['["kept"]', ...(policy === 'reject' ? ['["FRANKENBUILD_REJECTED"]'] : [])];
      expect(allowed).toContain(outcomes[i]);
    }
  }
}

async function expectSound(directory: string, caches: readonly CacheSpec[]): Promise<void> {
  await using store = await Store.open(directory, { readOnly: true });
  const state = await ActualState.read(store.pathInfos, Object.keys(caches[0] ?? {}));
  const soundness = new Soundness(caches, state);
  expect(incoherent(state)).toEqual([]);
  expect(soundness.complaints()).toEqual([]);
  for await (const finding of store.findings.listFindings()) {
    expect(soundness.aboutFinding(findingText(finding, state), finding.upstream)).toEqual([]);
  }
}

test.each([
  ['report', 'report'],
  ['variant', 'variant'],
  ['variant', 'report'],
  ['reject', 'report'],
  ['off', 'variant'],
] as const)('two processes at once, one with %s and one with %s', async (...policies) => {
  const scenario = anyScenario({
    maxPaths: 9,
    maxSteps: 1,
    cacheChoices: [[0], [1]],
    faults: 'none',
  });
  await fc.assert(
    fc.asyncProperty(scenario, (example) => check(example, policies)),
    { numRuns: 2, endOnFailure: true },
  );
});
