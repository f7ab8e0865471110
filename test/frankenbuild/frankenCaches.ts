/**
 * Three caches of the same five store paths. `a` and `b` were built apart: `dep` and `embeds` have
 * other bytes, `base`, `refers` and `top` the same. `mixed` has all from `a` but `dep` from `b`: a
 * world that was never built.
 *
 *     top → refers, embeds    refers → dep    embeds → dep    dep → base
 */
import { join } from 'node:path';
import { StorePath } from '../../src/storePath.ts';
import { writeCacheFiles } from '../support/cacheFiles.ts';
import { unpackSharedCache } from '../support/sharedCaches.ts';
import { type SyntheticCache, syntheticCache } from '../support/syntheticCache.ts';
import { file } from '../support/syntheticTree.ts';
import { temporaryDirectory } from '../support/temporaryDirectory.ts';

/** The caches as directories. */
export interface FrankenCaches extends AsyncDisposable {
  readonly a: string;
  readonly b: string;
  readonly mixed: string;
  /** For `trusted-public-keys`. */
  readonly publicKey: string;
  path(name: FrankenName): StorePath;
}

/** The paths of all three. */
export const FRANKEN_NAMES = ['base', 'dep', 'refers', 'embeds', 'top'] as const;
export type FrankenName = (typeof FRANKEN_NAMES)[number];

/** What is needed for {@link realFrankenCaches}. */
export const FRANKEN_ARCHIVES = ['a', 'b', 'mixed'].map(
  (name) => `caches/franken-${name}-xz.tar.zst`,
);

function byName(paths: readonly string[]) {
  const known = new Map(paths.map((path) => [StorePath.parse(path).name, StorePath.parse(path)]));
  return (name: FrankenName): StorePath => {
    const path = known.get(name);
    if (path === undefined) throw new Error(`there is no ${name}`);
    return path;
  };
}

/** Those that Nix wrote. */
export async function realFrankenCaches(): Promise<FrankenCaches> {
  await using cleanup = new AsyncDisposableStack();
  const a = cleanup.use(await unpackSharedCache('franken-a-xz'));
  const b = cleanup.use(await unpackSharedCache('franken-b-xz'));
  const mixed = cleanup.use(await unpackSharedCache('franken-mixed-xz'));
  const owned = cleanup.move();
  return {
    a: a.directory,
    b: b.directory,
    mixed: mixed.directory,
    publicKey: a.publicKey,
    path: byName(a.info?.closure ?? []),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** The same, made up. */
export async function syntheticFrankenCaches(): Promise<FrankenCaches> {
  await using cleanup = new AsyncDisposableStack();
  const directory = cleanup.use(await temporaryDirectory('franken'));
  const write = async (cacheName: string, dep: string, embeds: string): Promise<SyntheticCache> => {
    const cache = await syntheticCache([
      { name: 'base', tree: file('base\n') },
      { name: 'dep', references: ['base'], tree: file(`dep, built at ${dep}\n`) },
      { name: 'refers', references: ['dep'], tree: (path) => file(path('dep')) },
      { name: 'embeds', references: ['dep'], tree: file(`holds dep, built at ${embeds}\n`) },
      { name: 'top', references: ['refers', 'embeds'], tree: file('top\n') },
    ]);
    await writeCacheFiles(cache.files, join(directory.path, cacheName));
    return cache;
  };
  const { publicKey, paths } = await write('a', 'one', 'one');
  await write('b', 'two', 'two');
  await write('mixed', 'two', 'one');
  const owned = cleanup.move();
  return {
    a: join(directory.path, 'a'),
    b: join(directory.path, 'b'),
    mixed: join(directory.path, 'mixed'),
    publicKey,
    path: byName(paths.map(({ storePath }) => storePath)),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
