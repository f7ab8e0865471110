import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { narinfosOf, narOf, recompressCache, writeCacheFiles } from './cacheFiles.ts';
import { COMPRESSIONS, compress, decompress } from './compress.ts';
import { readFileTree } from './fileTree.ts';
import { lazyChain, lazyCycle, lazyDiamond } from './lazyCache.ts';
import { alterNarinfo, narinfoField } from './narinfoText.ts';
import { sha256Field } from './nixbase32.ts';
import { describeWithNix, isolatedNix } from './realNix.ts';
import { serveStatic } from './staticCache.ts';
import { type SyntheticPath, syntheticCache, TEST_KEY } from './syntheticCache.ts';
import {
  directory,
  encodeNar,
  executable,
  file,
  fileTreeOf,
  nested,
  type SyntheticTree,
  symlink,
} from './syntheticTree.ts';
import { temporaryDirectory } from './temporaryDirectory.ts';

const TREE = directory([
  ['plain', file('contents\n')],
  ['empty', file('')],
  ['run', executable('#!/bin/sh\n')],
  ['link', symlink(Uint8Array.of(0x61, 0xff))],
  [')', directory()],
  ['__proto__', file('x')],
  [Uint8Array.of(0xff), file('not UTF-8')],
  ['deep', nested(20, file('bottom'))],
]);

const SPECS: readonly SyntheticPath[] = [
  { name: 'base', tree: TREE },
  { name: 'left', references: ['base'] },
  { name: 'right', references: ['right', 'base'], tree: (path) => file(path('right')) },
  { name: 'top', references: ['right', 'left', 'top'] },
  { name: 'link', tree: symlink('/nowhere') },
];

const ADDRESSED: readonly SyntheticPath[] = (
  [
    { method: 'text', algorithm: 'sha256' },
    { method: 'flat', algorithm: 'sha256' },
    { method: 'flat', algorithm: 'md5' },
    { method: 'recursive', algorithm: 'sha256' },
    { method: 'recursive', algorithm: 'sha512' },
  ] as const
).map((contentAddress) => ({
  name: `${contentAddress.method}-${contentAddress.algorithm}`,
  contentAddress,
  tree: file(`${contentAddress.algorithm}\n`),
  keys: [], // Nix has nothing but the CA to go by
}));

