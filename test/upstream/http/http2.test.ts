/** Many narinfos at once: over HTTP/2 where a cache speaks it, and beside NARs, which have connections of their own. */
import { once } from 'node:events';
import {
  constants,
  createSecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
  type Settings,
} from 'node:http2';
import { setDefaultCACertificates } from 'node:tls';
import { describe, expect, test, vi } from 'vitest';
import { formatHashPart } from '../../../src/storePath.ts';
import {
  type HttpUpstreamOptions,
  MAX_CONNECTIONS,
  openHttpUpstream,
} from '../../../src/upstream/httpUpstream.ts';
import type { Upstream } from '../../../src/upstream/upstream.ts';
import { bodyOf } from '../../contracts/upstreamContract.ts';
import { selfSignedCertificate } from '../../support/selfSignedCertificate.ts';
import { HASH_PART, IMPATIENT, LARGE, ONCE, outcome, serve } from './scriptedServer.ts';

const certificate = selfSignedCertificate('localhost');
setDefaultCACertificates([certificate.cert]);

type Respond = (request: Http2ServerRequest, response: Http2ServerResponse) => void;

/** A cache at https://localhost that speaks HTTP/2, and HTTP/1.1 to those who ask for it. */
class Http2Cache implements AsyncDisposable {
  readonly sessions = new Set<ServerHttp2Session>();
  /** `version path` of all that was asked. */
  readonly requests: string[] = [];
  active = 0;
  readonly upstream: Upstream;
  readonly #close: () => Promise<void>;

  private constructor(upstream: Upstream, close: () => Promise<void>) {
    this.upstream = upstream;
    this.#close = close;
  }

  static async start(
    respond: Respond,
    options: HttpUpstreamOptions = {},
    settings: Settings = {},
  ): Promise<Http2Cache> {
    const server = createSecureServer({ ...certificate, allowHTTP1: true, settings });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new TypeError('not a TCP server');
    const upstream = openHttpUpstream(`https://localhost:${address.port}`, {
      ...IMPATIENT,
      resolve: (_name, _options, callback) => callback(null, [{ address: '127.0.0.1', family: 4 }]),
      ...options,
    });
    const cache: Http2Cache = new Http2Cache(upstream, async () => {
      await upstream[Symbol.asyncDispose]();
      for (const session of cache.sessions) session.destroy();
      server.close();
    });
    server.on('session', (session) => cache.sessions.add(session));
    server.on('request', (request, response) => {
      cache.requests.push(`${request.httpVersion} ${request.url}`);
      cache.active++;
      response.once('close', () => {
        cache.active--;
      });
      respond(request, response);
    });
    return cache;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }
}

const answer: Respond = (request, response) => {
  response.end(request.url.endsWith('.nar') ? LARGE : 'StorePath: x\n');
};

/** Different narinfos. */
const hashParts = (count: number) =>
  Array.from({ length: count }, (_, i) => {
    const digest = new Uint8Array(20);
    digest[0] = i & 0xff;
    digest[1] = i >> 8;
    return formatHashPart(digest);
  });

describe('over HTTP/2', () => {
  test('256 narinfos are asked for at once, on three connections', async () => {
    const held: Http2ServerResponse[] = [];
    await using cache = await Http2Cache.start((_request, response) => held.push(response));
    const asked = hashParts(256).map((hashPart) => cache.upstream.narinfo(hashPart));
    await vi.waitUntil(() => held.length === 256);
    expect(cache.sessions.size).toBe(3);
    for (const response of held) response.end('StorePath: x\n');
    expect(await Promise.all(asked)).toHaveLength(256);
  });

  test('NARs come over HTTP/1.1, however many narinfos are waited for', async () => {
    const held: Http2ServerResponse[] = [];
    await using cache = await Http2Cache.start((request, response) => {
      if (request.url.endsWith('.nar')) response.end(LARGE);
      else held.push(response);
    });
    const asked = hashParts(256).map((hashPart) => cache.upstream.narinfo(hashPart));
    await vi.waitUntil(() => held.length === 256);
    const nar = await bodyOf(await cache.upstream.file('nar/large.nar'));
    expect(nar.equals(LARGE)).toBe(true);
    expect(cache.requests.at(-1)).toBe('1.1 /nar/large.nar');
    for (const response of held) response.end('StorePath: x\n');
    await Promise.all(asked);
    expect(cache.requests.filter((request) => request.startsWith('2.0 '))).toHaveLength(256);
  });

  test('it is done without where it is not wanted', async () => {
    await using cache = await Http2Cache.start(answer, { http2: false });
    await cache.upstream.narinfo(HASH_PART);
    expect(cache.requests).toEqual([`1.1 /${HASH_PART}.narinfo`]);
  });

  const failures: readonly (readonly [what: string, fail: Respond, told: string])[] = [
    ['503', (_, response) => response.writeHead(503).end(), 'UPSTREAM_STATUS'],
    [
      'a stream that is reset',
      (_, response) => response.stream.close(constants.NGHTTP2_INTERNAL_ERROR),
      'UPSTREAM_FAILED',
    ],
    [
      'a body that is cut off',
      (_, response) => {
        response.writeHead(200, { 'content-length': 100 });
        response.write('Store', () => response.stream.close(constants.NGHTTP2_INTERNAL_ERROR));
      },
      'UPSTREAM_FAILED',
    ],
    ['a connection that breaks', (_, { stream }) => stream.session?.destroy(), 'UPSTREAM_FAILED'],
  ];

  test.each(failures)('%s fails the request with %3$s', async (_, fail, told) => {
    await using cache = await Http2Cache.start(fail, ONCE);
    expect(await outcome(cache.upstream.narinfo(HASH_PART))).toBe(told);
  });

  test.each(failures)('%s is tried again, and nothing beside it', async (_, fail) => {
    let failed = 0;
    await using cache = await Http2Cache.start((request, response) => {
      if (request.url === `/${HASH_PART}.narinfo` && failed++ < 2) fail(request, response);
      else answer(request, response);
    });
    for (const hashPart of [...hashParts(3), HASH_PART]) {
      expect(await outcome(cache.upstream.narinfo(hashPart))).toBe('there');
    }
    expect(cache.requests).toHaveLength(3 + 3);
  });

  test('a request that is aborted ends alone', async () => {
    const held: Http2ServerResponse[] = [];
    await using cache = await Http2Cache.start((_request, response) => held.push(response));
    const controller = new AbortController();
    const [leaver = '', stayer = ''] = hashParts(2);
    const leaves = cache.upstream.narinfo(leaver, controller);
    const stays = cache.upstream.narinfo(stayer);
    await vi.waitUntil(() => cache.active === 2);
    controller.abort(new Error('enough'));
    await expect(leaves).rejects.toThrow('enough');
    await vi.waitUntil(() => cache.active === 1);
    for (const response of held) if (!response.stream.destroyed) response.end('StorePath: x\n');
    expect(await outcome(stays)).toBe('there');
  });

  test.each([
    ['before its head', () => {}, 'headersTimeout'],
    ['in its body', (_, response) => response.write('Store'), 'bodyTimeout'],
  ] satisfies [string, Respond, string][])('an answer that stalls %s', async (_, respond, kind) => {
    const timeouts = { headersMs: 200, bodyMs: 200 };
    await using cache = await Http2Cache.start(respond, { ...ONCE, timeouts });
    await expect(cache.upstream.narinfo(HASH_PART)).rejects.toMatchObject({ facts: { kind } });
  });
});

