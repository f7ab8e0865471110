/**
 * A Frankenbuild made up by tests: two caches with the same store paths. `dep` has other bytes in
 * each; `refers` and `top` have the same bytes in both, above different ones; `base` is wholly the same.
 */
import {
  type SyntheticCache,
  type SyntheticPath,
  syntheticCache,
} from '../support/syntheticCache.ts';
import { directory, file, symlink } from '../support/syntheticTree.ts';
import { type MemoryCache, memoryWorlds } from './memoryCache.ts';

/** Which of the two. */
export type World = 'a' | 'b';

/** Both caches, and one set of services that holds the variants of both; those of `a` are current. */
export interface Frankenbuild {
  readonly caches: Readonly<Record<World, SyntheticCache>>;
  readonly cache: MemoryCache;
}

function pathsOf(world: World): SyntheticPath[] {
  return [
    { name: 'base' },
    {
      name: 'dep',
      references: ['base'],
      tree: (path) => directory({ bin: directory({ dep: file(`${world} on ${path('base')}`) }) }),
    },
    { name: 'refers', references: ['dep'], tree: (path) => symlink(path('dep')) },
    { name: 'top', references: ['refers', 'base', 'top'] },
    { name: 'apart', references: ['dep'] },
  ];
}

/** Makes both worlds. */
export async function frankenbuild(): Promise<Frankenbuild> {
  const [a, b] = [await syntheticCache(pathsOf('a')), await syntheticCache(pathsOf('b'))];
  return { caches: { a, b }, cache: await memoryWorlds([a.files, b.files]) };
}

/** The names in the closure of `top`. */
export const CLOSURE_OF_TOP = ['base', 'dep', 'refers', 'top'] as const;
