/** What every VariantService does (src/pathinfo/variantService.ts), as tests. */
import { describe, expect, test } from 'vitest';
import type { VariantKey } from '../../src/pathinfo/currentView.ts';
import type { PathInfo } from '../../src/pathinfo/pathInfo.ts';
import type { PreferConflict, PreferResult } from '../../src/pathinfo/preferVariant.ts';
import type { VariantService } from '../../src/pathinfo/variantService.ts';
import { itemsOf } from './collect.ts';
import { BY_NOBODY, type PathInfoRecipe, pathInfoOf, plain } from './pathInfos.ts';

/** A service for one test. */
export interface OpenVariantService extends AsyncDisposable {
  readonly service: VariantService;
}

/** Words for variants, such as `dep B`: name and content. */
class World {
  readonly #service: VariantService;
  readonly #variants = new Map<string, PathInfo>();

  constructor(service: VariantService) {
    this.#service = service;
  }

  /** Puts `name content`, which refers to others by such words. */
  async put(
    words: string,
    references: readonly string[] = [],
    recipe: Partial<PathInfoRecipe> = {},
  ): Promise<void> {
    const [name = '', content = ''] = words.split(' ');
    const pathInfo = pathInfoOf({ name, content, references: references.map(this.get), ...recipe });
    this.#variants.set(words, pathInfo);
    await this.#service.put(pathInfo);
  }

  readonly get = (words: string): PathInfo => {
    const pathInfo = this.#variants.get(words);
    if (pathInfo === undefined) throw new Error(`${words} was not put`);
    return pathInfo;
  };

