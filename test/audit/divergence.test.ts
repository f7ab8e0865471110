/** The divergence map: what caches say about paths, side by side. */
import { describe, expect, test } from 'vitest';
import { type AskedPath, divergences, type PathDivergence } from '../../src/audit/divergence.ts';
import { DivergenceTally } from '../../src/audit/divergenceTally.ts';
import type { Witness } from '../../src/audit/witness.ts';
import { parseStorePathQuery } from '../../src/storePath.ts';
import { hashPartOf } from '../support/nixbase32.ts';
import { testKey } from '../support/signingKey.ts';
import {
  type SyntheticCache,
  type SyntheticPath,
  syntheticCache,
  TEST_KEY,
} from '../support/syntheticCache.ts';
import { file } from '../support/syntheticTree.ts';
import { deadWitness, witnessOf } from './auditHarness.ts';
import { worlds } from './keptWorlds.ts';

const OTHER_KEY = testKey('other-1');
const make = (paths: readonly SyntheticPath[]) => syntheticCache(paths, { compression: 'none' });
const ask = (cache: SyntheticCache, name: string) => parseStorePathQuery(cache.storePath(name));

async function mapOf(
  paths: Iterable<AskedPath> | AsyncIterable<AskedPath>,
  witnesses: readonly Witness[],
  inFlight?: number,
): Promise<PathDivergence[]> {
  return await Array.fromAsync(divergences(paths, witnesses, { inFlight }));
}

/** `agree: 1 2 | 3`: the agreement, and the caches by content. */
function inWords({ agreement, contents, silent }: PathDivergence): string {
  const groups = contents.map(({ caches }) => caches.map(({ url }) => url).join(' '));
  const others = silent.map(({ url, outcome }) => `${url} ${outcome}`);
  return `${agreement}: ${[groups.join(' | '), ...others].filter((part) => part !== '').join(', ')}`;
}

