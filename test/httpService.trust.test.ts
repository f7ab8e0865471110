/** What is kept already: whether it is good enough, and what becomes of it if it is not. */
import { describe, expect, test } from 'vitest';
import type { PathInfo } from '../src/pathinfo/pathInfo.ts';
import {
  digestOf,
  ingestAll,
  renderedNarHash,
  type Services,
  serviceOver,
  storeServices,
  variantsOf,
} from './ingest/serviceHarness.ts';
import { testKey } from './support/signingKey.ts';
import { serveStatic } from './support/staticCache.ts';
import { type SyntheticPath, syntheticCache, TEST_KEY } from './support/syntheticCache.ts';
import { file } from './support/syntheticTree.ts';

const NAR = /^nar\//;
const OTHER_KEY = testKey('other-1');
const byTestKey = { by: 'key', publicKey: TEST_KEY.publicKey };

/** Mirrors a cache of `specs` without looking at signatures, so that nobody vouches for it. */
async function keepUnverified(services: Services, specs: readonly SyntheticPath[]) {
  const cache = await syntheticCache(specs);
  await using server = await serveStatic(cache.files);
  await using service = serviceOver(services, {
    baseUrl: server.url,
    checkSignatures: false,
    publicKeys: [],
  });
  const paths = cache.paths.map(({ storePath }) => storePath);
  expect(await ingestAll(service, paths)).toEqual(paths.map(() => 'kept'));
  return cache;
}

async function currentOf(services: Services, storePath: string): Promise<PathInfo> {
  const pathInfo = await services.pathInfoService.get(digestOf(storePath));
  if (pathInfo === undefined) throw new Error(`${storePath} is not current`);
  return pathInfo;
}

describe('what was kept unverified', () => {
  test('with signatures that are good here: verified anew, and nobody is asked', async () => {
    await using services = await storeServices();
    const cache = await keepUnverified(services, [
      { name: 'top', references: ['base'] },
      { name: 'base' },
    ]);
    expect((await currentOf(services, cache.storePath('top'))).claim.verified).toBe(false);
    await using server = await serveStatic(cache.files);
    await using service = serviceOver(services, { baseUrl: server.url });
    const top = await service.get(digestOf(cache.storePath('top')));
    expect(top?.claim.verification).toEqual(byTestKey);
    expect(server.requests).toEqual([]);
    for (const { storePath } of cache.paths) {
      expect((await currentOf(services, storePath)).claim.verification).toEqual(byTestKey);
      expect((await variantsOf(services, storePath)).length).toBe(1);
    }
  });

  test('without signatures: its narinfo is asked for, its NAR is known', async () => {
    await using services = await storeServices();
    const unsigned = await keepUnverified(services, [
      { name: 'top', references: ['base'], keys: [] },
      { name: 'base', keys: [] },
    ]);
    const signed = await syntheticCache([{ name: 'top', references: ['base'] }, { name: 'base' }]);
    await using server = await serveStatic(signed.files);
    await using service = serviceOver(services, { baseUrl: server.url });
    const top = await service.get(digestOf(unsigned.storePath('top')));
    expect(top?.claim.verification).toEqual(byTestKey);
    expect(server.paths(NAR)).toEqual([]);
    expect(server.paths(/narinfo$/).length).toBe(2);
    for (const { storePath } of signed.paths) {
      const [current, ...others] = await variantsOf(services, storePath);
      expect(others).toEqual([]);
      expect(current?.claim.verification).toEqual(byTestKey);
      expect(current?.claim.signatures.length).toBe(1);
      // the claim that is believed is the one that was signed
      expect(current?.claim.origin).toBe(server.url);
    }
  });

  test('with other content: the verified variant comes beside it and becomes current', async () => {
    await using services = await storeServices();
    const evil = await keepUnverified(services, [{ name: 'thing', keys: [], tree: file('evil') }]);
    const honest = await syntheticCache([{ name: 'thing', tree: file('honest') }]);
    await using server = await serveStatic(honest.files);
    await using service = serviceOver(services, { baseUrl: server.url });
    const thing = await service.get(digestOf(honest.storePath('thing')));
    if (thing === undefined) throw new Error('it is there');
    expect(thing.claim.verification).toEqual(byTestKey);
    expect(await renderedNarHash(services, thing)).toBe(honest.path('thing').narHash);
    const variants = await variantsOf(services, honest.storePath('thing'));
    expect(variants.map(({ claim }) => claim.narHash.toNixbase32())).toEqual([
      honest.path('thing').narHash,
      evil.path('thing').narHash,
    ]);
    expect((await currentOf(services, honest.storePath('thing'))).sameVariant(thing)).toBe(true);
    server.forget();
    await service.get(digestOf(honest.storePath('thing')));
    expect(server.requests).toEqual([]);
  });

  test('below a verified path: the closure is not good enough, and is made so', async () => {
    await using services = await storeServices();
    const cache = await syntheticCache([{ name: 'top', references: ['base'] }, { name: 'base' }]);
    const lax = { checkSignatures: false, publicKeys: [] };
    {
      // the base by nobody, with its signatures taken out
      const unsigned = await syntheticCache([{ name: 'base', keys: [] }]);
      await using server = await serveStatic(unsigned.files);
      await using service = serviceOver(services, { baseUrl: server.url, ...lax });
      await ingestAll(service, [cache.storePath('base')]);
    }
    {
      // the top above it, verified, by someone who takes any base
      await using server = await serveStatic(cache.files);
      await using service = serviceOver(services, { baseUrl: server.url, checkSignatures: false });
      await ingestAll(service, [cache.storePath('top')]);
      expect(server.paths(/narinfo$/)).toEqual([cache.path('top').narinfoFile]);
    }
    expect((await currentOf(services, cache.storePath('top'))).claim.verified).toBe(true);
    expect((await currentOf(services, cache.storePath('base'))).claim.verified).toBe(false);

    await using server = await serveStatic(cache.files);
    await using service = serviceOver(services, { baseUrl: server.url });
    expect(await ingestAll(service, [cache.storePath('top')])).toEqual(['kept']);
    expect((await currentOf(services, cache.storePath('base'))).claim.verification).toEqual(
      byTestKey,
    );
    expect(server.paths(NAR)).toEqual([]);
  });

  test('and that no upstream vouches for: refused, and kept as it was', async () => {
    await using services = await storeServices();
    const cache = await keepUnverified(services, [{ name: 'thing', keys: [] }]);
    await using server = await serveStatic(cache.files);
    await using service = serviceOver(services, { baseUrl: server.url });
    expect(await ingestAll(service, [cache.storePath('thing')])).toEqual(['SIGNATURE_MISSING']);
    const [only, ...others] = await variantsOf(services, cache.storePath('thing'));
    expect(only?.claim.verification).toEqual({ by: 'nobody' });
    expect(others).toEqual([]);
  });

  test('is good enough for whoever does not check', async () => {
    await using services = await storeServices();
    const cache = await keepUnverified(services, [{ name: 'thing', keys: [] }]);
    await using service = serviceOver(services, {
      baseUrl: 'http://127.0.0.1:1',
      checkSignatures: false,
    });
    expect(await ingestAll(service, [cache.storePath('thing')])).toEqual(['kept']);
  });
});

