/** `serve --upstream`, put together: paths are told and given while they come in. */
import { request } from 'undici';
import { describe, expect, test } from 'vitest';
import { fillFrom } from '../../src/composition/farServices.ts';
import { serveStore } from '../../src/composition/serveStore.ts';
import { isNarthexError } from '../../src/errors.ts';
import { fingerprint } from '../../src/narinfo/fingerprint.ts';
import { parseNarInfo } from '../../src/narinfo/parse.ts';
import { parsePublicKeys, SecretKey } from '../../src/signature.ts';
import { itemsOf } from '../contracts/collect.ts';
import { deadUrl } from '../ingest/serviceHarness.ts';
import { gate } from '../pullThrough/demandServer.ts';
import { temporaryStore } from '../store/temporaryStore.ts';
import { hashPartOf } from '../support/nixbase32.ts';
import { type Answer, serveStatic } from '../support/staticCache.ts';
import { syntheticCache, TEST_KEY } from '../support/syntheticCache.ts';
import { upstreamsAt } from './upstreams.ts';

const trustedKeys = parsePublicKeys(TEST_KEY.publicKey);
const NAR = /^nar\//;

/** A server over an empty store with these addresses behind it. */
async function served(
  addresses: readonly string[],
  { secretKey, ...settings }: { secretKey?: SecretKey } & Partial<Parameters<typeof fillFrom>[1]>,
) {
  await using opened = new AsyncDisposableStack();
  const { store } = opened.use(await temporaryStore());
  const failures: string[] = [];
  const onFailure = (error: unknown) =>
    failures.push(isNarthexError(error) ? error.code : String(error));
  const filled = opened.use(
    await fillFrom(store, {
      upstreams: await upstreamsAt(addresses, trustedKeys),
      onFailure,
      ...settings,
    }),
  );
  const server = opened.use(await serveStore(store, { ...filled, secretKey }));
  const owned = opened.move();
  return {
    store,
    failures,
    url: server.url,
    async get(path: string) {
      const { statusCode: status, body } = await request(`${server.url}/${path}`);
      return { status, bytes: Buffer.from(await body.bytes()) };
    },
    async keptCount() {
      return (await itemsOf(store.pathInfos.list())).length;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const small = () => syntheticCache([{ name: 'base' }, { name: 'top', references: ['base'] }]);

/** Answers the NAR of `base` only when it is let to. */
async function heldUpstream() {
  const cache = await small();
  const held = gate();
  const { narFile } = cache.path('base');
  const upstream = await serveStatic(cache.files, {
    async respond({ path }): Promise<Answer | undefined> {
      if (path === narFile) await held.opened;
      return undefined;
    },
  });
  return { cache, held, upstream };
}

describe('a path that is not here', () => {
  test('is told and given before its closure is in, and kept afterwards', async () => {
    const { cache, held, upstream } = await heldUpstream();
    await using _ = upstream;
    await using server = await served([upstream.url], {});
    const top = cache.path('top');
    const told = await server.get(`${top.hashPart}.narinfo`);
    expect(told.status).toBe(200);
    const { url } = parseNarInfo(told.bytes);
    const nar = await server.get(url);
    expect(nar.bytes.equals(top.nar)).toBe(true);
    expect(await server.keptCount()).toBe(0);
    held.open();
    await expect.poll(() => server.keptCount()).toBe(2);
    expect((await server.get(url)).bytes.equals(top.nar)).toBe(true);
    expect(upstream.paths(NAR)).toHaveLength(2);
    expect(server.failures).toEqual([]);
  });

  test('is 404 until its closure is here, where that is wanted', async () => {
    const { cache, held, upstream } = await heldUpstream();
    await using _ = upstream;
    await using server = await served([upstream.url], { waitForClosure: true });
    const narinfo = `${cache.path('top').hashPart}.narinfo`;
    expect((await server.get(narinfo)).status).toBe(404);
    held.open();
    await expect.poll(async () => (await server.get(narinfo)).status).toBe(200);
    expect(await server.keptCount()).toBe(2);
  });

  test('carries our signature while it is pending, and when it is kept', async () => {
    const { cache, held, upstream } = await heldUpstream();
    await using _ = upstream;
    const secretKey = SecretKey.generate('ours-1');
    await using server = await served([upstream.url], { secretKey });
    const narinfo = `${cache.path('top').hashPart}.narinfo`;
    const isSigned = async () => {
      const told = parseNarInfo((await server.get(narinfo)).bytes);
      return told.signatures.some((signature) =>
        secretKey.publicKey.verify(fingerprint(told, 'sorted'), signature),
      );
    };
    expect(await isSigned()).toBe(true);
    expect(await server.keptCount()).toBe(0);
    held.open();
    await expect.poll(() => server.keptCount()).toBe(2);
    expect(await isSigned()).toBe(true);
  });

  test('that no upstream has is not asked for again at once, unless that is switched off', async () => {
    const cache = await small();
    await using upstream = await serveStatic(cache.files);
    const absent = `${hashPartOf('absent')}.narinfo`;
    const absences = new RegExp(absent);
    const askedAfterTwo = async (negativeTtlMs: number | undefined) => {
      const before = upstream.paths(absences).length;
      await using server = await served([upstream.url], { negativeTtlMs });
      for (let i = 0; i < 2; i++) expect((await server.get(absent)).status).toBe(404);
      return upstream.paths(absences).length - before;
    };
    expect(await askedAfterTwo(undefined)).toBe(1);
    expect(await askedAfterTwo(0)).toBe(2);
  });

  test('comes from a peer where the caches lack it or are down', async () => {
    const cache = await small();
    const top = cache.path('top');
    await using upstream = await serveStatic(cache.files);
    await using far = await served([upstream.url], {});
    await far.get(`${top.hashPart}.narinfo`);
    await expect.poll(() => far.keptCount()).toBe(2);
    await using empty = await serveStatic((await syntheticCache([{ name: 'other' }])).files);
    for (const address of [empty.url, await deadUrl()]) {
      await using near = await served([address, `grpc+${far.url}`], {});
      const told = await near.get(`${top.hashPart}.narinfo`);
      expect(told.status).toBe(200);
      expect((await near.get(parseNarInfo(told.bytes).url)).bytes.equals(top.nar)).toBe(true);
      expect(await near.keptCount()).toBe(2);
      const absent = await near.get(`${hashPartOf('absent')}.narinfo`);
      expect(absent.status).toBe(address === empty.url ? 404 : 502);
    }
  });
});
