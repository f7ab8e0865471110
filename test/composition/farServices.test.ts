/** A store that brings in what it lacks, and exactly that. */
import { request } from 'undici';
import { describe, expect, test } from 'vitest';
import { fillFrom } from '../../src/composition/farServices.ts';
import { serveStore } from '../../src/composition/serveStore.ts';
import { fingerprint } from '../../src/narinfo/fingerprint.ts';
import { parseNarInfo } from '../../src/narinfo/parse.ts';
import { PathInfo } from '../../src/pathinfo/pathInfo.ts';
import { parsePublicKeys, SecretKey } from '../../src/signature.ts';
import { StorePath } from '../../src/storePath.ts';
import { itemsOf } from '../contracts/collect.ts';
import { temporaryStore } from '../store/temporaryStore.ts';
import { fixtureCache } from '../support/fixtureCache.ts';
import { serveStatic } from '../support/staticCache.ts';
import { syntheticCache } from '../support/syntheticCache.ts';
import { upstreamsAt } from './upstreams.ts';

const trustedKeys = parsePublicKeys(fixtureCache.publicKey);
const root = StorePath.parse(fixtureCache.root);
const pathsOf = async (store: Awaited<ReturnType<typeof temporaryStore>>['store']) =>
  (await itemsOf(store.pathInfos.list())).map(({ storePath }) => storePath.absolute).sort();

describe('a store before a binary cache', () => {
  test('ends with exactly the closure that was asked for, and asks no more', async () => {
    await using upstream = await serveStatic(fixtureCache.directory);
    await using opened = await temporaryStore();
    const { store } = opened;
    await using filled = await fillFrom(store, {
      upstreams: await upstreamsAt([upstream.url], trustedKeys),
    });
    expect((await filled.pathInfoService.get(root.digest))?.storePath.absolute).toBe(root.absolute);
    expect(await pathsOf(store)).toEqual([...fixtureCache.closure].sort());
    const { length } = upstream.requests;
    await filled.pathInfoService.get(root.digest);
    expect(upstream.requests).toHaveLength(length);
  });

  test('brings in no more than one path where that needs no more', async () => {
    await using opened = await temporaryStore();
    const { store } = opened;
    const { storePath } = fixtureCache.path('large-1.0');
    const addresses = [fixtureCache.directory];
    await using filled = await fillFrom(store, {
      upstreams: await upstreamsAt(addresses, trustedKeys),
    });
    await filled.pathInfoService.get(StorePath.parse(storePath).digest);
    expect(await pathsOf(store)).toEqual([storePath]);
  });

  test('takes nothing that no trusted key has signed, and keeps nothing of it', async () => {
    await using opened = await temporaryStore();
    const { store } = opened;
    const { publicKey } = SecretKey.generate('other-1');
    const addresses = [fixtureCache.directory];
    await using filled = await fillFrom(store, {
      upstreams: await upstreamsAt(addresses, [publicKey]),
    });
    await expect(filled.pathInfoService.get(root.digest)).rejects.toMatchObject({
      code: 'SIGNATURE_MISSING',
    });
    expect(await pathsOf(store)).toEqual([]);
  });
});

