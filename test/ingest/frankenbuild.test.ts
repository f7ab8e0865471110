import { describe, expect, test } from 'vitest';
import {
  confirmedBy,
  evidenceOf,
  findingsOf,
  type PlanningPolicy,
  rejectUnlessSame,
} from '../../src/ingest/frankenbuild.ts';
import { comparePlan, type Plan } from '../../src/ingest/plan.ts';
import type { PathInfo } from '../../src/pathinfo/pathInfo.ts';
import { pathInfoOf, storePathOf } from '../contracts/pathInfos.ts';
import { thrownBy } from '../support/errors.ts';
import { foundOf, oursOf, planOf, type Side, worldOf } from './twoSides.ts';

const UPSTREAM = 'https://theirs.example.org';

const plannedOf = (plan: Plan, name: string) => {
  const planned = plan.get(storePathOf(name).baseName);
  if (planned === undefined) throw new Error(`${name} is not in the plan`);
  return planned;
};

/** A plan in which each path ends in the way that it is called. */
const OUTCOMES = planOf(
  {
    same: 'A',
    differs: 'A',
    absent: 'absent',
    unreachable: 'unreachable',
    unverified: 'unverified',
    'above-what-is-absent': 'A: absent',
    'other-above-what-is-absent': 'A: absent',
    'other-but-whole': 'A: same',
  },
  { differs: 'B', 'other-above-what-is-absent': 'B: absent', 'other-but-whole': 'B: same' },
);

test.each([
  // a reference to              report       reject       variant
  ['same', 'same', 'same', 'same'],
  // with variant it is theirs that is referred to
  ['differs', 'mixed', 'mixed', 'same'],
  ['other-but-whole', 'mixed', 'mixed', 'same'],
  ['absent', 'unchecked', 'unchecked', 'unchecked'],
  ['unreachable', 'unchecked', 'unchecked', 'unchecked'],
  ['unverified', 'unchecked', 'unchecked', 'unchecked'],
  ['above-what-is-absent', 'unchecked', 'unchecked', 'unchecked'],
  ['other-above-what-is-absent', 'mixed', 'mixed', 'unchecked'],
] as const)('an edge to what is %s is %s, %s and %s', (name, report, reject, variant) => {
  const planned = plannedOf(OUTCOMES, name);
  expect(evidenceOf(planned, 'report')).toBe(report);
  expect(evidenceOf(planned, 'reject')).toBe(reject);
  expect(evidenceOf(planned, 'variant')).toBe(variant);
});

test('an edge that no plan knows is unchecked', () => {
  for (const policy of ['report', 'reject', 'variant'] as const) {
    expect(evidenceOf(undefined, policy)).toBe('unchecked');
  }
});

