/** What an audit says of upstreams: path by path, and about whole closures. */
import { describe, expect, test } from 'vitest';
import type { Witness } from '../../src/audit/witness.ts';
import { openWitnesses } from '../../src/composition/openWitnesses.ts';
import { MemoryPathInfoService } from '../../src/pathinfo/memoryPathInfoService.ts';
import { deadUrl } from '../ingest/serviceHarness.ts';
import { memoryServices as memoryContents } from '../render/castoreTree.ts';
import { testKey } from '../support/signingKey.ts';
import { serveStatic } from '../support/staticCache.ts';
import {
  type SyntheticCache,
  type SyntheticPath,
  syntheticCache,
  TEST_KEY,
} from '../support/syntheticCache.ts';
import { file } from '../support/syntheticTree.ts';
import { auditOf, deadWitness, said, TRUSTED_KEYS, witnessOf } from './auditHarness.ts';
import { keepWorld, keptPath, worlds } from './keptWorlds.ts';

const memory = () => ({ ...memoryContents(), pathInfoService: new MemoryPathInfoService() });
const OTHER_KEY = testKey('other-1');
const uncompressed = (paths: readonly SyntheticPath[]) =>
  syntheticCache(paths, { compression: 'none' });

async function auditTop(kept: SyntheticCache, witnesses: readonly Witness[]) {
  const services = memory();
  const world = await keepWorld(services, kept.files);
  return said(await auditOf(services, [keptPath(world, 'top')], { witnesses }));
}

const ALL_SAME = { top: 'same', refers: 'same', embeds: 'same', dep: 'same', base: 'same' };

describe('a closure against upstreams', () => {
  test('one that has it as it is', async () => {
    const { a } = await worlds();
    expect(await auditTop(a, [witnessOf('https://a', a.files)])).toEqual({
      outcome: 'clean',
      paths: [ALL_SAME],
      closures: [{ verdicts: ['same'], agreed: true, mixed: false }],
    });
  });

  test('mixed from two: no upstream agrees, though each path is as one of them has it', async () => {
    const { a, b, mixed } = await worlds();
    const witnesses = [witnessOf('https://a', a.files), witnessOf('https://b', b.files)];
    expect(await auditTop(mixed, witnesses)).toEqual({
      outcome: 'findings',
      paths: [
        { ...ALL_SAME, dep: 'differs' },
        { ...ALL_SAME, embeds: 'differs' },
      ],
      closures: [{ verdicts: ['differs: dep', 'differs: embeds'], agreed: false, mixed: true }],
    });
  });

  test('one agrees and the other does not: agreed, not mixed, and a finding', async () => {
    const { a, b } = await worlds();
    const witnesses = [witnessOf('https://b', b.files), witnessOf('https://a', a.files)];
    expect(await auditTop(a, witnesses)).toMatchObject({
      outcome: 'findings',
      closures: [{ verdicts: ['differs: embeds', 'same'], agreed: true, mixed: false }],
    });
  });

  test('nobody has a path as it is here: not mixed from those that were asked', async () => {
    const { a, b } = await worlds();
    const report = await auditTop(a, [witnessOf('https://b', b.files)]);
    expect(report).toMatchObject({ closures: [{ agreed: false, mixed: false }] });
  });

  test('what an upstream no longer has', async () => {
    const { a } = await worlds();
    const files = new Map(a.files);
    files.delete(a.path('base').narinfoFile);
    expect(await auditTop(a, [witnessOf('https://a', files)])).toEqual({
      outcome: 'clean',
      paths: [{ ...ALL_SAME, base: 'absent' }],
      closures: [{ verdicts: ['absent: base'], agreed: false, mixed: false }],
    });
    // the paths below are compared even so
    files.delete(a.path('top').narinfoFile);
    expect(await auditTop(a, [witnessOf('https://a', files)])).toMatchObject({
      paths: [{ ...ALL_SAME, base: 'absent', top: 'absent' }],
      closures: [{ verdicts: ['absent: top'] }],
    });
  });

  test('other references under the same bytes: the upstream has a world beyond ours', async () => {
    const tree = file('the same bytes');
    const ours = await uncompressed([{ name: 'top', tree }]);
    const theirs = await uncompressed([
      { name: 'more' },
      { name: 'top', tree, references: ['more'] },
    ]);
    expect(await auditTop(ours, [witnessOf('https://theirs', theirs.files)])).toEqual({
      outcome: 'findings',
      paths: [{ top: 'differs' }],
      closures: [{ verdicts: ['differs: top'], agreed: false, mixed: false }],
    });
  });

  test('both worlds of one path are held against the upstream one by one', async () => {
    const { a, b } = await worlds();
    const services = memory();
    const worldA = await keepWorld(services, a.files);
    const worldB = await keepWorld(services, b.files);
    const roots = [keptPath(worldA, 'top'), keptPath(worldB, 'top')];
    const witnesses = [witnessOf('https://a', a.files)];
    const { closures } = said(await auditOf(services, roots, { witnesses }));
    expect(closures).toEqual([
      { verdicts: ['same'], agreed: true, mixed: false },
      { verdicts: ['differs: embeds'], agreed: false, mixed: false },
    ]);
  });

  test('a closure that is not coherent is nobody’s, whatever is said of its paths', async () => {
    const { a, b } = await worlds();
    const services = memory();
    const worldB = await keepWorld(services, b.files);
    const instead = new Map([['embeds', keptPath(worldB, 'embeds')]]);
    const torn = keptPath(await keepWorld(services, a.files, { instead }), 'top');
    const witnesses = [witnessOf('https://a', a.files), witnessOf('https://b', b.files)];
    const { closures, outcome } = said(await auditOf(services, [torn], { witnesses }));
    expect(outcome).toBe('findings');
    expect(closures).toMatchObject([
      { verdicts: ['differs: embeds', 'differs: dep'], agreed: false },
    ]);
  });
});