  readonly wordsOf = ({ closureDigest }: Pick<VariantKey, 'closureDigest'>): string => {
    const found = [...this.#variants].find(([, one]) => one.closureDigest.equals(closureDigest));
    return found?.[0] ?? 'unknown';
  };

  /** What is current, sorted. */
  async current(): Promise<string[]> {
    return (await itemsOf(this.#service.list())).map(this.wordsOf).sort();
  }

  async prefer(words: string): Promise<PreferResult> {
    const { storePath, closureDigest } = this.get(words);
    return await this.#service.prefer(storePath.digest, closureDigest);
  }

  /** `top B instead of top A`, sorted; or the conflicts in words. */
  async preferInWords(words: string): Promise<string[]> {
    const result = await this.prefer(words);
    if (result.outcome === 'refused') return result.conflicts.map(this.#conflict);
    return result.switched
      .map(({ closureDigest, previous }) => {
        const before = previous && this.wordsOf({ closureDigest: previous });
        return this.wordsOf({ closureDigest }) + (before ? ` instead of ${before}` : '');
      })
      .sort();
  }

  readonly #conflict = (conflict: PreferConflict): string => {
    switch (conflict.kind) {
      case 'missing':
        return `missing: ${this.wordsOf(conflict.variant)}`;
      case 'incoherent':
        return `both: ${conflict.variants.map(this.wordsOf).sort().join(', ')}`;
      case 'referrer':
        return `${this.wordsOf(conflict.referrer)} refers to ${this.wordsOf(conflict.reference)}`;
    }
  };
}

/** Two worlds over one base: `dep` differs, what stands on it has the same bytes. */
async function putTwoWorlds(world: World): Promise<void> {
  await world.put('base same');
  for (const letter of ['A', 'B']) {
    await world.put(`dep ${letter}`, ['base same']);
    await world.put(`app ${letter}`, [`dep ${letter}`], { selfReferring: true });
    await world.put(`top ${letter}`, [`app ${letter}`, 'base same']);
  }
}

const WORLD_A = ['app A', 'base same', 'dep A', 'top A'];
const WORLD_B = ['app B', 'base same', 'dep B', 'top B'];

/** Runs the contract. */
export function variantContract(name: string, open: () => Promise<OpenVariantService>): void {
  describe(`${name} as a VariantService`, () => {
    test('finds a variant by its closure digest alone, current or not', async () => {
      await using opened = await open();
      const { service } = opened;
      const world = new World(service);
      await putTwoWorlds(world);
      for (const words of [...WORLD_A, ...WORLD_B]) {
        const pathInfo = world.get(words);
        const found = await service.getByClosureDigest(pathInfo.closureDigest);
        expect(plain(found)).toEqual(plain(pathInfo));
      }
      const { closureDigest } = pathInfoOf({ name: 'absent' });
      expect(await service.getByClosureDigest(closureDigest)).toBeUndefined();
    });

    test('prefers a whole closure, and back again', async () => {
      await using opened = await open();
      const world = new World(opened.service);
      await putTwoWorlds(world);
      expect(await world.current()).toEqual(WORLD_A);
      expect(await world.preferInWords('top B')).toEqual([
        'app B instead of app A',
        'dep B instead of dep A',
        'top B instead of top A',
      ]);
      expect(await world.current()).toEqual(WORLD_B);
      const { storePath } = world.get('top A');
      const variants = await itemsOf(opened.service.listVariants(storePath.digest));
      expect(variants.map(world.wordsOf)).toEqual(['top B', 'top A']);
      await world.prefer('top A');
      expect(await world.current()).toEqual(WORLD_A);
    });

    test('tells what was asked for first', async () => {
      await using opened = await open();
      const world = new World(opened.service);
      await putTwoWorlds(world);
      expect(await world.prefer('app B')).toMatchObject({
        switched: ['app B', 'dep B', 'top B'].map((words) => {
          const { storePath, closureDigest } = world.get(words);
          return { digest: storePath.digest, closureDigest };
        }),
      });
    });

    test('switches nothing where all is current', async () => {
      await using opened = await open();
      const world = new World(opened.service);
      await putTwoWorlds(world);
      expect(await world.prefer('top A')).toEqual({ outcome: 'switched', switched: [] });
    });

    test('referrers follow into the world below them', async () => {
      await using opened = await open();
      const world = new World(opened.service);
      await putTwoWorlds(world);
      await world.prefer('dep B');
      expect(await world.current()).toEqual(WORLD_B);
    });

    test('a referrer of the other world alone is a conflict, and all stays', async () => {
      await using opened = await open();
      const world = new World(opened.service);
      await putTwoWorlds(world);
      await world.put('only A', ['app A']);
      await world.put('above A', ['only A']);
      expect(await world.preferInWords('dep B')).toEqual([
        'above A refers to only A',
        'only A refers to app A',
      ]);
      expect(await world.current()).toEqual([...WORLD_A, 'above A', 'only A'].sort());
    });

    test('what only changes bytes below a path that has no place there is no conflict', async () => {
      await using opened = await open();
      const world = new World(opened.service);
      await putTwoWorlds(world);
      await world.put('other same', ['base same']);
      await world.prefer('top B');
      expect(await world.current()).toEqual([...WORLD_B, 'other same'].sort());
    });

    test('does not move what need not move, not even for a referrer', async () => {
      await using opened = await open();
      const world = new World(opened.service);
      await world.put('dep A');
      await world.put('dep B');
      await world.put('apart A');
      await world.put('apart B');
      await world.put('top A', ['dep A', 'apart A']);
      await world.put('top B', ['dep B', 'apart B']);
      expect(await world.preferInWords('dep B')).toEqual(['top A refers to dep A']);
      expect(await world.current()).toEqual(['apart A', 'dep A', 'top A']);
      await world.prefer('top B');
      expect(await world.current()).toEqual(['apart B', 'dep B', 'top B']);
    });

    test('a closure with two variants of one path is refused, both named', async () => {
      await using opened = await open();
      const world = new World(opened.service);
      await putTwoWorlds(world);
      await world.put('frankenbuild of', ['app A', 'dep B']);
      expect(await world.preferInWords('frankenbuild of')).toEqual(['both: dep A, dep B']);
      expect(await world.current()).toEqual(WORLD_A);
    });

    test('a variant that is not kept is refused', async () => {
      await using opened = await open();
      const { service } = opened;
      await service.put(pathInfoOf({ name: 'dep', content: 'A' }));
      const { storePath, closureDigest } = pathInfoOf({ name: 'dep', content: 'B' });
      expect(await service.prefer(storePath.digest, closureDigest)).toMatchObject({
        outcome: 'refused',
        conflicts: [{ kind: 'missing', referrer: undefined, variant: { closureDigest } }],
      });
    });

    test('of several followers a verified one goes first, then one without mixed edges', async () => {
      await using opened = await open();
      const world = new World(opened.service);
      await world.put('dep A');
      await world.put('dep B');
      await world.put('app A', ['dep A']);
      for (const content of ['1', '2', '3', '4', '5']) {
        await world.put(`app unverified-${content}`, ['dep B'], { verification: BY_NOBODY });
        await world.put(`app mixed-${content}`, ['dep B'], { evidence: 'mixed' });
      }
      await world.put('app good', ['dep B'], { evidence: 'same' });
      await world.prefer('dep B');
      expect(await world.current()).toEqual(['app good', 'dep B']);
    });

    test('a referrer decides which variant follows below it', async () => {
      await using opened = await open();
      const world = new World(opened.service);
      await world.put('dep A');
      await world.put('dep B');
      await world.put('lib A', ['dep A']);
      const contents = ['1', '2', '3', '4', '5', '6'];
      for (const content of contents) await world.put(`lib ${content}`, ['dep B']);
      await world.put('top A', ['lib A']);
      await world.put('top B', ['lib 4'], { verification: BY_NOBODY });
      await world.prefer('dep B');
      expect(await world.current()).toEqual(['dep B', 'lib 4', 'top B']);
    });

    test('fills places that nobody could hold before', async () => {
      await using opened = await open();
      const world = new World(opened.service);
      await world.put('dep A');
      await world.put('dep B');
      await world.put('new B', ['dep B']);
      await world.put('newer B', ['new B']);
      expect(await world.current()).toEqual(['dep A']);
      expect(await world.preferInWords('dep B')).toEqual([
        'dep B instead of dep A',
        'new B',
        'newer B',
      ]);
      expect(await world.current()).toEqual(['dep B', 'new B', 'newer B']);
    });

    test('an unverified variant that was preferred stays until a verified one is put', async () => {
      await using opened = await open();
      const world = new World(opened.service);
      await world.put('dep A');
      await world.put('dep B', [], { verification: BY_NOBODY });
      await world.prefer('dep B');
      await world.put('dep A');
      expect(await world.current()).toEqual(['dep B']);
      await world.put('dep C');
      expect(await world.current()).toEqual(['dep C']);
    });

    test('goes through a long chain', async () => {
      await using opened = await open();
      const { service } = opened;
      const length = 3000;
      const heads: PathInfo[] = [];
      for (const letter of ['A', 'B']) {
        const chain: PathInfo[] = [];
        for (let i = 0; i < length; i++) {
          const content = i === 0 ? letter : 'same';
          chain.push(pathInfoOf({ name: `link-${i}`, content, references: chain.slice(-1) }));
        }
        await service.putAll(chain);
        heads.push(...chain.slice(0, 1));
      }
      const bottom = heads[1];
      if (bottom === undefined) throw new Error('there are two worlds');
      const result = await service.prefer(bottom.storePath.digest, bottom.closureDigest);
      expect(result.outcome === 'switched' && result.switched.length).toBe(length);
      expect(await itemsOf(service.list())).toHaveLength(length);
    });

    test('an abort stays an abort', async () => {
      await using opened = await open();
      const { service } = opened;
      const { storePath, closureDigest } = pathInfoOf({ name: 'any' });
      const signal = AbortSignal.abort(new Error('enough'));
      await expect(service.prefer(storePath.digest, closureDigest, { signal })).rejects.toThrow(
        'enough',
      );
      await expect(service.getByClosureDigest(closureDigest, { signal })).rejects.toThrow('enough');
    });
  });
}