describeWithNix('synthetic caches', () => {
  it.each<[string, SyntheticTree]>([
    ['a directory', TREE],
    ['a file', file('one')],
    ['an executable', executable('')],
    ['a symlink', symlink('target')],
  ])('have NARs that Nix restores: %s', async (_name, tree) => {
    await using nix = await isolatedNix();
    await using directory = await temporaryDirectory();
    await writeCacheFiles(new Map([['nar', encodeNar(tree)]]), directory.path);
    const restored = join(directory.path, 'restored');
    // the path without its quotes: neither holds a character that a shell minds
    const command = `nix-store --restore ${restored} < ${join(directory.path, 'nar')}`;
    await nix.run(['-c', command], { program: 'sh' });
    expect(await readFileTree(restored)).toEqual(fileTreeOf(tree));
  });

  it.each(COMPRESSIONS)('are copied and verified: %s', async (compression) => {
    const cache = await syntheticCache(SPECS, { compression });
    await using server = await serveStatic(cache.files);
    await using nix = await isolatedNix();
    const store = nix.newStore();
    const publicKeys = [cache.publicKey];
    const paths = cache.paths.map(({ storePath }) => storePath);
    await nix.copy({ from: server.url, to: store, paths, publicKeys });
    await nix.verify(store, publicKeys);
    const base = await readFileTree(join(store, cache.storePath('base')));
    expect(base).toEqual(fileTreeOf(TREE));
  });

  it.each(ADDRESSED)('have content addresses that Nix believes: $name', async ({ name }) => {
    const cache = await syntheticCache(ADDRESSED);
    await using server = await serveStatic(cache.files);
    await using nix = await isolatedNix();
    const paths = [cache.storePath(name)];
    await nix.copy({ from: server.url, to: nix.newStore(), paths, publicKeys: [] });
    expect(server.paths(/^nar\//)).toEqual([cache.path(name).narFile]);
  });

  it('are refused by Nix where they lie', async () => {
    const cache = await syntheticCache([
      { name: 'liar', lie: { servedNar: () => encodeNar(file('something else')) } },
    ]);
    await using server = await serveStatic(cache.files);
    await using nix = await isolatedNix();
    const { status, stderr } = await nix.copy({
      from: server.url,
      to: nix.newStore(),
      paths: [cache.storePath('liar')],
      publicKeys: [cache.publicKey],
      mayFail: true,
    });
    expect(status).not.toBe(0);
    expect(stderr).toContain('hash mismatch');
  });

  it('can be computed instead of stored', async () => {
    const cache = lazyChain(30);
    await using server = await serveStatic(cache.source);
    await using nix = await isolatedNix();
    const store = nix.newStore();
    const publicKeys = [cache.publicKey];
    await nix.copy({ from: server.url, to: store, paths: [cache.storePath(0)], publicKeys });
    await nix.verify(store, publicKeys);
    expect(server.paths(/^nar\//)).toHaveLength(30);
  });
});

describe('syntheticCache', () => {
  it('gives the same bytes each time', async () => {
    const [one, two] = [await syntheticCache(SPECS), await syntheticCache(SPECS)];
    expect(one.files).toEqual(two.files);
  });

  it('sorts references unless told otherwise', async () => {
    const given = ['b', 'a', 'b'];
    const cache = await syntheticCache([
      { name: 'a' },
      { name: 'b' },
      { name: 'sorted', references: given },
      { name: 'given', references: given, referenceOrder: 'given' },
    ]);
    const baseNames = given.map((name) => cache.path(name).baseName);
    expect(cache.path('given').references).toEqual(baseNames);
    expect(cache.path('sorted').references).toEqual(baseNames.toSorted());
  });

  it('lies before and after signing', async () => {
    const NarSize = '1';
    const cache = await syntheticCache([
      { name: 'before', lie: { signed: { NarSize } } },
      { name: 'after', lie: { unsigned: { NarSize } } },
      { name: 'honest' },
    ]);
    const signatureOf = (name: string) => narinfoField(cache.path(name).narinfo, 'Sig');
    const sizeOf = (name: string) => narinfoField(cache.path(name).narinfo, 'NarSize');
    expect([sizeOf('before'), sizeOf('after')]).toEqual([NarSize, NarSize]);
    const { storePath, narHash } = cache.path('before');
    expect(signatureOf('before')).toBe(TEST_KEY.sign(`1;${storePath};${narHash};1;`));
    const { storePath: path, narHash: hash, nar } = cache.path('after');
    expect(signatureOf('after')).toBe(TEST_KEY.sign(`1;${path};${hash};${nar.length};`));
  });

  it('refuses references to nothing', async () => {
    await expect(syntheticCache([{ name: 'a', references: ['b'] }])).rejects.toThrow('called b');
  });
});

describe('recompressCache', () => {
  it.each(COMPRESSIONS)('keeps NARs and signatures: %s', async (compression) => {
    const cache = await syntheticCache(SPECS);
    const again = await recompressCache(cache.files, compression);
    for (const [name, narinfo] of narinfosOf(again)) {
      const original = narinfosOf(cache.files).get(name) ?? '';
      expect(narinfoField(narinfo, 'Sig')).toBe(narinfoField(original, 'Sig'));
      expect(sha256Field(await narOf(again, narinfo))).toBe(narinfoField(narinfo, 'NarHash'));
    }
  });
});

describe('compress', () => {
  it.each(['xz', 'gzip'] as const)('%s: several streams are one file', async (compression) => {
    const bytes = Buffer.from('one two three four');
    const streams = await compress(compression, bytes, 3);
    expect(await decompress(compression, streams)).toEqual(bytes);
    expect(streams).not.toEqual(await compress(compression, bytes));
  });
});

describe('lazy caches', () => {
  const referencesOf = (cache: ReturnType<typeof lazyChain>, index: number) => {
    const path = cache.storePath(index).slice('/nix/store/'.length);
    const narinfo = cache.source(`${path.slice(0, 32)}.narinfo`);
    return narinfoField(new TextDecoder().decode(narinfo), 'References');
  };
  const baseName = (cache: ReturnType<typeof lazyChain>, index: number) =>
    cache.storePath(index).slice('/nix/store/'.length);

  it('have the shape of their names', () => {
    const chain = lazyChain(100_000);
    expect(referencesOf(chain, 99_998)).toBe(baseName(chain, 99_999));
    expect(referencesOf(chain, 99_999)).toBe('');
    const diamond = lazyDiamond(1000);
    expect(referencesOf(diamond, 0)?.split(' ')).toHaveLength(1000);
    expect(referencesOf(diamond, 1000)).toBe(baseName(diamond, 1001));
    expect(referencesOf(diamond, 1001)).toBe('');
    const cycle = lazyCycle(3);
    expect(referencesOf(cycle, 2)).toBe(baseName(cycle, 0));
  });

  it('have nothing else', () => {
    const { source } = lazyChain(3);
    for (const path of ['nar/3.nar', '00000000000000000000000000000000.narinfo', 'x', 'nar/x']) {
      expect(source(path)).toBeUndefined();
    }
  });
});

describe('alterNarinfo', () => {
  const text = 'URL: a\nSig: one\nSig: two\n';
  it.each([
    ['replaces', { URL: 'b' }, 'URL: b\nSig: one\nSig: two\n'],
    ['replaces all of several', { Sig: 'x' }, 'URL: a\nSig: x\n'],
    ['adds', { CA: 'c' }, `${text}CA: c\n`],
    ['removes', { Sig: undefined }, 'URL: a\n'],
    ['takes dollars as they are', { URL: '$&$1' }, 'URL: $&$1\nSig: one\nSig: two\n'],
  ] as const)('%s', (_name, fields, expected) => {
    expect(alterNarinfo(text, fields)).toBe(expected);
  });
});
