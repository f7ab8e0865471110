/** NARs that are given while they are brought in. */
import { readdir, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { sha256 } from '../support/nixbase32.ts';
import { type Answer, serveStatic } from '../support/staticCache.ts';
import { type Lie, syntheticCache } from '../support/syntheticCache.ts';
import { file } from '../support/syntheticTree.ts';
import {
  type DemandServerOptions,
  Download,
  demandServer,
  gate,
  narinfoUrl,
  narUrl,
} from './demandServer.ts';

const NAR = /^nar\//;
const NARINFO = /\.narinfo$/;
/** More than a socket takes without being read, with what is held back of a NAR. */
const LARGE_BYTES = 24 * 1024 * 1024;
const MEDIUM_BYTES = 1024 * 1024;

/** Bytes that do not repeat. */
function noise(length: number): Uint8Array {
  const block = Buffer.concat(Array.from({ length: 2048 }, (_, i) => sha256(`noise ${i}`)));
  const bytes = Buffer.alloc(length);
  for (let at = 0, i = 0; at < length; at += block.length, i++) {
    bytes.set(block.subarray(0, length - at), at);
    bytes.writeUInt32LE(i, at);
  }
  return bytes;
}

interface Scene extends DemandServerOptions {
  readonly bytes?: number;
  readonly lie?: Lie;
  /** Where the upstream stops in the middle of the NAR; by default half way. */
  readonly answer?: (held: Promise<void>, narSize: number) => Answer;
}

/** A cache of one path whose NAR stops half way, and a server before it that was asked for its narinfo. */
async function scene({ bytes = MEDIUM_BYTES, lie, answer, ...options }: Scene = {}) {
  await using opened = new AsyncDisposableStack();
  const cache = await syntheticCache(
    [{ name: 'one', tree: file(noise(bytes)), ...(lie && { lie }) }],
    { compression: 'none' },
  );
  const one = cache.path('one');
  const held = gate();
  const respond =
    answer ??
    ((until: Promise<void>, narSize: number) => ({ pause: { at: narSize >>> 1, until } }));
  const upstream = opened.use(
    await serveStatic(cache.files, {
      respond: ({ path }) => (NAR.test(path) ? respond(held.opened, one.nar.length) : undefined),
    }),
  );
  const server = opened.use(await demandServer([upstream.url], options));
  opened.defer(held.open);
  const narinfo = await fetch(narinfoUrl(server, one));
  const owned = opened.move();
  return {
    ...{ one, held, upstream, server, narinfo },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** How many bytes come before a download breaks off. */
async function bytesUntilCut(download: Download): Promise<number> {
  await expect(download.rest()).rejects.toThrow();
  return download.bytes.length;
}

describe('a NAR on its way', () => {
  test('reaches the client before its end has left the upstream', async () => {
    await using at = await scene();
    const { one, held, upstream, server } = at;
    expect(await at.narinfo.text()).toContain(`URL: nar/${one.narHash.slice(7)}.nar\n`);
    const download = await Download.begin(narUrl(server, one));
    expect(download.response.headers.get('content-length')).toBe(String(one.nar.length));
    await download.next();
    expect(upstream.requests.find(({ path }) => NAR.test(path))?.complete).toBe(false);
    expect(await server.paths()).toEqual([]);
    held.open();
    expect((await download.rest()).equals(one.nar)).toBe(true);
    await server.kept(one.storePath);
  });

  test('ten clients cause one request for the narinfo and one for the NAR', async () => {
    await using at = await scene();
    const { one, held, upstream, server } = at;
    upstream.forget();
    await server.pullThrough[Symbol.asyncDispose]();
    await using fresh = await demandServer([upstream.url]);
    const clients = Array.from({ length: 10 }, async () => {
      await (await fetch(narinfoUrl(fresh, one))).text();
      const download = await Download.begin(narUrl(fresh, one));
      await download.next();
      return download;
    });
    const downloads = await Promise.all(clients);
    held.open();
    for (const download of downloads) {
      expect((await download.rest()).equals(one.nar)).toBe(true);
    }
    expect(upstream.paths(NARINFO)).toHaveLength(1);
    expect(upstream.paths(NAR)).toHaveLength(1);
  });

  test('a late joiner begins at the beginning, and follows', async () => {
    await using at = await scene();
    const { one, held, upstream, server } = at;
    const early = await Download.begin(narUrl(server, one));
    // to where the upstream has stopped
    while (early.bytes.length < one.nar.length >>> 1) await early.next();
    const late = await Download.begin(narUrl(server, one));
    while (late.bytes.length < early.bytes.length) await late.next();
    expect(held.isOpen).toBe(false);
    held.open();
    for (const download of [late, early]) {
      expect((await download.rest()).equals(one.nar)).toBe(true);
    }
    expect(upstream.paths(NAR)).toHaveLength(1);
  });

  test('a client that never reads holds up nobody', async () => {
    await using at = await scene({ bytes: LARGE_BYTES });
    const { one, held, server } = at;
    const { hostname, port, pathname } = new URL(narUrl(server, one));
    const socket = connect(Number(port), hostname);
    socket.pause();
    socket.write(`GET ${pathname} HTTP/1.1\r\nHost: x\r\n\r\n`);
    // it is being answered once somebody else is, who came later
    const other = await Download.begin(narUrl(server, one));
    await other.next();
    held.open();
    await server.kept(one.storePath);
    expect((await other.rest()).equals(one.nar)).toBe(true);
    socket.destroy();
  });

  test('a client that goes away ends nothing', async () => {
    await using at = await scene();
    const { one, held, server } = at;
    const download = await Download.begin(narUrl(server, one));
    await download.next();
    await download.leave();
    held.open();
    await server.kept(one.storePath);
    expect(await server.paths()).toEqual([one.storePath]);
  });

  test('ranges of it: what has come at once, the end when it is known to be right', async () => {
    await using at = await scene();
    const { one, held, server } = at;
    const range = (value: string) =>
      Download.begin(narUrl(server, one), { headers: { range: `bytes=${value}` } });
    const head = await range('100-199');
    expect(head.response.status).toBe(206);
    expect(head.response.headers.get('content-range')).toBe(`bytes 100-199/${one.nar.length}`);
    expect((await head.rest()).equals(one.nar.subarray(100, 200))).toBe(true);
    const end = range('-8').then(async (download) => {
      expect(held.isOpen).toBe(true);
      return await download.rest();
    });
    held.open();
    expect((await end).equals(one.nar.subarray(-8))).toBe(true);
  });

  test('HEAD begins nothing', async () => {
    await using at = await scene({ closuresAtOnce: 1 });
    const { one, held, server } = at;
    held.open();
    const head = await fetch(narUrl(server, one), { method: 'HEAD' });
    expect(head.headers.get('content-length')).toBe(String(one.nar.length));
  });
});

describe('a NAR that is wrong', () => {
  /** One bit in the middle of the file, which no parser sees. */
  const flipped: Lie = {
    servedNar(nar) {
      const changed = Buffer.from(nar);
      const middle = nar.length >>> 1;
      changed[middle] = (changed[middle] ?? 0) ^ 1;
      return changed;
    },
  };

  test('never reaches a client as a whole; nothing is kept, nothing is pending', async () => {
    await using at = await scene({ lie: flipped });
    const { one, held, upstream, server } = at;
    const downloads = await Promise.all(
      [0, 1].map(async () => {
        const download = await Download.begin(narUrl(server, one));
        await download.next();
        return download;
      }),
    );
    held.open();
    for (const download of downloads) {
      expect(await bytesUntilCut(download)).toBeLessThan(one.nar.length);
      expect(download.response.headers.get('content-length')).toBe(String(one.nar.length));
    }
    upstream.forget();
    for (const url of [narinfoUrl(server, one), narUrl(server, one)]) {
      const answer = await fetch(url);
      expect(answer.status).toBe(502);
      expect(await answer.text()).toBe('NAR_HASH_MISMATCH\n');
      expect(answer.headers.get('cache-control')).toBe('no-store');
    }
    expect(upstream.requests).toEqual([]);
    expect(await server.paths()).toEqual([]);
    expect(server.failures).toEqual(['NAR_HASH_MISMATCH']);
  });

  test('is an error where it is known before the answer', async () => {
    await using at = await scene({ lie: flipped, bytes: 1000, answer: () => ({}) });
    const answer = await fetch(narUrl(at.server, at.one));
    expect([answer.status, await answer.text()]).toEqual([502, 'NAR_HASH_MISMATCH\n']);
  });

  test('comes from another upstream, for whom has read nothing of it', async () => {
    const tree = file(noise(MEDIUM_BYTES));
    const bad = await syntheticCache([{ name: 'one', tree, lie: flipped }], {
      compression: 'none',
      priority: 10,
    });
    const good = await syntheticCache([{ name: 'one', tree }], { compression: 'none' });
    const [held, again] = [gate(), gate()];
    const holding = (until: Promise<void>) => ({
      respond: ({ path }: { path: string }) =>
        NAR.test(path) ? { pause: { at: MEDIUM_BYTES >>> 1, until } } : undefined,
    });
    await using first = await serveStatic(bad.files, holding(held.opened));
    await using second = await serveStatic(good.files, holding(again.opened));
    await using server = await demandServer([first.url, second.url]);
    const one = good.path('one');
    await (await fetch(narinfoUrl(server, one))).text();
    const early = await Download.begin(narUrl(server, one));
    await early.next();
    held.open();
    expect(await bytesUntilCut(early)).toBeLessThan(one.nar.length);
    const late = await Download.begin(narUrl(server, one));
    await late.next();
    again.open();
    expect((await late.rest()).equals(one.nar)).toBe(true);
    await server.kept(one.storePath);
  });
});

describe('spools', () => {
  test('have no name while they are written, and no room is taken afterwards', async () => {
    await using at = await scene();
    const { one, held, server } = at;
    const download = await Download.begin(narUrl(server, one));
    await download.next();
    expect(await readdir(server.spools.path)).toEqual([]);
    held.open();
    await download.rest();
  });

  test('without room a NAR is given once it is in', async () => {
    await using at = await scene({ maxSpoolBytes: MEDIUM_BYTES });
    const { one, held, server } = at;
    const begun = Download.begin(narUrl(server, one)).then(async (download) => {
      expect(held.isOpen).toBe(true);
      return await download.rest();
    });
    held.open();
    expect((await begun).equals(one.nar)).toBe(true);
  });

  test('that cannot be made are done without, and it is told', async () => {
    const cache = await syntheticCache([{ name: 'one', tree: file(noise(MEDIUM_BYTES)) }]);
    const one = cache.path('one');
    await using upstream = await serveStatic(cache.files);
    await using server = await demandServer([upstream.url]);
    await rm(server.spools.path, { recursive: true });
    await (await fetch(narinfoUrl(server, one))).text();
    const download = await Download.begin(narUrl(server, one));
    expect((await download.rest()).equals(one.nar)).toBe(true);
    expect(server.failures).toEqual(['STORE_FAILED']);
  });

  test('that a crash has left are removed at the next start, and nothing else', async () => {
    await using before = await demandServer([]);
    const { path } = before.spools;
    await writeFile(join(path, 'narthex-spool-1-0'), 'left');
    await writeFile(join(path, 'other'), 'kept');
    await using _after = await demandServer([], { spoolDirectory: path });
    expect(await readdir(path)).toEqual(['other']);
  });
});
