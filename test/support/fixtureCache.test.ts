/** The fixture is what its description says, by means that share nothing with `src`. */
import { verify } from 'node:crypto';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { narinfosOf, narOf, readCacheFiles } from './cacheFiles.ts';
import { readFileTree } from './fileTree.ts';
import { fixtureCache, fixturesByCompression, hashPartOfPath, nameOf } from './fixtureCache.ts';
import { fingerprint, narinfoField } from './narinfoText.ts';
import { sha256Field } from './nixbase32.ts';
import { describeWithNix, isolatedNix } from './realNix.ts';
import { parsePublicKey } from './signingKey.ts';
import { serveStatic } from './staticCache.ts';

const files = await readCacheFiles(fixtureCache.directory);
const narinfos = narinfosOf(files);
const key = parsePublicKey(fixtureCache.publicKey);

function narinfoOf(storePath: string): string {
  return narinfos.get(`${hashPartOfPath(storePath)}.narinfo`) ?? '';
}

describe('the fixture cache', () => {
  it('holds the closure and nothing else', () => {
    const storePaths = [...narinfos.values()].map((text) => narinfoField(text, 'StorePath'));
    expect(storePaths.sort()).toEqual(fixtureCache.closure);
    expect(fixtureCache.closure).toContain(fixtureCache.root);
    expect(fixtureCache.paths.map(({ storePath }) => storePath)).toEqual(fixtureCache.closure);
  });

  it('is closed under references', () => {
    const names = new Set(fixtureCache.closure.map((path) => path.replace('/nix/store/', '')));
    const references = new Set(fixtureCache.paths.flatMap((path) => path.references));
    expect(references.difference(names)).toEqual(new Set());
  });

  it('has the key that is said', () => {
    expect(fixtureCache.signingKey.publicKey).toBe(fixtureCache.publicKey);
  });

  it('stays small', () => {
    const total = [...files.values()].reduce((sum, { length }) => sum + length, 0);
    expect(total).toBeLessThan(1.5e6);
  });

  it.each(fixtureCache.paths.map((path) => ({ name: nameOf(path.storePath), path })))(
    '$name: NAR, fields and signature agree with the database of Nix',
    async ({ path }) => {
      const text = narinfoOf(path.storePath);
      const nar = await narOf(files, text);
      expect(sha256Field(nar)).toBe(path.narHash);
      expect(nar.length).toBe(path.narSize);
      expect(narinfoField(text, 'NarHash')).toBe(path.narHash);
      expect(narinfoField(text, 'NarSize')).toBe(String(path.narSize));
      expect(narinfoField(text, 'References')).toBe(path.references.join(' '));
      expect(narinfoField(text, 'Deriver')).toBe(path.deriver);
      expect(narinfoField(text, 'CA')).toBe(path.ca);
      const file = files.get(narinfoField(text, 'URL') ?? '') ?? new Uint8Array();
      expect(narinfoField(text, 'FileHash')).toBe(sha256Field(file));

      const references = path.references.map((name) => `/nix/store/${name}`);
      const message = fingerprint(path.storePath, path.narHash, `${path.narSize}`, references);
      const signature = narinfoField(text, 'Sig')?.replace('narthex-fixture-1:', '') ?? '';
      const signed = Buffer.from(signature, 'base64');
      expect(verify(undefined, Buffer.from(message), key, signed)).toBe(true);
    },
  );
});

describe('the fixtures by compression', () => {
  const [odd] = fixtureCache.paths.filter((path) => path.storePath === fixturesByCompression.root);

  it.each(fixturesByCompression.kinds)(
    '%s: one path, the same as in the fixture cache',
    async (kind) => {
      const cache = await readCacheFiles(fixturesByCompression.directory(kind));
      const [text = '', ...others] = narinfosOf(cache).values();
      expect(others).toEqual([]);
      expect(narinfoField(text, 'Compression')).toBe(kind);
      expect(narinfoField(text, 'NarHash')).toBe(odd?.narHash);
      expect(cache.has(narinfoField(text, 'URL') ?? '')).toBe(true);
    },
  );
});

describeWithNix('the fixture cache over HTTP', () => {
  it('is copied and verified by real Nix', async () => {
    await using server = await serveStatic(fixtureCache.directory);
    await using nix = await isolatedNix();
    const store = nix.newStore();
    const publicKeys = [fixtureCache.publicKey];
    await nix.copy({ from: server.url, to: store, paths: [fixtureCache.root], publicKeys });
    await nix.verify(store, publicKeys);
    const { stdout } = await nix.run(['path-info', '--all', '--store', store]);
    expect(stdout.trim().split('\n').sort()).toEqual(fixtureCache.closure);
    for (const { storePath, tree } of fixtureCache.paths) {
      expect(await readFileTree(join(store, storePath))).toEqual(tree);
    }
  });

  it('is refused by real Nix without its key', async () => {
    await using server = await serveStatic(fixtureCache.directory);
    await using nix = await isolatedNix();
    const { status, stderr } = await nix.copy({
      from: server.url,
      to: nix.newStore(),
      paths: [fixtureCache.path('single-file').storePath],
      publicKeys: [],
      mayFail: true,
    });
    expect(status).not.toBe(0);
    expect(stderr).toContain('signature');
  });
});
