import { expect, test } from 'vitest';
import { coherentPart } from '../../src/ingest/coherentPart.ts';
import { storePathOf } from '../contracts/pathInfos.ts';
import { oursOf, type Side, worldOf } from './twoSides.ts';

/** Names of what is left, of paths that were read at two moments. */
function left(asked: string, early: Side, late: Side): string[] {
  const world = worldOf(Object.fromEntries(asked.split(' ').map((name) => [name, 'A'])));
  const read = new Map([...oursOf(late), ...oursOf(early)].filter(([name]) => world.has(name)));
  const kept = coherentPart(read, world);
  for (const [name, pathInfo] of kept) expect(read.get(name)).toBe(pathInfo);
  return Array.from(kept.values(), ({ storePath }) => storePath.name).sort();
}

const CHAIN = { top: 'A: mid', mid: 'A: low', low: 'A' };

test.each<readonly [string, asked: string, early: Side, late: Side, kept: readonly string[]]>([
  ['nothing is here', 'top mid low', {}, {}, []],
  ['all is of one moment', 'top mid low', CHAIN, {}, ['low', 'mid', 'top']],
  ['a path refers to itself', 'top', { top: 'A: top' }, {}, ['top']],
  ['a reference is no part of the world', 'top mid', CHAIN, {}, ['mid', 'top']],
  [
    'the lowest came after it was looked for',
    'top mid low',
    { top: CHAIN.top, mid: CHAIN.mid },
    {},
    [],
  ],
  ['the lowest was replaced after it was read', 'top mid low', { low: 'B' }, CHAIN, ['low']],
  [
    'one side of a diamond was replaced',
    'top left right low',
    { low: 'A', left: 'A: low' },
    { top: 'A: left right', left: 'B: low', right: 'A: low' },
    ['left', 'low', 'right'],
  ],
])('what fits together is left where %s', (_, asked, early, late, kept) => {
  expect(left(asked, early, late)).toEqual(kept);
});

test('what refers to another variant than was read goes, with all above it, and nothing else', () => {
  const before = oursOf({ low: 'A', left: 'A: low', beside: 'A' });
  const after = oursOf({ low: 'B', right: 'A: low', top: 'A: left right', above: 'A: top' });
  const read = new Map([...after, ...before]);
  const world = worldOf({ low: 'A', left: 'A', right: 'A', top: 'A', above: 'A', beside: 'A' });
  const kept = [...coherentPart(read, world).values()].map(({ storePath }) => storePath.name);
  expect(kept.sort()).toEqual(['beside', 'left', 'low']);
  expect(read.has(storePathOf('top').baseName)).toBe(true);
});

test('5,000 paths above one that was replaced', () => {
  const names = Array.from({ length: 5_000 }, (_, index) => `p${index}`);
  const side = Object.fromEntries(names.map((name) => [name, 'A: low']));
  const read = oursOf({ low: 'A', ...side });
  for (const [name, pathInfo] of oursOf({ low: 'B' })) read.set(name, pathInfo);
  expect(coherentPart(read, worldOf({ low: 'A', ...side })).size).toBe(1);
});
