import { describe, expect, test } from 'vitest';
import { comparePlan, sameClaim } from '../../src/ingest/plan.ts';
import type { FoundNarInfo } from '../../src/ingest/walkItem.ts';
import type { KnownPath } from '../../src/ingest/world.ts';
import { pathInfoOf, storePathOf } from '../contracts/pathInfos.ts';
import { foundOf, outcomes, planOf, type Side } from './twoSides.ts';

type Row = readonly [
  name: string,
  theirs: Side,
  ours: Side,
  expected: Readonly<Record<string, string>>,
];

const CHAIN = { top: 'A: mid', mid: 'A: low', low: 'A' };
const DIAMOND = { top: 'A: left right', left: 'A: low', right: 'A: low', low: 'A' };

describe('a plan says of each path', () => {
  test.each<Row>([
    ['same where nothing is here', CHAIN, {}, { top: 'same', mid: 'same', low: 'same' }],
    ['same where all is here', CHAIN, CHAIN, { top: 'same', mid: 'same', low: 'same' }],
    [
      'same where only the lowest is here',
      CHAIN,
      { low: 'A' },
      { top: 'same', mid: 'same', low: 'same' },
    ],
    [
      'differs where its own bytes do, and above it',
      CHAIN,
      { ...CHAIN, mid: 'B: low' },
      { top: 'differs by mid', mid: 'differs', low: 'same' },
    ],
    [
      'differs above what differs, also where that is not here',
      CHAIN,
      { low: 'B' },
      { top: 'differs by low', mid: 'differs by low', low: 'differs' },
    ],
    [
      'the nearest that differs',
      CHAIN,
      { top: 'A: mid', mid: 'B: low', low: 'B' },
      { top: 'differs by mid', mid: 'differs', low: 'differs' },
    ],
    [
      'the first of several that differ, in the order of the references',
      { top: 'A: left right', left: 'A', right: 'A' },
      { left: 'B', right: 'B' },
      { left: 'differs', right: 'differs', top: 'differs by left' },
    ],
    [
      'the worst of several, wherever it stands',
      { top: 'A: left right', left: 'absent', right: 'A' },
      { right: 'B' },
      { left: 'absent', right: 'differs', top: 'differs by right' },
    ],
    [
      'differs where only its references do: one more',
      CHAIN,
      { low: 'A: more' },
      { top: 'differs by low', mid: 'differs by low', low: 'differs' },
    ],
    [
      'differs where only its references do: one less',
      CHAIN,
      { mid: 'A', low: 'A' },
      { top: 'differs by mid', mid: 'differs', low: 'same' },
    ],
    [
      'differs where only its references do: another',
      CHAIN,
      { mid: 'A: other', low: 'A' },
      { top: 'differs by mid', mid: 'differs', low: 'same' },
    ],
    [
      'differs where one refers to itself and the other does not',
      { top: 'A: top' },
      { top: 'A' },
      { top: 'differs' },
    ],
    ['same where both refer to themselves', { top: 'A: top' }, { top: 'A: top' }, { top: 'same' }],
    [
      'same where references are repeated and in another order',
      { top: 'A: b a b', b: 'A', a: 'A' },
      { top: 'A: a b' },
      { top: 'same', b: 'same', a: 'same' },
    ],
    [
      'absent above what the upstream lacks',
      { ...CHAIN, low: 'absent' },
      CHAIN,
      { top: 'absent by low', mid: 'absent by low', low: 'absent' },
    ],
    [
      'unreachable above what could not be asked',
      { ...CHAIN, low: 'unreachable' },
      {},
      { top: 'unreachable by low', mid: 'unreachable by low', low: 'unreachable' },
    ],
    [
      'unverified above what does not verify',
      { ...CHAIN, low: 'unverified' },
      CHAIN,
      { top: 'unverified by low', mid: 'unverified by low', low: 'unverified' },
    ],
    [
      'differs rather than absent where its own bytes do',
      { ...CHAIN, low: 'absent' },
      { ...CHAIN, top: 'B: mid' },
      { top: 'differs', mid: 'absent by low', low: 'absent' },
    ],
    [
      'the same of what both sides of a diamond stand on',
      DIAMOND,
      { low: 'B' },
      { top: 'differs by low', left: 'differs by low', right: 'differs by low', low: 'differs' },
    ],
    [
      'differs of one side of a diamond only',
      DIAMOND,
      { right: 'B: low', low: 'A' },
      { top: 'differs by right', left: 'same', right: 'differs', low: 'same' },
    ],
    [
      'unverified of a cycle and what is above it',
      { top: 'A: a', a: 'A: b', b: 'A: a' },
      {},
      { top: 'unverified by a', a: 'unverified', b: 'unverified' },
    ],
    [
      'unverified of all members of cycles that touch',
      { a: 'A: b c', b: 'A: a', c: 'A: b', d: 'A: c' },
      {},
      { a: 'unverified', b: 'unverified', c: 'unverified', d: 'unverified by c' },
    ],
    [
      'unverified of a cycle that is entered in its middle',
      { c: 'A: a', a: 'A: b', b: 'A: c' },
      {},
      { a: 'unverified', b: 'unverified', c: 'unverified' },
    ],
    [
      'differs of a member of a cycle whose bytes do',
      { a: 'A: b', b: 'A: a' },
      { b: 'B' },
      { a: 'unverified', b: 'differs' },
    ],
    [
      'same of a path beside a cycle',
      { top: 'A: a low', a: 'A: b', b: 'A: a', low: 'A' },
      {},
      { top: 'unverified by a', a: 'unverified', b: 'unverified', low: 'same' },
    ],
  ])('%s', (_, theirs, ours, expected) => {
    expect(outcomes(planOf(theirs, ours))).toEqual(expected);
  });

  const UNKNOWN = ['absent', 'unreachable', 'unverified'] as const;
  const ORDER = ['same', ...UNKNOWN, 'differs'];
  test.each(ORDER.flatMap((one, i) => ORDER.slice(i).map((worse) => [one, worse] as const)))(
    'of %s and %s below it the worse',
    (one, worse) => {
      const below = (outcome: string) =>
        UNKNOWN.some((unknown) => unknown === outcome) ? outcome : 'A';
      for (const references of ['one worse', 'worse one']) {
        const plan = planOf(
          { top: `A: ${references}`, one: below(one), worse: below(worse) },
          { one: one === 'differs' ? 'B' : 'A', worse: worse === 'differs' ? 'B' : 'A' },
        );
        const expected = worse === 'same' ? undefined : worse;
        expect(plan.get(storePathOf('top').baseName)?.outcome).toBe(expected ?? 'same');
      }
    },
  );
});