describe('a store before a peer', () => {
  async function peer() {
    const opened = await temporaryStore();
    const addresses = [fixtureCache.directory];
    await using filled = await fillFrom(opened.store, {
      upstreams: await upstreamsAt(addresses, trustedKeys),
    });
    await filled.pathInfoService.get(root.digest);
    const server = await serveStore(opened.store, {});
    return {
      store: opened.store,
      address: `grpc+${server.url}`,
      async [Symbol.asyncDispose]() {
        await server.close();
        await opened[Symbol.asyncDispose]();
      },
    };
  }

  test('ends with exactly the closure that was asked for, all of it verified', async () => {
    await using far = await peer();
    await using opened = await temporaryStore();
    const { store } = opened;
    await using filled = await fillFrom(store, {
      upstreams: await upstreamsAt([far.address], trustedKeys),
    });
    const got = await filled.pathInfoService.get(root.digest);
    expect(got?.closureDigest.hex).toBe(
      (await far.store.pathInfos.get(root.digest))?.closureDigest.hex,
    );
    expect(got?.claim.verified).toBe(true);
    expect(await pathsOf(store)).toEqual([...fixtureCache.closure].sort());
  });

  test('takes nothing of a peer that lies about the content of a signed NAR', async () => {
    await using far = await peer();
    await using opened = await temporaryStore();
    const { store } = opened;
    const [large, other] = [fixtureCache.path('large-1.0'), fixtureCache.path('odd-names-1.0')];
    const [one, two] = await Promise.all(
      [large, other].map(({ storePath }) =>
        far.store.pathInfos.get(StorePath.parse(storePath).digest),
      ),
    );
    if (one === undefined || two === undefined) throw new Error('the peer has both');
    const { getVariant, get } = far.store.pathInfos;
    const swap = (pathInfo: typeof one | undefined) =>
      pathInfo?.storePath.equals(one.storePath)
        ? new PathInfo(one.claim, two.node, one.references)
        : pathInfo;
    far.store.pathInfos.get = async (...args) => swap(await get.apply(far.store.pathInfos, args));
    far.store.pathInfos.getVariant = async (...args) =>
      swap(await getVariant.apply(far.store.pathInfos, args));
    await using filled = await fillFrom(store, {
      upstreams: await upstreamsAt([far.address], trustedKeys),
    });
    await expect(filled.pathInfoService.get(one.storePath.digest)).rejects.toMatchObject({
      code: 'NAR_HASH_MISMATCH',
      facts: { storePath: one.storePath.absolute },
    });
    expect(await pathsOf(store)).toEqual([]);
  });

  test('is a failure where the peer is down, and still serves what it has', async () => {
    await using opened = await temporaryStore();
    const far = await peer();
    const { address } = far;
    await using filled = await fillFrom(opened.store, {
      upstreams: await upstreamsAt([address], trustedKeys),
    });
    await filled.pathInfoService.get(root.digest);
    await far[Symbol.asyncDispose]();
    await using server = await serveStore(opened.store, filled);
    const statusOf = async (hashPart: string) => {
      const { statusCode, body } = await request(`${server.url}/${hashPart}.narinfo`);
      await body.dump();
      return statusCode;
    };
    expect(await statusOf(root.hashPart)).toBe(200);
    expect(await statusOf('0'.repeat(32))).toBe(502);
  });
});

test('a secret key signs what is given out', async () => {
  await using opened = await temporaryStore();
  const addresses = [fixtureCache.directory];
  await using filled = await fillFrom(opened.store, {
    upstreams: await upstreamsAt(addresses, trustedKeys),
  });
  await filled.pathInfoService.get(root.digest);
  const secretKey = SecretKey.generate('ours-1');
  await using server = await serveStore(opened.store, { ...filled, secretKey });
  const { body } = await request(`${server.url}/${root.hashPart}.narinfo`);
  const narInfo = parseNarInfo(await body.bytes());
  expect(narInfo.signatures).toHaveLength(2);
  const ours = narInfo.signatures.filter((signature) =>
    secretKey.publicKey.verify(fingerprint(narInfo, 'sorted'), signature),
  );
  expect(ours).toHaveLength(1);
  const kept = await opened.store.pathInfos.get(root.digest);
  expect(kept?.claim.signatures).toHaveLength(1);
});

test.each(['grpc+ftp://host', 'gopher://host', 'lmdb:/store', 'grpc+http://', 'nix+ftp://host'])(
  '%s is no address of an upstream',
  async (address) => {
    await expect(upstreamsAt([address], trustedKeys)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
    });
  },
);

test('each upstream may have keys of its own', async () => {
  const other = await syntheticCache([{ name: 'other' }]);
  await using upstream = await serveStatic(other.files);
  await using opened = await temporaryStore();
  const key = encodeURIComponent(other.publicKey);
  const addresses = [fixtureCache.directory, `nix+${upstream.url}?trusted_public_keys[0]=${key}`];
  const upstreams = await upstreamsAt(addresses, trustedKeys);
  await using filled = await fillFrom(opened.store, { upstreams });
  const wanted = StorePath.parse(other.storePath('other'));
  expect((await filled.pathInfoService.get(wanted.digest))?.claim.verified).toBe(true);
  expect((await filled.pathInfoService.get(root.digest))?.claim.verified).toBe(true);
  // the key of one does not count for what the other has
  await using second = await temporaryStore();
  await using strict = await fillFrom(second.store, {
    upstreams: await upstreamsAt(
      [upstream.url, `nix+${fixtureCache.directory}?trusted_public_keys[0]=${key}`],
      trustedKeys,
    ),
  });
  for (const { digest } of [wanted, root]) {
    await expect(strict.pathInfoService.get(digest)).rejects.toMatchObject({
      code: 'SIGNATURE_MISSING',
    });
  }
});
