/** What benchmarks run on: packages as store paths, and caches that are made on demand. */
import { describe, expect, test } from 'vitest';
import type { DebianPackage } from '../../scripts/bench/data/debianPackages.ts';
import { storePackages } from '../../scripts/bench/data/storePackage.ts';
import {
  type SyntheticSpec,
  syntheticCache,
  syntheticPath,
  syntheticReferences,
} from '../../scripts/bench/data/syntheticCache.ts';
import { concatBytes } from '../../src/bytes.ts';
import { hashBytes } from '../../src/hash.ts';
import { fingerprint } from '../../src/narinfo/fingerprint.ts';
import { parseNarInfo } from '../../src/narinfo/parse.ts';
import { SecretKey } from '../../src/signature.ts';

describe('storePackages', () => {
  const debian = (name: string, dependencies: string[], version = '1'): DebianPackage => ({
    name,
    version,
    sha256: hashBytes('sha256', Buffer.from(`${name} ${version}`)).toNixbase32(),
    sizeBytes: 1,
    dependencies,
  });
  const shown = (packages: readonly DebianPackage[]) =>
    storePackages(packages).map(({ debian: { name }, references }) => [
      name,
      references.map((reference) => reference.name),
    ]);

  test('come after what they refer to', () => {
    const packages = [debian('top', ['middle', 'base']), debian('base', []), debian('middle', [])];
    expect(shown(packages)).toEqual([
      ['middle', []],
      ['base', []],
      ['top', ['middle-1', 'base-1']],
    ]);
  });

  test('lose references that would close a cycle, to themselves, and to what is not there', () => {
    expect(shown([debian('a', ['b', 'a', 'gone']), debian('b', ['a'])])).toEqual([
      ['b', []],
      ['a', ['b-1']],
    ]);
  });

  test('get another path where something below them has another version', () => {
    const pathOfTop = (version: string) =>
      storePackages([debian('top', ['base']), debian('base', [], version)]).at(-1)?.storePath;
    expect(pathOfTop('1')?.name).toBe('top-1');
    expect(pathOfTop('1')?.absolute).not.toBe(pathOfTop('2')?.absolute);
    expect(pathOfTop('2')?.absolute).toBe(pathOfTop('2')?.absolute);
  });

  test('have names that Nix takes', () => {
    const [only] = storePackages([debian('g++', [], '1:2~rc+b1')]);
    expect(only?.storePath.name).toBe('g++-1-2-rc+b1');
  });
});

describe('syntheticCache', () => {
  const key = SecretKey.generate('bench-test-1');
  const spec: SyntheticSpec = {
    paths: 40,
    layers: 6,
    fileBytes: 300_000, // more than one piece
    secretKey: key.toString(),
  };
  const cache = syntheticCache(spec);
  const read = (path: string) => {
    const file = cache.file(path);
    const bytes = concatBytes([...(file?.pieces() ?? [])]);
    expect(bytes.length).toBe(file?.sizeBytes);
    return bytes;
  };

  test('has narinfos that are signed, and the NARs that they tell of', () => {
    const narInfo = parseNarInfo(read(`${syntheticPath(7).hashPart}.narinfo`));
    const nar = read(narInfo.url);
    expect(nar.length).toBe(narInfo.narSize);
    expect(hashBytes('sha256', nar).equals(narInfo.narHash)).toBe(true);
    const [signature] = narInfo.signatures;
    expect(signature && key.publicKey.verify(fingerprint(narInfo, 'sorted'), signature)).toBe(true);
  });

  test('has a file that is different for each path, and half of it compresses away', () => {
    const [first, second] = [read('nar/1.nar'), read('nar/2.nar')];
    expect(first).not.toEqual(second);
    expect(first.subarray(200).every((byte) => byte < 16 || byte === 0x29)).toBe(true);
  });

  test('lacks what it lacks', () => {
    expect(cache.file(`${syntheticPath(40).hashPart}.narinfo`)).toBeUndefined();
    expect(cache.file('nar/40.nar')).toBeUndefined();
    expect(cache.file('nar/x.nar')).toBeUndefined();
  });

  test.each([
    { paths: 1, layers: 1, depth: 1 },
    { paths: 40, layers: 6, depth: 6 },
    { paths: 1000, layers: 10, depth: 10 },
    { paths: 100, layers: 100, depth: 100 },
  ])('of $paths paths: all can be reached, $depth deep', ({ depth, ...size }) => {
    // the longest way to each, since references have higher numbers
    const depths = new Map([[0, 1]]);
    for (let index = 0; index < size.paths; index++) {
      const own = depths.get(index);
      expect(own, `path ${index} cannot be reached`).toBeDefined();
      for (const reference of syntheticReferences(index, size)) {
        expect(reference).toBeGreaterThan(index);
        depths.set(reference, Math.max(depths.get(reference) ?? 0, (own ?? 0) + 1));
      }
    }
    expect(depths.size).toBe(size.paths);
    expect(Math.max(...depths.values())).toBe(depth);
  });
});
