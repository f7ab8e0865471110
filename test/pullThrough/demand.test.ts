/** Narinfos that are told while closures are brought in. */
import { describe, expect, test } from 'vitest';
import { pinnedClosurePath } from '../../src/cacheRoutes/pinnedClosureRoutes.ts';
import { deadUrl, digestOf } from '../ingest/serviceHarness.ts';
import { lazyCache } from '../support/lazyCache.ts';
import { hashPartOf } from '../support/nixbase32.ts';
import { testKey } from '../support/signingKey.ts';
import { type Answer, serveStatic } from '../support/staticCache.ts';
import { type BuiltPath, type SyntheticCache, syntheticCache } from '../support/syntheticCache.ts';
import { Download, demandServer, gate, narinfoUrl, narUrl } from './demandServer.ts';

const NAR = /^nar\//;
const NARINFO = /\.narinfo$/;
const ABSENT = { hashPart: hashPartOf('absent') } as BuiltPath; // of which only that is used

const small = () =>
  syntheticCache([{ name: 'base' }, { name: 'top', references: ['base', 'top'] }]);

/** Answers for the NAR of one path. */
function forNarOf({ narFile }: BuiltPath, answer: () => Answer) {
  return ({ path }: { path: string }) => (path === narFile ? answer() : undefined);
}

async function answerOf(url: string, init?: RequestInit) {
  const response = await fetch(url, init);
  const text = await response.text();
  return { status: response.status, text, control: response.headers.get('cache-control') };
}

const statusOf = async (url: string, init?: RequestInit) => (await answerOf(url, init)).status;

describe('a path that is not kept', () => {
  test('is told at once, and kept with its closure', async () => {
    const cache = await small();
    const [base, top] = [cache.path('base'), cache.path('top')];
    const held = gate();
    await using upstream = await serveStatic(cache.files, {
      respond: forNarOf(base, () => ({ after: held.opened })),
    });
    await using server = await demandServer([upstream.url], { compression: 'zstd' });
    const told = await answerOf(narinfoUrl(server, top));
    expect(told).toMatchObject({ status: 200, control: 'no-store' });
    expect(told.text).toContain(`StorePath: ${top.storePath}\n`);
    expect(told.text).toContain('Compression: none\n');
    expect((await (await Download.begin(narUrl(server, top))).rest()).equals(top.nar)).toBe(true);
    // what is pending is told and given, and no more than that
    expect(await server.paths()).toEqual([]);
    expect(await statusOf(narinfoUrl(server, top))).toBe(200);
    expect(await statusOf(narinfoUrl(server, top).replace('narinfo', 'ls'))).toBe(404);
    held.open();
    await server.kept(top.storePath);
    expect(await server.paths()).toEqual([base.storePath, top.storePath].sort());
    const kept = await answerOf(narinfoUrl(server, top));
    expect(kept.text).toContain('Compression: zstd\n');
    expect(kept.control).toBeNull();
    expect(await statusOf(narinfoUrl(server, top).replace('narinfo', 'ls'))).toBe(200);
    const pathInfo = await server.store.pathInfos.get(digestOf(top.storePath));
    if (pathInfo === undefined) throw new Error('it is kept');
    const pinned = pinnedClosurePath(pathInfo.closureDigest);
    expect(await statusOf(narinfoUrl({ url: `${server.url}${pinned}` }, top))).toBe(200);
  });

  test('asks for each narinfo and NAR of its closure once, whoever asks for them meanwhile', async () => {
    const cache = await syntheticCache([
      { name: 'a' },
      { name: 'b', references: ['a'] },
      { name: 'c', references: ['a', 'b'] },
      { name: 'd', references: ['c', 'a'] },
    ]);
    const held = gate();
    await using upstream = await serveStatic(cache.files, {
      respond: ({ path }) => (NAR.test(path) ? { after: held.opened } : undefined),
    });
    await using server = await demandServer([upstream.url]);
    const order = ['d', 'a', 'c', 'b', 'd', 'a'].map((name) => cache.path(name));
    const narinfos = await Promise.all(order.map((path) => statusOf(narinfoUrl(server, path))));
    expect(new Set(narinfos)).toEqual(new Set([200]));
    const nars = order.map(async (path) => {
      const download = await Download.begin(narUrl(server, path));
      return (await download.rest()).equals(path.nar);
    });
    held.open();
    expect(new Set(await Promise.all(nars))).toEqual(new Set([true]));
    await server.kept(cache.storePath('d'));
    expect(upstream.paths(NARINFO).sort()).toEqual(
      cache.paths.map(({ narinfoFile }) => narinfoFile).sort(),
    );
    expect(upstream.paths(NAR).sort()).toEqual(cache.paths.map(({ narFile }) => narFile).sort());
    expect(server.failures).toEqual([]);
  });

  test('is not asked for again by who looked for it before it was kept', async () => {
    const cache = await small();
    const base = cache.path('base');
    const [looked, goesOn] = [gate(), gate()];
    await using upstream = await serveStatic(cache.files);
    await using server = await demandServer([upstream.url], {
      look: (get) => async (digest, options) => {
        const found = await get(digest, options);
        if (looked.isOpen) return found;
        looked.open();
        await goesOn.opened;
        return found;
      },
    });
    const slow = statusOf(narinfoUrl(server, base));
    await looked.opened;
    expect(await statusOf(narinfoUrl(server, base))).toBe(200);
    await server.kept(base.storePath);
    goesOn.open();
    expect(await slow).toBe(200);
    expect(upstream.paths(NARINFO)).toHaveLength(1);
  });

  test('HEAD asks the upstream and brings nothing in', async () => {
    const cache = await small();
    await using upstream = await serveStatic(cache.files);
    await using server = await demandServer([upstream.url]);
    const head = { method: 'HEAD' };
    expect(await statusOf(narinfoUrl(server, cache.path('top')), head)).toBe(200);
    expect(await statusOf(narinfoUrl(server, ABSENT), head)).toBe(404);
    expect(upstream.paths(NARINFO)).toEqual([
      cache.path('top').narinfoFile,
      `${ABSENT.hashPart}.narinfo`,
    ]);
    // a NAR is pending with its path alone
    expect(await statusOf(narUrl(server, cache.path('top')))).toBe(404);
    expect(upstream.paths(NAR)).toEqual([]);
    // and what was told then is not asked for again
    expect(await statusOf(narinfoUrl(server, cache.path('top')))).toBe(200);
    await server.kept(cache.storePath('top'));
    expect(upstream.paths(NARINFO)).toHaveLength(3);
  });

  test('that no upstream has is 404, for a short while without asking again', async () => {
    await using upstream = await serveStatic((await small()).files);
    let now = 0;
    await using server = await demandServer([upstream.url], {
      now: () => now,
      negativeTtlMs: 1000,
    });
    for (const [at, asked] of [
      [0, 1],
      [999, 1],
      [1000, 2],
    ] as const) {
      now = at;
      const answer = await answerOf(narinfoUrl(server, ABSENT));
      expect(answer).toMatchObject({ status: 404, control: 'no-store' });
      expect(upstream.paths(NARINFO)).toHaveLength(asked);
    }
  });

  test('whose signature does not hold is neither told nor brought in', async () => {
    const cache = await syntheticCache([{ name: 'one', keys: [testKey('other-1')] }]);
    await using upstream = await serveStatic(cache.files);
    await using server = await demandServer([upstream.url]);
    const answer = await answerOf(narinfoUrl(server, cache.path('one')));
    expect(answer).toEqual({ status: 502, text: 'SIGNATURE_MISSING\n', control: 'no-store' });
    expect(upstream.paths(NAR)).toEqual([]);
  });
});