describe('what is not the same is refused', () => {
  const path = (name: string) => storePathOf(name).absolute;
  const hash = (name: string, content: string) =>
    foundOf(name, content).narInfo.narHash.toNixbase32();

  test.each<readonly [outcome: string, refused: boolean, allowingUnknown: boolean]>([
    ['same', false, false],
    ['differs', true, true],
    ['unverified', true, true],
    ['absent', true, false],
    ['unreachable', true, false],
    ['above-what-is-absent', true, false],
    ['other-above-what-is-absent', true, true],
  ])('%s: %s, with --allow-unknown: %s', (name, refused, allowingUnknown) => {
    const asked = {
      referrer: undefined,
      planned: plannedOf(OUTCOMES, name),
      upstream: UPSTREAM,
    };
    const isRefused = (allowUnknown: boolean) => {
      try {
        rejectUnlessSame(asked, allowUnknown);
        return false;
      } catch {
        return true;
      }
    };
    expect([isRefused(false), isRefused(true)]).toEqual([refused, allowingUnknown]);
  });

  const THEIRS = { mid: 'A: low', low: 'A' };
  test.each<readonly [name: string, theirs: Side, ours: Side, message: string, facts: object]>([
    [
      'its own bytes',
      THEIRS,
      { mid: 'B: low' },
      `is another at ${UPSTREAM}: ${hash('mid', 'A')} there, ${hash('mid', 'B')} here`,
      { decidedBy: path('mid'), theirs: hash('mid', 'A'), ours: hash('mid', 'B') },
    ],
    [
      'bytes below it',
      THEIRS,
      { mid: 'A: low', low: 'B' },
      `is another at ${UPSTREAM}: ${path('low')} below it differs: ${hash('low', 'A')} there, ${hash('low', 'B')} here`,
      { decidedBy: path('low'), theirs: hash('low', 'A'), ours: hash('low', 'B') },
    ],
    [
      'references below it',
      THEIRS,
      { low: 'A: more' },
      `is another at ${UPSTREAM}: ${path('low')} below it differs: the same bytes (${hash('low', 'A')}), but other references`,
      { decidedBy: path('low'), theirs: hash('low', 'A'), ours: hash('low', 'A') },
    ],
    [
      'absence',
      { mid: 'absent' },
      THEIRS,
      `cannot be compared: ${UPSTREAM} does not have it`,
      { decidedBy: path('mid'), theirs: undefined, ours: hash('mid', 'A') },
    ],
    [
      'absence below it',
      { mid: 'A: low', low: 'absent' },
      {},
      `cannot be compared: ${UPSTREAM} does not have ${path('low')} below it`,
      { decidedBy: path('low'), theirs: undefined, ours: undefined },
    ],
    [
      'what could not be asked about',
      { mid: 'A: low', low: 'unreachable' },
      {},
      `cannot be compared: ${UPSTREAM} could not be asked about ${path('low')} below it`,
      { decidedBy: path('low') },
    ],
    [
      'what does not verify',
      { mid: 'unverified' },
      {},
      `cannot be compared: what ${UPSTREAM} says of it does not verify`,
      { decidedBy: path('mid') },
    ],
    [
      'a cycle',
      { mid: 'A: low', low: 'A: mid' },
      {},
      `cannot be compared: at ${UPSTREAM} it refers to itself in a cycle`,
      { decidedBy: path('mid') },
    ],
  ])('the error tells of %s', (_, theirs, ours, message, facts) => {
    const planned = plannedOf(planOf(theirs, ours), 'mid');
    const asked = { planned, upstream: UPSTREAM };
    const byReference = thrownBy(() =>
      rejectUnlessSame({ ...asked, referrer: storePathOf('top') }, false),
    );
    expect(byReference.message).toBe(`${path('top')} refers to ${path('mid')}, which ${message}`);
    expect(byReference).toMatchObject({
      code: 'FRANKENBUILD_REJECTED',
      facts: { storePath: path('top'), reference: path('mid'), upstream: UPSTREAM, ...facts },
    });
    const asRoot = thrownBy(() => rejectUnlessSame({ ...asked, referrer: undefined }, false));
    expect(asRoot.message).toBe(`${path('mid')} ${message}`);
    expect(asRoot.facts['storePath']).toBe(path('mid'));
  });

  test('with why nothing is known as its cause', () => {
    const planned = plannedOf(planOf({ mid: 'A: low', low: 'unverified' }, {}), 'mid');
    const error = thrownBy(() =>
      rejectUnlessSame({ referrer: undefined, planned, upstream: UPSTREAM }, false),
    );
    expect(error.cause).toMatchObject({ message: 'low failed' });
  });
});

/** `referrer reference differing ourHash theirHash`, with names and contents instead of hashes. */
function findings(theirs: Side, ours: Side, roots: readonly string[], kept = ours): string[] {
  const used = oursOf(kept);
  const names = new Set(roots.map((name) => storePathOf(name).baseName));
  return findingsOf(planOf(theirs, ours), names, (name) => used.get(name), UPSTREAM).map(
    ({ referrer, reference, differing, ours: here, theirs: there, ourClosureDigest, upstream }) => {
      expect(upstream).toBe(UPSTREAM);
      expect(ourClosureDigest.hex).toBe(used.get(reference.baseName)?.closureDigest.hex);
      expect(here.signedBy).toEqual(['our-key']);
      const same = here.narHash.equals(there.narHash) ? 'same bytes' : 'other bytes';
      return `${referrer?.name ?? '-'} → ${reference.name}, by ${differing?.name}, ${same}`;
    },
  );
}

const CHAIN = { top: 'A: mid', mid: 'A: low', low: 'A' };