describe('a path against an upstream', () => {
  const NAME = 'top';
  const path = (changed: Partial<SyntheticPath>) => uncompressed([{ name: NAME, ...changed }]);

  test.each<
    [
      what: string,
      ours: Partial<SyntheticPath>,
      theirs: Partial<SyntheticPath>,
      said: string,
      outcome: string,
    ]
  >([
    ['the same', {}, {}, 'same', 'clean'],
    ['other bytes', {}, { tree: file('other') }, 'differs', 'findings'],
    ['one more signature there', {}, { keys: [TEST_KEY, OTHER_KEY] }, 'same', 'clean'],
    ['signed by others only', { keys: [OTHER_KEY] }, {}, 'signedDifferently', 'clean'],
    ['not signed here', { keys: [] }, {}, 'signedDifferently', 'clean'],
    ['not signed there', {}, { keys: [] }, 'unverified', 'findings'],
    ['a forged signature', {}, { lie: { unsigned: { NarSize: '7' } } }, 'unverified', 'findings'],
    ['no narinfo', {}, { lie: { narinfo: () => 'nonsense' } }, 'unverified', 'findings'],
  ])('%s', async (_, ours, theirs, outcomeOfPath, outcome) => {
    const [here, there] = [await path(ours), await path(theirs)];
    const report = await auditTop(here, [witnessOf('https://there', there.files)]);
    expect(report).toMatchObject({ outcome, paths: [{ [NAME]: outcomeOfPath }] });
  });

  test('content addresses without signatures on either side are the same', async () => {
    const contentAddress = { method: 'flat', algorithm: 'sha256' } as const;
    const cache = await path({ tree: file('x'), contentAddress, keys: [] });
    const report = await auditTop(cache, [witnessOf('https://there', cache.files)]);
    expect(report).toMatchObject({ outcome: 'clean', paths: [{ [NAME]: 'same' }] });
  });
});