describe('upstreams that fail', () => {
  test('keep nothing away that is here; what is not is an error and no 404', async () => {
    const cache = await small();
    const [base, top] = [cache.path('base'), cache.path('top')];
    await using upstream = await serveStatic(cache.files);
    await using server = await demandServer([upstream.url]);
    await statusOf(narinfoUrl(server, base));
    await server.kept(base.storePath);
    await upstream[Symbol.asyncDispose]();
    expect(await statusOf(narinfoUrl(server, base))).toBe(200);
    expect((await (await Download.begin(narUrl(server, base))).rest()).equals(base.nar)).toBe(true);
    for (const method of ['GET', 'HEAD']) {
      const answer = await answerOf(narinfoUrl(server, top), { method });
      expect(answer).toMatchObject({ status: 502, control: 'no-store' });
    }
    expect((await answerOf(narinfoUrl(server, top))).text).toBe('UPSTREAM_FAILED\n');
  });

  test('one of several does not matter where another has it', async () => {
    const cache = await small();
    await using upstream = await serveStatic(cache.files);
    await using server = await demandServer([await deadUrl(), upstream.url]);
    expect(await statusOf(narinfoUrl(server, cache.path('top')))).toBe(200);
    await server.kept(cache.storePath('top'));
    expect(await statusOf(narinfoUrl(server, ABSENT))).toBe(502);
  });

  test('are not asked again and again for a path that fails', async () => {
    const cache = await small();
    const base = cache.path('base');
    let isBroken = true;
    await using upstream = await serveStatic(cache.files, {
      respond: forNarOf(base, () => (isBroken ? { status: 401 } : {})),
    });
    let now = 0;
    await using server = await demandServer([upstream.url], { now: () => now, failureTtlMs: 1000 });
    expect(await statusOf(narinfoUrl(server, base))).toBe(200);
    expect(await statusOf(narUrl(server, base))).toBe(502);
    upstream.forget();
    now = 999;
    for (const url of [narinfoUrl(server, base), narUrl(server, base)]) {
      expect(await answerOf(url)).toMatchObject({ status: 502, text: 'UPSTREAM_STATUS\n' });
    }
    expect(upstream.requests).toEqual([]);
    now = 1000;
    isBroken = false;
    expect(await statusOf(narinfoUrl(server, base))).toBe(200);
    await server.kept(base.storePath);
  });

  test('a reference that fails keeps the path from being kept, not its NAR from being given', async () => {
    const cache = await small();
    const [base, top] = [cache.path('base'), cache.path('top')];
    const held = gate();
    await using upstream = await serveStatic(cache.files, {
      respond: forNarOf(base, () => ({ after: held.opened, status: 401 })),
    });
    const failed = Promise.withResolvers<void>();
    await using server = await demandServer([upstream.url], { onFailure: () => failed.resolve() });
    expect(await statusOf(narinfoUrl(server, top))).toBe(200);
    expect((await (await Download.begin(narUrl(server, top))).rest()).equals(top.nar)).toBe(true);
    held.open();
    await failed.promise;
    expect(await answerOf(narinfoUrl(server, top))).toMatchObject({
      status: 502,
      text: 'REFERENCE_FAILED\n',
    });
    expect(await server.paths()).toEqual([]);
  });
});