describe('findings', () => {
  test.each<
    readonly [name: string, theirs: Side, ours: Side, kept: Side, found: readonly string[]]
  >([
    ['where all is the same: none', CHAIN, CHAIN, CHAIN, []],
    ['where nothing was here: none', CHAIN, {}, CHAIN, []],
    [
      'one for each edge above what differs',
      CHAIN,
      { ...CHAIN, low: 'B' },
      { ...CHAIN, low: 'B' },
      ['mid → low, by low, other bytes', 'top → mid, by low, same bytes'],
    ],
    [
      'also where only the lowest was here, for what was put above it',
      CHAIN,
      { low: 'B' },
      { ...CHAIN, low: 'B' },
      ['mid → low, by low, other bytes', 'top → mid, by low, same bytes'],
    ],
    [
      'not for edges of a path that is another itself',
      CHAIN,
      { ...CHAIN, mid: 'B: low', low: 'B' },
      { ...CHAIN, mid: 'B: low', low: 'B' },
      ['top → mid, by mid, other bytes'],
    ],
    [
      'for what was asked for where it is another itself',
      CHAIN,
      { ...CHAIN, top: 'B: mid' },
      { ...CHAIN, top: 'B: mid' },
      ['- → top, by top, other bytes'],
    ],
    [
      'where only references differ, with the same bytes',
      CHAIN,
      { low: 'A: more' },
      { ...CHAIN, low: 'A: more' },
      ['mid → low, by low, same bytes', 'top → mid, by low, same bytes'],
    ],
    [
      'not for what the upstream does not tell of',
      { ...CHAIN, low: 'absent' },
      { ...CHAIN, low: 'B' },
      { ...CHAIN, low: 'B' },
      [],
    ],
    [
      'not for what is not here in the end',
      CHAIN,
      { low: 'B' },
      { low: 'B' }, // mid and top failed
      [],
    ],
  ])('%s', (_, theirs, ours, kept, found) => {
    expect(findings(theirs, ours, ['top'], kept).toSorted()).toEqual(found.toSorted());
  });

  test('name those who signed, each once', () => {
    const top = foundOf('top', 'A', ['one', 'two', 'one']);
    const world = worldOf({ top: 'A' });
    const entry = { outcome: 'known', storePath: storePathOf('top'), found: top, references: [] };
    const { baseName } = storePathOf('top');
    const ours = oursOf({ top: 'B' });
    const plan = comparePlan(new Map([...world, [baseName, { ...entry, outcome: 'known' }]]), ours);
    const [finding] = findingsOf(plan, new Set([baseName]), (name) => ours.get(name), UPSTREAM);
    expect(finding?.theirs.signedBy).toEqual(['one', 'two']);
    expect(finding?.ours.signedBy).toEqual(['our-key']);
  });
});

/** What is confirmed: `path: reference evidence, …`. */
function confirmed(
  theirs: Side,
  ours: ReadonlyMap<string, PathInfo>,
  policy: PlanningPolicy = 'report',
): string[] {
  const plan = comparePlan(worldOf(theirs), ours);
  return confirmedBy(plan, (name) => ours.get(name), policy).map((pathInfo) => {
    const kept = ours.get(pathInfo.storePath.baseName);
    expect(kept?.sameVariant(pathInfo)).toBe(true);
    const united = kept?.unitedWith(pathInfo) ?? pathInfo;
    const marks = pathInfo.claim.references.map(
      ({ baseName, name }) => `${name} ${united.references.get(baseName)?.evidence}`,
    );
    return `${pathInfo.storePath.name}: ${marks.join(', ')}`;
  });
}

describe('edges of what was here are confirmed', () => {
  test('where the closure is the same', () => {
    expect(confirmed(CHAIN, oursOf(CHAIN))).toEqual(['mid: low same', 'top: mid same']);
    expect(confirmed(CHAIN, oursOf(CHAIN), 'reject')).toEqual(['mid: low same', 'top: mid same']);
  });

  test('also where they were mixed in the eyes of another upstream', () => {
    expect(confirmed(CHAIN, oursOf(CHAIN, 'mixed'))).toEqual(['mid: low same', 'top: mid same']);
  });

  test('not again', () => {
    expect(confirmed(CHAIN, oursOf(CHAIN, 'same'))).toEqual([]);
  });

  test('not above what differs, nor are they called mixed: the path may come from elsewhere', () => {
    expect(confirmed(CHAIN, oursOf({ ...CHAIN, low: 'B' }))).toEqual([]);
  });

  test('one by one where another one differs', () => {
    const theirs = { top: 'A: left right', left: 'A', right: 'A' };
    const ours = oursOf({ ...theirs, right: 'B' });
    expect(confirmed(theirs, ours)).toEqual(['top: left same, right unchecked']);
  });

  test('never by two upstreams together', () => {
    const ours = oursOf({ top: 'A: left right', left: 'A', right: 'B' });
    const top = storePathOf('top').baseName;
    const looked = (side: Side) => {
      const plan = comparePlan(worldOf(side), ours);
      for (const one of confirmedBy(plan, (name) => ours.get(name), 'report')) {
        ours.set(one.storePath.baseName, ours.get(one.storePath.baseName)?.unitedWith(one) ?? one);
      }
      const { references } = ours.get(top) ?? pathInfoOf({ name: 'top' });
      return ['left', 'right'].map((name) => references.get(storePathOf(name).baseName)?.evidence);
    };
    expect(looked({ top: 'A: left right', left: 'A', right: 'A' })).toEqual(['same', 'unchecked']);
    expect(looked({ top: 'A: left right', left: 'B', right: 'B' })).toEqual(['same', 'unchecked']);
    expect(looked({ top: 'A: left right', left: 'A', right: 'B' })).toEqual(['same', 'same']);
  });

  test('with variant where what was used is theirs, as far as they tell', () => {
    const ours = oursOf(CHAIN);
    expect(confirmed(CHAIN, ours, 'variant')).toEqual(['mid: low same', 'top: mid same']);
    expect(confirmed({ ...CHAIN, low: 'absent' }, ours, 'variant')).toEqual([]);
  });
});
