import { describe, expect, test } from 'vitest';
import { type ErrorCode, NarthexError } from '../../src/errors.ts';
import type { FoundNarInfo } from '../../src/ingest/walkItem.ts';
import { gatherWorld, outcomeOfError, type World } from '../../src/ingest/world.ts';
import type { StorePath } from '../../src/storePath.ts';
import { storePathOf } from '../contracts/pathInfos.ts';
import { foundOf, type Side } from './twoSides.ts';

/** Gathers what a side tells, and notes who was asked. */
async function gather(side: Side, roots: readonly string[], inFlight = 4) {
  const asked: string[] = [];
  const ask = async ({ name }: StorePath): Promise<FoundNarInfo | undefined> => {
    asked.push(name);
    const text = side[name] ?? 'absent';
    if (text === 'absent') return undefined;
    if (/^[A-Z_]+$/.test(text) && text.length > 1) {
      throw new NarthexError(text as ErrorCode, `${name} fails`); // the tables name codes
    }
    return foundOf(name, text);
  };
  const found = roots.map((name) => foundOf(name, side[name] ?? 'A'));
  return { world: await gatherWorld(found, ask, inFlight), asked };
}

/** By name: what is known of a path, and what it refers to. */
function told(world: World): Record<string, string> {
  return Object.fromEntries(
    Array.from(world.values(), (entry) => {
      const below = entry.outcome === 'known' ? entry.references.map(({ name }) => name) : [];
      return [entry.storePath.name, [entry.outcome, ...below].join(' ')];
    }),
  );
}

test.each<readonly [name: string, side: Side, roots: readonly string[], world: object]>([
  ['one path', { top: 'A' }, ['top'], { top: 'known' }],
  [
    'a closure, each path once',
    { top: 'A: left right', left: 'A: low', right: 'A: low', low: 'A' },
    ['top'],
    { top: 'known left right', left: 'known low', right: 'known low', low: 'known' },
  ],
  ['a path that refers to itself', { top: 'A: top' }, ['top'], { top: 'known' }],
  [
    'a reference that is repeated',
    { top: 'A: low low', low: 'A' },
    ['top'],
    { top: 'known low', low: 'known' },
  ],
  [
    'a cycle',
    { a: 'A: b', b: 'A: c', c: 'A: a' },
    ['a'],
    { a: 'known b', b: 'known c', c: 'known a' },
  ],
  [
    'roots that refer to each other',
    { a: 'A: b', b: 'A' },
    ['b', 'a', 'a'],
    { b: 'known', a: 'known b' },
  ],
  ['a path that is absent', { top: 'A: low' }, ['top'], { top: 'known low', low: 'absent' }],
])('a world of %s', async (_, side, roots, expected) => {
  const { world, asked } = await gather(side, roots);
  expect(told(world)).toEqual(expected);
  // roots are known already, and nobody is asked twice
  expect(asked.toSorted()).toEqual(
    Object.keys(expected)
      .filter((name) => !roots.includes(name))
      .sort(),
  );
});

describe('an error that answers is an outcome', () => {
  test.each<readonly [ErrorCode, string]>([
    ['SIGNATURE_MISSING', 'unverified'],
    ['SIGNATURE_MISMATCH', 'unverified'],
    ['CONTENT_ADDRESS_MISMATCH', 'unverified'],
    ['STORE_PATH_MISMATCH', 'unverified'],
    ['NARINFO_INVALID', 'unverified'],
    ['UPSTREAM_FAILED', 'unreachable'],
    ['UPSTREAM_STATUS', 'unreachable'],
    ['NOT_A_BINARY_CACHE', 'unreachable'],
    ['STORE_DIR_MISMATCH', 'unreachable'],
    // verified, but nothing that we could have from there
    ['COMPRESSION_UNSUPPORTED', 'unreachable'],
    ['LIMIT_EXCEEDED', 'unreachable'],
  ])('%s: %s', async (code, outcome) => {
    const side = { top: 'A: bad good', bad: code, good: 'A' };
    const { world } = await gather(side, ['top']);
    expect(told(world)).toEqual({ top: 'known bad good', bad: outcome, good: 'known' });
    const bad = world.get(storePathOf('bad').baseName);
    expect(bad).toMatchObject({ outcome, error: { code } });
    expect(outcomeOfError(new NarthexError(code, ''))).toBe(outcome);
  });
});

test('what is no NarthexError ends it, after what is under way has ended', async () => {
  const reason = new DOMException('enough', 'AbortError');
  const slow = Promise.withResolvers<undefined>();
  const log: string[] = [];
  const gathering = gatherWorld(
    [foundOf('top', 'A: fails waits never')],
    async ({ name }) => {
      log.push(name);
      if (name === 'fails') throw reason;
      await slow.promise;
      log.push(`${name} ended`);
      return undefined;
    },
    2,
  );
  let ended = false;
  const outcome = gathering
    .catch((error) => error)
    .finally(() => {
      ended = true;
    });
  for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve));
  expect(ended).toBe(false);
  slow.resolve(undefined);
  expect(await outcome).toBe(reason);
  expect(log).toEqual(['fails', 'waits', 'waits ended']);
});

test.each([1, 3, 7])('no more than %i are asked for at once, and so many are', async (inFlight) => {
  const below = Array.from({ length: 30 }, (_, index) => `p${index}`);
  let active = 0;
  let most = 0;
  const found = foundOf('top', `A: ${below.join(' ')}`);
  await gatherWorld(
    [found],
    async ({ name }) => {
      most = Math.max(most, ++active);
      await new Promise((resolve) => setImmediate(resolve));
      active--;
      return foundOf(name, 'A');
    },
    inFlight,
  );
  expect(most).toBe(inFlight);
});

test('it takes as many round trips as the closure is deep', async () => {
  const side = { top: 'A: a b c', a: 'A: d', b: 'A: d e', c: 'A', d: 'A: f', e: 'A', f: 'A' };
  const rounds: string[][] = [];
  let round: string[] | undefined;
  await gatherWorld(
    [foundOf('top', side.top)],
    async ({ name }) => {
      if (round === undefined) {
        const now: string[] = [];
        round = now;
        rounds.push(now);
        setImmediate(() => {
          round = undefined;
        });
      }
      round.push(name);
      await new Promise((resolve) => setImmediate(resolve));
      return foundOf(name, new Map(Object.entries(side)).get(name) ?? 'A');
    },
    100,
  );
  expect(rounds).toEqual([['a', 'b', 'c'], ['d', 'e'], ['f']]);
});

test('a chain of 100,000 is gathered without recursion', async () => {
  const count = 100_000;
  const pathAt = (index: number) => storePathOf(`p${index}`);
  const { narInfo, ...found } = foundOf('any', 'A');
  const at = (index: number): FoundNarInfo => {
    const references = index + 1 < count ? [pathAt(index + 1)] : [];
    return { ...found, narInfo: { ...narInfo, storePath: pathAt(index), references } };
  };
  const world = await gatherWorld([at(0)], async ({ name }) => at(Number(name.slice(1))), 128);
  expect(world.size).toBe(count);
});