describe('how upstreams are asked', () => {
  const many = (count: number) =>
    uncompressed([
      ...Array.from({ length: count }, (_, i) => ({ name: `p${i}` })),
      { name: 'top', references: Array.from({ length: count }, (_, i) => `p${i}`) },
    ]);

  test('one that is down is given up after some failures, and the others are not', async () => {
    const cache = await many(300);
    const dead = deadWitness();
    const report = await auditTop(cache, [dead, witnessOf('https://up', cache.files)]);
    expect(dead.asked).toBeLessThan(300);
    expect(report.outcome).toBe('incomplete');
    expect(new Set(Object.values(report.paths[0] ?? {}))).toEqual(new Set(['unreachable']));
    expect(new Set(Object.values(report.paths[1] ?? {}))).toEqual(new Set(['same']));
    expect(report.closures).toMatchObject([{ verdicts: ['unreachable: top', 'same'] }]);
  });

  test('failures between answers do not end the questioning', async () => {
    const cache = await many(40);
    let asked = 0;
    const flaky = witnessOf('https://flaky', cache.files, async () => {
      asked += 1;
      if (asked % 2 === 0) await deadWitness().ask.call(deadWitness(), UNUSED, undefined);
    });
    const services = memory();
    const world = await keepWorld(services, cache.files);
    const report = await auditOf(services, [keptPath(world, 'top')], {
      witnesses: [flaky],
      questionsInFlight: 1,
      wholeClosures: true,
    });
    const outcomes = Object.values(said(report).paths[0] ?? {});
    expect(Object.fromEntries(Map.groupBy(outcomes, (one) => one))).toMatchObject({
      same: { length: 21 },
      unreachable: { length: 20 },
    });
  });

  test('narinfos alone, each once, so many at once, all caches at the same time', async () => {
    const cache = await many(200);
    let waiting = Promise.withResolvers<void>();
    let held = 0;
    const respond = async () => {
      // nobody is answered before both are asked as much as they may be
      held += 1;
      if (held >= 2 * IN_FLIGHT) waiting.resolve();
      await waiting.promise;
      return undefined;
    };
    await using one = await serveStatic(cache.files, { respond: holdNarinfos(respond) });
    await using two = await serveStatic(cache.files, { respond: holdNarinfos(respond) });
    await using witnesses = await openWitnesses({
      addresses: [one.url, two.url],
      trustedKeys: TRUSTED_KEYS,
    });
    const services = memory();
    const world = await keepWorld(services, cache.files);
    const report = await auditOf(services, [keptPath(world, 'top')], {
      witnesses: witnesses.all,
      questionsInFlight: IN_FLIGHT,
    });
    waiting = Promise.withResolvers();
    expect(said(report).closures).toEqual([
      { verdicts: ['same', 'same'], agreed: true, mixed: false },
    ]);
    for (const server of [one, two]) {
      expect(server.peakActive).toBe(IN_FLIGHT);
      expect(server.paths(/^nar\//)).toEqual([]);
      expect(server.paths(/narinfo$/).sort()).toEqual(
        cache.paths.map(({ narinfoFile }) => narinfoFile).sort(),
      );
    }
  });

  test('a server that is not there, and a directory that is not', async () => {
    const { a } = await worlds();
    await using witnesses = await openWitnesses({
      addresses: [await deadUrl(), '/nowhere/at/all'],
      trustedKeys: TRUSTED_KEYS,
    });
    expect(await auditTop(a, witnesses.all)).toMatchObject({
      outcome: 'incomplete',
      closures: [{ verdicts: ['unreachable: top', 'unreachable: top'], agreed: false }],
    });
  });
});

const IN_FLIGHT = 16;
const UNUSED = { digest: new Uint8Array(20), hashPart: '', name: undefined };

function holdNarinfos(hold: () => Promise<undefined>) {
  return ({ path }: { readonly path: string }) => (path.endsWith('.narinfo') ? hold() : undefined);
}
