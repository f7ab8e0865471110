/** `test/fixtures`: the signed binary cache that real Nix wrote, and what is known about it. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { FileTree } from './fileTree.ts';
import { parseSigningKey, type SigningKey } from './signingKey.ts';

/** One store path of the fixture, as Nix's database had it before the cache was written. */
export interface FixturePath {
  readonly storePath: string;
  /** `sha256:` and nixbase32. */
  readonly narHash: string;
  /** Bytes. */
  readonly narSize: number;
  /** Base names, sorted. */
  readonly references: readonly string[];
  /** Base name of a `.drv`. */
  readonly deriver?: string;
  readonly ca?: string;
  /** What was in the file system. */
  readonly tree: FileTree;
}

/** `test/fixtures/cache.json`. */
interface FixtureDescription {
  readonly root: string;
  readonly publicKey: string;
  readonly compressions: { readonly root: string; readonly kinds: readonly string[] };
  readonly closure: readonly string[];
  readonly paths: readonly FixturePath[];
}

const fixtures = new URL('../fixtures/', import.meta.url);
const read = (name: string) => readFileSync(new URL(name, fixtures), 'utf8');

// the file is made by our own script, and `test/support/fixtureCache.test.ts` checks it
const description = JSON.parse(read('cache.json')) as FixtureDescription;

/** The fixture cache (xz). */
export const fixtureCache = {
  /** The cache's directory, absolute. */
  directory: fileURLToPath(new URL('cache', fixtures)),
  /** Store path whose closure is all of the cache. */
  root: description.root,
  /** All store paths, sorted. */
  closure: description.closure,
  /** For `trusted-public-keys`. */
  publicKey: description.publicKey,
  /** The throw-away key that signed it. */
  get signingKey(): SigningKey {
    return parseSigningKey(read('cache.sec'));
  },
  /** In the order of `closure`. */
  paths: description.paths,
  /**
   * The path of a name like `odd-names-1.0`; the first where two have it.
   * @throws an `Error` for a name that is not there
   */
  path(name: string): FixturePath {
    const found = description.paths.find(({ storePath }) => nameOf(storePath) === name);
    if (found === undefined) throw new Error(`the fixture has no ${name}`);
    return found;
  },
} as const;

/** Caches of one path ({@link fixturesByCompression}'s root), each compressed otherwise by Nix. */
export const fixturesByCompression = {
  /** The store path that each of them holds, described by `fixtureCache.path('odd-names-1.0')`. */
  root: description.compressions.root,
  /** Names of compressions as narinfos spell them, also such as no one decodes. */
  kinds: description.compressions.kinds,
  /** A kind's cache, absolute. */
  directory: (kind: string) => fileURLToPath(new URL(`compressions/${kind}`, fixtures)),
} as const;

const HASH_PART_LENGTH = 32;
const STORE_PREFIX_LENGTH = '/nix/store/'.length;

/** The hash part of a full store path. */
export function hashPartOfPath(storePath: string): string {
  return storePath.slice(STORE_PREFIX_LENGTH, STORE_PREFIX_LENGTH + HASH_PART_LENGTH);
}

/** The name of a full store path, after the hash part and its dash. */
export function nameOf(storePath: string): string {
  return storePath.slice(STORE_PREFIX_LENGTH + HASH_PART_LENGTH + 1);
}