test('HTTP/2: a cache that takes no requests fails all that wait for their turn', async () => {
  const timeouts = { connectMs: 100, headersMs: 100, bodyMs: 100 };
  const none = { maxConcurrentStreams: 0 };
  await using cache = await Http2Cache.start(answer, { ...ONCE, timeouts }, none);
  // the first may be on its way before the settings are
  await Promise.allSettled([cache.upstream.narinfo(HASH_PART)]);
  const asked = hashParts(20).map((hashPart) => cache.upstream.narinfo(hashPart));
  const failure = { status: 'rejected', reason: { facts: { kind: 'headersTimeout' } } };
  expect(await Promise.allSettled(asked)).toMatchObject(asked.map(() => failure));
});

test('HTTP/2: a request that waits for its turn can be aborted', async () => {
  await using cache = await Http2Cache.start(answer, ONCE, { maxConcurrentStreams: 0 });
  await Promise.allSettled([
    cache.upstream.narinfo(HASH_PART, { signal: AbortSignal.timeout(300) }),
  ]);
  const controller = new AbortController();
  const asked = hashParts(3).map((hashPart) => cache.upstream.narinfo(hashPart, controller));
  controller.abort(new Error('enough'));
  for (const one of asked) await expect(one).rejects.toThrow('enough');
});

test('HTTP/2: who waits long for a turn waits on as long as others get answers', async () => {
  const timeouts = { connectMs: 100, headersMs: 1000, bodyMs: 100 };
  const one = { maxConcurrentStreams: 1 };
  const slow: Respond = (_request, response) => {
    setTimeout(() => response.end('StorePath: x\n'), 300);
  };
  const options = { ...ONCE, timeouts, maxConnections: 1 };
  await using cache = await Http2Cache.start(slow, options, one);
  const asked = hashParts(8).map((hashPart) => outcome(cache.upstream.narinfo(hashPart)));
  expect(await Promise.all(asked)).toEqual(asked.map(() => 'there'));
});

describe('over HTTP/1.1', () => {
  /** Holds answers back as long as `isHeld`, and tells how many wait. */
  function holding(isHeld: (path: string) => boolean) {
    const { promise: after, resolve: release } = Promise.withResolvers<void>();
    return {
      respond: ({ path }: { path: string }) => (isHeld(path) ? { after } : undefined),
      release,
    };
  }

  test('so many narinfos at once as there are connections, and NARs beside them', async () => {
    const { respond, release } = holding((path) => path.endsWith('.narinfo'));
    await using served = await serve(respond);
    const asked = Array.from({ length: 2 * MAX_CONNECTIONS }, () =>
      served.upstream.narinfo(HASH_PART),
    );
    await vi.waitUntil(() => served.server.active === MAX_CONNECTIONS);
    const nar = await bodyOf(await served.upstream.file('nar/large.nar'));
    expect(nar.equals(LARGE)).toBe(true);
    release();
    await Promise.all(asked);
    expect(served.server.peakActive).toBe(MAX_CONNECTIONS + 1);
  });

  test('narinfos beside NARs that take all of theirs', async () => {
    const { respond, release } = holding((path) => path.endsWith('.nar'));
    await using served = await serve(respond, { maxConnections: 3 });
    const nars = Array.from({ length: 5 }, async () =>
      bodyOf(await served.upstream.file('nar/large.nar')),
    );
    await vi.waitUntil(() => served.server.active === 3);
    expect(await outcome(served.upstream.narinfo(HASH_PART))).toBe('there');
    release();
    expect(await Promise.all(nars)).toHaveLength(5);
    expect(served.server.peakActive).toBe(4);
  });
});