describe('what another key verified', () => {
  test('is asked for again by one who does not trust that key', async () => {
    await using services = await storeServices();
    const others = await syntheticCache([{ name: 'thing', keys: [OTHER_KEY] }]);
    {
      await using server = await serveStatic(others.files);
      await using service = serviceOver(services, {
        baseUrl: server.url,
        publicKeys: [OTHER_KEY.publicKey],
      });
      expect(await ingestAll(service, [others.storePath('thing')])).toEqual(['kept']);
    }
    const ours = await syntheticCache([{ name: 'thing' }]);
    await using server = await serveStatic(ours.files);
    await using service = serviceOver(services, { baseUrl: server.url });
    expect(await ingestAll(service, [ours.storePath('thing')])).toEqual(['kept']);
    expect(server.paths(/narinfo$/).length).toBe(1);
    expect(server.paths(NAR)).toEqual([]);
    // both signatures are there now, and nobody has to be asked again
    const [kept] = await variantsOf(services, ours.storePath('thing'));
    expect(kept?.claim.signatures.map(({ keyName }) => keyName).sort()).toEqual(
      [OTHER_KEY.name, TEST_KEY.name].sort(),
    );
    server.forget();
    expect(await ingestAll(service, [ours.storePath('thing')])).toEqual(['kept']);
    expect(server.requests).toEqual([]);
  });
});

test('a NarSize that does not fit the content known by that NarHash is refused', async () => {
  await using services = await storeServices();
  await keepUnverified(services, [{ name: 'thing', keys: [] }]);
  const lying = await syntheticCache([{ name: 'thing', lie: { signed: { NarSize: '999' } } }]);
  await using server = await serveStatic(lying.files);
  await using service = serviceOver(services, { baseUrl: server.url });
  expect(await ingestAll(service, [lying.storePath('thing')])).toEqual(['NAR_SIZE_MISMATCH']);
  expect(server.paths(NAR)).toEqual([]);
});
