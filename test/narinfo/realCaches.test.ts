/** Narinfos of real caches: the fixture, those beside the checkout, cache.nixos.org's own. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseCacheInfo } from '../../src/narinfo/cacheInfo.ts';
import { isStorePathOf } from '../../src/narinfo/contentAddress.ts';
import { parseNarInfo } from '../../src/narinfo/parse.ts';
import { renderNarInfo } from '../../src/narinfo/render.ts';
import { requireVerified } from '../../src/narinfo/verify.ts';
import { CACHE_NIXOS_ORG_KEY, type PublicKey, parsePublicKeys } from '../../src/signature.ts';
import { fixtureCache } from '../support/fixtureCache.ts';
import {
  describeWithShared,
  sharedCacheNames,
  sharedFile,
  unpackSharedCache,
} from '../support/sharedCaches.ts';

const NARINFO_SUFFIX = '.narinfo';

/** Everything that must hold of a narinfo that Nix wrote and signed. */
function check(bytes: Uint8Array, keys: readonly PublicKey[], hashPart?: string): void {
  const info = parseNarInfo(bytes);
  if (hashPart !== undefined) expect(info.storePath.hashPart).toBe(hashPart);
  expect(requireVerified(info, keys).kind).toBe('key');
  if (info.ca !== undefined) {
    expect(isStorePathOf(info.ca, info.storePath, info.references)).toBe(true);
  }
  const again = Buffer.from(renderNarInfo(info));
  expect(parseNarInfo(again)).toEqual(info);
}

/** Checks all narinfos of a cache. @returns how many there were, and how many of them had a CA */
function checkCache(directory: string, keys: readonly PublicKey[]): { all: number; ca: number } {
  expect(parseCacheInfo(readFileSync(join(directory, 'nix-cache-info')))).toMatchObject({
    storeDir: '/nix/store',
  });
  const names = readdirSync(directory).filter((name) => name.endsWith(NARINFO_SUFFIX));
  let ca = 0;
  for (const name of names) {
    const bytes = readFileSync(join(directory, name));
    check(bytes, keys, name.slice(0, -NARINFO_SUFFIX.length));
    // Nix's own text, to the letter
    expect(renderNarInfo(parseNarInfo(bytes))).toBe(bytes.toString());
    if (parseNarInfo(bytes).ca !== undefined) ca++;
  }
  return { all: names.length, ca };
}

describe('the fixture cache', () => {
  it('verifies', () => {
    const { all, ca } = checkCache(fixtureCache.directory, parsePublicKeys(fixtureCache.publicKey));
    expect(all).toBe(fixtureCache.closure.length);
    expect(ca).toBe(fixtureCache.paths.filter((path) => path.ca !== undefined).length);
  });
});

describeWithShared('caches beside the checkout', ['caches/public'], () => {
  it.each(sharedCacheNames)('%s verifies', async (name) => {
    await using cache = await unpackSharedCache(name);
    const { all, ca } = checkCache(cache.directory, parsePublicKeys(cache.publicKey));
    expect(all).toBeGreaterThan(0);
    // the `small` caches hold every kind of content address that Nix 2.8 makes
    if (name.startsWith('small-')) expect(ca).toBeGreaterThan(10);
  });
});

describeWithShared(
  'narinfos of cache.nixos.org',
  ['corpus/narinfos-60.txt', 'corpus/net-tools-1.60.narinfo'],
  () => {
    it('verify with its key', () => {
      const texts = readFileSync(sharedFile('corpus/narinfos-60.txt'), 'latin1')
        .split(/\n\n+/)
        .filter((text) => text !== '');
      expect(texts).toHaveLength(60);
      for (const text of texts) {
        check(Buffer.from(`${text.trimEnd()}\n`, 'latin1'), [CACHE_NIXOS_ORG_KEY]);
      }
    });

    it('verify where another cache has signed too', () => {
      const bytes = readFileSync(sharedFile('corpus/net-tools-1.60.narinfo'));
      check(bytes, [CACHE_NIXOS_ORG_KEY]);
      expect(parseNarInfo(bytes).signatures.map(({ keyName }) => keyName)).toEqual([
        'cache.nixos.org-1',
        'hydra.other.net-1',
      ]);
    });
  },
);