describe('waitForClosure', () => {
  test('tells of a path once its closure is kept', async () => {
    const cache = await small();
    const [base, top] = [cache.path('base'), cache.path('top')];
    const held = gate();
    await using upstream = await serveStatic(cache.files, {
      respond: forNarOf(base, () => ({ after: held.opened })),
    });
    await using server = await demandServer([upstream.url], { waitForClosure: true });
    for (const method of ['HEAD', 'GET', 'GET']) {
      const answer = await answerOf(narinfoUrl(server, top), { method });
      expect(answer).toMatchObject({ status: 404, control: 'no-store' });
    }
    expect(upstream.paths(new RegExp(top.hashPart))).toHaveLength(1);
    held.open();
    await server.kept(top.storePath);
    expect(await statusOf(narinfoUrl(server, top))).toBe(200);
    expect((await (await Download.begin(narUrl(server, top))).rest()).equals(top.nar)).toBe(true);
  });

  test('an upstream that is down is no 404', async () => {
    await using server = await demandServer([await deadUrl()], { waitForClosure: true });
    expect(await statusOf(narinfoUrl(server, ABSENT))).toBe(502);
  });
});

describe('closures in a line', () => {
  /** Two paths, the NAR of the first held back. */
  async function two(): Promise<{ cache: SyntheticCache; first: BuiltPath; second: BuiltPath }> {
    const cache = await syntheticCache([{ name: 'first' }, { name: 'second' }, { name: 'third' }]);
    return { cache, first: cache.path('first'), second: cache.path('second') };
  }

  test('a NAR that somebody waits for does not wait for its turn', async () => {
    const { cache, first, second } = await two();
    const held = gate();
    await using upstream = await serveStatic(cache.files, {
      respond: forNarOf(first, () => ({ after: held.opened })),
    });
    await using server = await demandServer([upstream.url], { closuresAtOnce: 1 });
    await statusOf(narinfoUrl(server, first));
    await statusOf(narinfoUrl(server, second));
    const download = await Download.begin(narUrl(server, second));
    expect((await download.rest()).equals(second.nar)).toBe(true);
    expect(await server.paths()).toEqual([]);
    held.open();
    await server.kept(second.storePath);
    expect(upstream.paths(NAR)).toHaveLength(2);
  });

  test('when it is full, what is not pending is refused', async () => {
    const { cache, first, second } = await two();
    const held = gate();
    await using upstream = await serveStatic(cache.files, {
      respond: ({ path }) => (NAR.test(path) ? { after: held.opened } : undefined),
    });
    await using server = await demandServer([upstream.url], {
      closuresAtOnce: 1,
      waitingClosures: 1,
    });
    await statusOf(narinfoUrl(server, first));
    await statusOf(narinfoUrl(server, second));
    const refused = await answerOf(narinfoUrl(server, cache.path('third')));
    expect(refused).toEqual({ status: 503, text: 'LIMIT_EXCEEDED\n', control: 'no-store' });
    expect(await statusOf(narinfoUrl(server, first))).toBe(200);
    held.open();
    await server.kept(second.storePath);
    expect(await statusOf(narinfoUrl(server, cache.path('third')))).toBe(200);
    await server.kept(cache.storePath('third'));
  });

  test('closing ends what is under way, and nothing of it is kept', async () => {
    const cache = lazyCache({ count: 40, references: (i) => (i < 39 ? [i + 1] : []) });
    const held = gate();
    await using upstream = await serveStatic(cache.source, {
      respond: ({ path }) => (path === 'nar/39.nar' ? { after: held.opened } : undefined),
    });
    await using server = await demandServer([upstream.url], { closuresAtOnce: 1 });
    const narinfo = `${server.url}/${cache.storePath(0).slice(11, 43)}.narinfo`;
    expect(await statusOf(narinfo)).toBe(200);
    await server.pullThrough[Symbol.asyncDispose]();
    expect(await server.paths()).toEqual([]);
    expect(server.failures).toEqual([]);
    held.open();
  });
});
