import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Agent } from 'undici';
import { describe, expect, test } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/limits.ts';
import { openHttpUpstream } from '../../src/upstream/httpUpstream.ts';
import { bodyOf, describeUpstream } from '../contracts/upstreamContract.ts';
import { type Answer, serveStatic } from '../support/staticCache.ts';
import {
  FILES,
  HASH_PART,
  IMPATIENT,
  inTurn,
  LARGE,
  NARINFO,
  ONCE,
  outcome,
  serve,
} from './http/scriptedServer.ts';

describeUpstream('a web server', async () => {
  await using stack = new AsyncDisposableStack();
  const owned = stack.move();
  return {
    async open(files, options) {
      const server = owned.use(await serveStatic(files));
      return owned.use(openHttpUpstream(server.url, { ...IMPATIENT, ...options }));
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
});

const S3_ERROR = (code: string): Answer => ({
  headers: { 'content-type': 'application/xml' },
  body: `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code></Error>`,
});

describe('a status', () => {
  test.each([
    // status, nix-cache-info, narinfo and NAR, requests for the narinfo
    [200, 'there', 'there', 1],
    [203, 'there', 'there', 1],
    [204, 'UPSTREAM_STATUS', 'UPSTREAM_STATUS', 1],
    [206, 'UPSTREAM_STATUS', 'UPSTREAM_STATUS', 1],
    [304, 'UPSTREAM_STATUS', 'UPSTREAM_STATUS', 1],
    [400, 'UPSTREAM_STATUS', 'UPSTREAM_STATUS', 1],
    [401, 'UPSTREAM_STATUS', 'UPSTREAM_STATUS', 1],
    [403, 'UPSTREAM_STATUS', 'absent', 1],
    [404, 'NOT_A_BINARY_CACHE', 'absent', 1],
    [407, 'UPSTREAM_STATUS', 'UPSTREAM_STATUS', 1],
    [408, 'UPSTREAM_STATUS', 'UPSTREAM_STATUS', 5],
    [410, 'UPSTREAM_STATUS', 'absent', 1],
    [418, 'UPSTREAM_STATUS', 'UPSTREAM_STATUS', 1],
    [429, 'UPSTREAM_STATUS', 'UPSTREAM_STATUS', 5],
    [500, 'UPSTREAM_STATUS', 'UPSTREAM_STATUS', 5],
    [501, 'UPSTREAM_STATUS', 'UPSTREAM_STATUS', 1],
    [503, 'UPSTREAM_STATUS', 'UPSTREAM_STATUS', 5],
    [505, 'UPSTREAM_STATUS', 'UPSTREAM_STATUS', 1],
    [511, 'UPSTREAM_STATUS', 'UPSTREAM_STATUS', 1],
  ])('%i', async (status, cacheInfo, other, requests) => {
    await using served = await serve(() => ({ status }));
    const { server, upstream } = served;
    expect(await outcome(upstream.cacheInfo())).toBe(cacheInfo);
    expect(await outcome(upstream.narinfo(HASH_PART))).toBe(other);
    const file = upstream.file('nar/a.nar');
    expect(await outcome(file)).toBe(other);
    if (other === 'there') await bodyOf(await file);
    expect(server.paths(/narinfo/)).toHaveLength(requests);
    expect(server.paths(/a\.nar/)).toHaveLength(requests);
  });

  test('is told with address and attempts', async () => {
    await using served = await serve(() => ({ status: 503 }));
    const { server, upstream } = served;
    await expect(upstream.narinfo(HASH_PART)).rejects.toMatchObject({
      code: 'UPSTREAM_STATUS',
      facts: { url: `${server.url}/${NARINFO}`, status: 503, attempts: 5 },
    });
  });

  test.each([
    [400, 'RequestTimeout', 2, 'there'],
    [400, 'InvalidArgument', 1, 'UPSTREAM_STATUS'],
    [403, 'RequestTimeTooSkewed', 2, 'there'],
    [403, 'AccessDenied', 1, 'absent'],
  ])('%i of S3 with %s', async (status, code, requests, expected) => {
    await using served = await serve(inTurn({ ...S3_ERROR(code), status }));
    expect(await outcome(served.upstream.narinfo(HASH_PART))).toBe(expected);
    expect(served.server.requests).toHaveLength(requests);
  });

  test('that passes is asked for again, heeding Retry-After', async () => {
    const delays: number[] = [];
    const sleep = async (delayMs: number) => {
      delays.push(delayMs);
    };
    await using served = await serve(
      inTurn(
        { status: 503, headers: { 'retry-after': '7' } },
        { status: 429, headers: { 'retry-after': 'later' } },
        { reset: true },
      ),
      { retry: { sleep, random: () => 1 } },
    );
    expect(await outcome(served.upstream.narinfo(HASH_PART))).toBe('there');
    expect(delays).toEqual([7000, 500, 1000]);
  });

  test('of an endless error page does not hold up', async () => {
    const until = new Promise<never>(() => {});
    await using served = await serve(() => ({ status: 404, body: 'x', pause: { at: 0, until } }));
    expect(await outcome(served.upstream.narinfo(HASH_PART))).toBe('absent');
  });
});

describe('what the requests say', () => {
  test('the base with and without a slash, query and credentials', async () => {
    for (const base of ['http://u:p@HOST/team/a?token=t', 'http://u:p@HOST/team/a/?token=t']) {
      await using served = await serve(() => undefined, { base, serve: { basePath: '/team/a' } });
      const { server, upstream } = served;
      await upstream.cacheInfo();
      await upstream.narinfo(HASH_PART);
      await bodyOf(await upstream.file('nar/a.nar?hash=h'));
      expect(server.requests.map(({ path, query }) => path + query)).toEqual([
        'nix-cache-info?token=t',
        `${NARINFO}?token=t`,
        'nar/a.nar?hash=h&token=t',
      ]);
      for (const { headers, method } of server.requests) {
        expect(method).toBe('GET');
        expect(headers).toMatchObject({
          authorization: 'Basic dTpw',
          'accept-encoding': 'identity',
        });
      }
      expect(upstream.url).toBe(`http://127.0.0.1:${server.port}/team/a`);
    }
  });

  test('no secret is in an error', async () => {
    await using served = await serve(() => ({ status: 500 }), {
      base: 'http://user:secret@HOST/?token=secret',
    });
    const error: unknown = await served.upstream
      .file('nar/a.nar?sig=secret')
      .catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'UPSTREAM_STATUS' });
    expect(JSON.stringify(error) + String(error)).not.toContain('secret');
  });

  test('a connection is used again, also after an absent file', async () => {
    let connections = 0;
    const server = createServer((_, response) => response.writeHead(404).end('absent\n'));
    server.on('connection', () => {
      connections++;
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    await using upstream = openHttpUpstream(addressOf(server));
    for (let count = 0; count < 5; count++) {
      expect(await upstream.narinfo(HASH_PART)).toBeUndefined();
      await nextTurn(); // the body of the answer is read in the background
    }
    expect(connections).toBe(1);
    server.close();
  });

  test('no more connections at once than allowed', async () => {
    const { promise: after, resolve } = Promise.withResolvers<void>();
    let asked = 0;
    const respond = () => {
      asked++;
      if (asked === 3) resolve(); // until then no connection is free again
      return { after };
    };
    await using served = await serve(respond, { maxConnections: 3 });
    await Promise.all(Array.from({ length: 30 }, () => served.upstream.narinfo(HASH_PART)));
    expect(served.server.peakActive).toBe(3);
  });

  test('a dispatcher is used and left open', async () => {
    await using server = await serveStatic(FILES);
    const dispatcher = new Agent();
    const upstream = openHttpUpstream(server.url, { dispatcher });
    expect(await outcome(upstream.narinfo(HASH_PART))).toBe('there');
    await upstream[Symbol.asyncDispose]();
    expect(dispatcher.destroyed).toBe(false);
    expect(await outcome(upstream.narinfo(HASH_PART))).toBe('UPSTREAM_FAILED');
    await dispatcher.close();
  });
});

describe('nix-cache-info', () => {
  test('is asked for once, also by many, and kept', async () => {
    await using served = await serve(() => undefined);
    await Promise.all([served.upstream.cacheInfo(), served.upstream.cacheInfo()]);
    await served.upstream.cacheInfo();
    expect(served.server.requests).toHaveLength(1);
  });

  test('is asked for again after a failure', async () => {
    await using served = await serve(inTurn({ status: 500 }), ONCE);
    expect(await outcome(served.upstream.cacheInfo())).toBe('UPSTREAM_STATUS');
    expect(await outcome(served.upstream.cacheInfo())).toBe('there');
  });

  test('for one who stays when another who asked aborts', async () => {
    const { promise: after, resolve } = Promise.withResolvers<void>();
    await using served = await serve(() => ({ after }));
    const controller = new AbortController();
    const leaves = served.upstream.cacheInfo(controller);
    const stays = served.upstream.cacheInfo();
    controller.abort(new Error('enough'));
    await expect(leaves).rejects.toThrow('enough');
    resolve();
    expect(await stays).toMatchObject({ storeDir: '/nix/store' });
  });
});

describe('lengths', () => {
  test('a chunked body has none beforehand, and is limited all the same', async () => {
    await using served = await serve(() => ({ chunked: true }));
    const file = await served.upstream.file('nar/large.nar');
    expect(file?.sizeBytes).toBeUndefined();
    expect((await bodyOf(file)).equals(LARGE)).toBe(true);
    const limited = await served.upstream.file('nar/large.nar', { maxBytes: LARGE.length - 1 });
    await expect(bodyOf(limited)).rejects.toMatchObject({ facts: { limit: 'maxBytes' } });
  });

  test('a narinfo that announces too much is refused before it is read', async () => {
    const until = new Promise<never>(() => {});
    await using served = await serve(() => ({
      headers: { 'content-length': String(DEFAULT_LIMITS.narinfoBytes + 1) },
      pause: { at: 0, until },
    }));
    await expect(served.upstream.narinfo(HASH_PART)).rejects.toMatchObject({
      code: 'LIMIT_EXCEEDED',
    });
  });

  test('an endless narinfo is refused', async () => {
    const body = Buffer.alloc(DEFAULT_LIMITS.narinfoBytes + 1);
    await using served = await serve(() => ({ chunked: true, body }));
    await expect(served.upstream.narinfo(HASH_PART)).rejects.toMatchObject({
      code: 'LIMIT_EXCEEDED',
    });
  });
});

/** The URL of a server on this machine. */
function addressOf(server: Server): string {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not a TCP server');
  return `http://127.0.0.1:${address.port}`;
}