test('a plan has every path after all that it refers to, but for cycles', () => {
  const theirs = { top: 'A: left right', right: 'A: left low', left: 'A: low', low: 'A' };
  expect(Object.keys(outcomes(planOf(theirs, {})))).toEqual(['low', 'left', 'right', 'top']);
});

test.each<readonly [name: string, theirs: Side, whole: readonly string[]]>([
  ['all is known', DIAMOND, ['low', 'left', 'right', 'top']],
  ['something is absent', { ...DIAMOND, right: 'absent' }, ['low', 'left']],
  [
    'something is in a cycle',
    { ...DIAMOND, right: 'A: right2', right2: 'A: right' },
    ['low', 'left'],
  ],
  ['everything is above something that is unverified', { ...DIAMOND, low: 'unverified' }, []],
])('closures are known to be whole where %s', (_, theirs, whole) => {
  const plan = planOf(theirs, { right: 'B', top: 'B' });
  const found = [...plan.values()].filter((planned) => planned.whole);
  expect(found.map(({ entry }) => entry.storePath.name)).toEqual(whole);
});

test.each([
  ['the same', 'A: a b', 'A: a b', true],
  ['references in another order', 'A: a b', 'A: b a', true],
  ['other bytes', 'A: a b', 'B: a b', false],
  ['a reference more', 'A: a', 'A: a b', false],
  ['another reference', 'A: a', 'A: b', false],
])('claims about %s', (_, theirs, ours, expected) => {
  const [content = '', names = ''] = ours.split(': ');
  const references = names.split(' ').map((name) => pathInfoOf({ name }));
  const { claim } = pathInfoOf({ name: 'top', content: `top ${content}`, references });
  const { narInfo } = foundOf('top', theirs);
  expect(sameClaim(narInfo, claim)).toBe(expected);
  expect(sameClaim(claim, narInfo)).toBe(expected);
});

const LARGE = 100_000;

/** Paths `0` to `count - 1`. */
function largeWorld(count: number, below: (index: number) => readonly number[]) {
  const storePaths = Array.from({ length: count }, (_, index) => {
    const digest = Buffer.alloc(20);
    digest.writeUInt32BE(index);
    return storePathOf(`p${index}`);
  });
  const found = foundOf('any', 'A');
  return new Map(
    storePaths.map((storePath, index): [string, KnownPath<FoundNarInfo>] => {
      const references = below(index).flatMap((other) => storePaths[other] ?? []);
      return [storePath.baseName, { outcome: 'known', storePath, found, references }];
    }),
  );
}

test.each<readonly [name: string, below: (index: number) => readonly number[], outcome: string]>([
  ['a chain', (i) => (i + 1 < LARGE ? [i + 1] : []), 'same'],
  ['a chain of which each refers back to the first', (i) => [i + 1, 0], 'unverified'],
  ['one cycle', (i) => [(i + 1) % LARGE], 'unverified'],
  ['cycles of two', (i) => [i ^ 1], 'unverified'],
  ['a path that all others refer to', (i) => (i + 1 < LARGE ? [LARGE - 1] : []), 'same'],
])('100,000 paths are compared without recursion, in linear time: %s', (_, below, outcome) => {
  const plan = comparePlan(largeWorld(LARGE, below), new Map());
  expect(plan.size).toBe(LARGE);
  expect(plan.get(storePathOf('p0').baseName)?.outcome).toBe(outcome);
});