describe('divergences', () => {
  test('three worlds: who has what, what most have first', async () => {
    const { a, b, mixed } = await worlds();
    const witnesses = [
      witnessOf('a', a.files),
      witnessOf('b', b.files),
      witnessOf('m', mixed.files),
    ];
    const names = ['top', 'dep', 'embeds', 'base'];
    const map = await mapOf(
      names.map((name) => ask(a, name)),
      witnesses,
    );
    expect(map.map(inWords)).toEqual([
      'agree: a b m',
      'differ: b m | a',
      'differ: a m | b',
      'agree: a b m',
    ]);
    expect(map[1]?.contents.map(({ narHash }) => narHash.toNixbase32())).toEqual([
      b.path('dep').narHash,
      a.path('dep').narHash,
    ]);
  });

  test('absent, alone, nowhere, not verified, not reached, other references, other signers', async () => {
    const tree = file('the same');
    const one = await make([
      { name: 'base' },
      { name: 'alone' },
      { name: 'forged' },
      { name: 'refs', tree },
      { name: 'signed', tree },
    ]);
    const two = await make([
      { name: 'base' },
      { name: 'forged', keys: [] },
      { name: 'refs', tree, references: ['base'] },
      { name: 'signed', tree, keys: [TEST_KEY, OTHER_KEY] },
    ]);
    const witnesses = [witnessOf('1', one.files), witnessOf('2', two.files)];
    const nowhere = parseStorePathQuery(hashPartOf('nowhere'));
    const paths = [...['alone', 'forged', 'refs', 'signed'].map((name) => ask(one, name)), nowhere];
    const map = await mapOf(paths, witnesses);
    expect(map.map(inWords)).toEqual([
      'alone: 1, 2 absent',
      'alone: 1, 2 unverified',
      'referencesDiffer: 1 | 2',
      'agree: 1 2',
      'nowhere: 1 absent, 2 absent',
    ]);
    expect(map[3]?.contents[0]?.caches.map(({ signedBy }) => signedBy)).toEqual([
      ['narthex-test-1'],
      ['narthex-test-1', 'other-1'],
    ]);
    expect(map[4]?.storePath).toBeUndefined();
    const withDead = await mapOf(paths.slice(0, 1), [...witnesses, deadWitness()]);
    expect(withDead.map(inWords)).toEqual(['alone: 1, 2 absent, https://dead unreachable']);
  });

  test('a hash part is enough, and gets its name', async () => {
    const cache = await make([{ name: 'base' }]);
    const path = parseStorePathQuery(cache.path('base').hashPart);
    const [found] = await mapOf([path], [witnessOf('1', cache.files), witnessOf('2', cache.files)]);
    expect(found?.storePath?.absolute).toBe(cache.storePath('base'));
  });

  test('in the order of the paths, so many at once and no more', async () => {
    const names = Array.from({ length: 40 }, (_, i) => `p${i}`);
    const cache = await make(names.map((name) => ({ name })));
    let active = 0;
    let peak = 0;
    let turn = 0;
    const slow = witnessOf('slow', cache.files, async () => {
      peak = Math.max(peak, ++active);
      // later ones overtake
      for (let i = 0; i < 7 - (turn++ % 7); i++) await new Promise(setImmediate);
      active--;
    });
    const map = await mapOf(
      names.map((name) => ask(cache, name)),
      [slow, slow],
      5,
    );
    expect(map.map(({ storePath }) => storePath?.name)).toEqual(names);
    expect(peak).toBe(2 * 5);
  });

  test('leaving early waits for what is under way and asks nothing more', async () => {
    const names = Array.from({ length: 40 }, (_, i) => `p${i}`);
    const cache = await make(names.map((name) => ({ name })));
    let asked = 0;
    let answered = 0;
    const witness = witnessOf('w', cache.files, async () => {
      asked++;
      await new Promise(setImmediate);
      answered++;
    });
    let left = false;
    async function* paths() {
      try {
        for (const name of names) yield ask(cache, name);
      } finally {
        left = true;
      }
    }
    for await (const _ of divergences(paths(), [witness, witness], { inFlight: 4 })) break;
    expect(left).toBe(true);
    expect(asked).toBeLessThanOrEqual(8);
    expect(answered).toBe(asked);
  });

  test('an abort ends it with its reason', async () => {
    const cache = await make([{ name: 'base' }]);
    const reason = new Error('enough');
    const map = divergences([ask(cache, 'base')], [witnessOf('w', cache.files)], {
      signal: AbortSignal.abort(reason),
    });
    await expect(map.next()).rejects.toBe(reason);
  });
});

describe('DivergenceTally', () => {
  test('counts paths, caches and packages', async () => {
    const at = (bytes: string) => [
      { name: 'hello-2.10', tree: file(bytes) },
      { name: 'hello-2.12-man', tree: file('same') },
      { name: 'zlib-1.3', tree: file(bytes) },
      { name: 'zlib-1.2', tree: file(bytes) },
      { name: 'perl5.38-CPAN', tree: file('same') },
    ];
    const [one, two] = [await make(at('1')), await make([...at('2'), { name: 'only-1' }])];
    const witnesses = [witnessOf('1', one.files), witnessOf('2', two.files), deadWitness()];
    const paths = [...two.paths].map(({ storePath }) => parseStorePathQuery(storePath));
    const tally = new DivergenceTally(witnesses.map(({ url }) => url));
    expect([tally.hasFindings, tally.isIncomplete]).toEqual([false, false]);
    for (const divergence of await mapOf(paths, witnesses)) tally.add(divergence);
    expect(tally.paths).toBe(6);
    expect(tally.agreements).toEqual({
      agree: 2,
      differ: 3,
      referencesDiffer: 0,
      alone: 1,
      nowhere: 0,
    });
    expect(tally.notReproducible).toEqual([
      { name: 'zlib', compared: 2, differing: 2 },
      { name: 'hello', compared: 2, differing: 1 },
    ]);
    expect(tally.silent.get('1')).toMatchObject({ absent: 1, unreachable: 0, unverified: 0 });
    expect(tally.silent.get('https://dead')).toMatchObject({ unreachable: 6 });
    expect([tally.hasFindings, tally.isIncomplete]).toEqual([true, true]);
  });
});
