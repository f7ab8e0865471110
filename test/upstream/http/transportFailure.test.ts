import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { openHttpUpstream } from '../../../src/upstream/httpUpstream.ts';
import { bodyOf } from '../../contracts/upstreamContract.ts';
import { serveStatic } from '../../support/staticCache.ts';
import { FILES, HASH_PART, IMPATIENT, inTurn, NARINFO, outcome, serve } from './scriptedServer.ts';

/** A server that sends every connection the same bytes and closes it. */
async function serveRaw(bytes: string): Promise<AsyncDisposable & { readonly url: string }> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.end(bytes, 'latin1'));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: addressOf(server),
    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, 'close');
    },
  };
}

describe('broken answers', () => {
  test.each([
    ['nothing', '', 'reset'],
    ['not HTTP', 'SSH-2.0-OpenSSH_9.2\r\n', 'protocol'],
    ['a head that is cut off', 'HTTP/1.1 200 OK\r\nContent-Le', 'reset'],
    ['a body that is too short', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort', 'reset'],
    [
      'a chunk that is cut off',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nshort',
      'reset',
    ],
    [
      'a body that is too short, of a connection that ends with it',
      'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 10\r\n\r\nshort',
      'reset',
    ],
    [
      'a chunk that is cut off, of a connection that ends with it',
      'HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nshort',
      'reset',
    ],
    ['a head too long', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`, 'protocol'],
  ])('%s', async (_, bytes, kind) => {
    await using server = await serveRaw(bytes);
    await using upstream = openHttpUpstream(server.url, IMPATIENT);
    const attempts = kind === 'reset' ? 5 : 1;
    const failed = { code: 'UPSTREAM_FAILED', facts: { kind, attempts } };
    await expect(upstream.narinfo(HASH_PART)).rejects.toMatchObject(failed);
    const file = async () => bodyOf(await upstream.file('nar/a.nar'));
    await expect(file()).rejects.toMatchObject({ code: 'UPSTREAM_FAILED', facts: { kind } });
  });

  test('bytes after the announced end are not part of the body', async () => {
    await using server = await serveRaw(
      'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nshort and more',
    );
    await using upstream = openHttpUpstream(server.url, IMPATIENT);
    expect((await bodyOf(await upstream.file('nar/a.nar'))).toString()).toBe('short');
  });

  test('a refused connection fails at once', async () => {
    const server = await serveStatic(FILES);
    const { url } = server;
    await server[Symbol.asyncDispose]();
    await using upstream = openHttpUpstream(url); // real waits, were there any
    await expect(upstream.narinfo(HASH_PART)).rejects.toMatchObject({
      code: 'UPSTREAM_FAILED',
      facts: { kind: 'unreachable', attempts: 1, url: `${url}/${NARINFO}` },
    });
  });

  test('a name without an address fails at once', async () => {
    const error = Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' });
    await using upstream = openHttpUpstream('http://cache.test', {
      resolve: (_, __, callback) => callback(error, []),
    });
    await expect(upstream.narinfo(HASH_PART)).rejects.toMatchObject({
      code: 'UPSTREAM_FAILED',
      facts: { kind: 'dns', attempts: 1 },
    });
  });

  test('a server that does not speak TLS', async () => {
    await using server = await serveRaw('HTTP/1.1 400 Bad Request\r\n\r\n');
    await using upstream = openHttpUpstream(server.url.replace('http:', 'https:'), IMPATIENT);
    await expect(upstream.narinfo(HASH_PART)).rejects.toMatchObject({
      code: 'UPSTREAM_FAILED',
      facts: { kind: 'tls', attempts: 1 },
    });
  });
});

describe('stalls', () => {
  const until = new Promise<never>(() => {});

  test('before the head', async () => {
    await using served = await serve(() => ({ after: until }), {
      timeouts: { headersMs: 20 },
      retry: { attempts: 2, sleep: () => nextTurn() },
    });
    await expect(served.upstream.narinfo(HASH_PART)).rejects.toMatchObject({
      code: 'UPSTREAM_FAILED',
      facts: { kind: 'headersTimeout', attempts: 2 },
    });
  });

  test('in the body of a narinfo, once', async () => {
    await using served = await serve(inTurn({ pause: { at: 3, until } }), {
      timeouts: { bodyMs: 20 },
    });
    expect(await outcome(served.upstream.narinfo(HASH_PART))).toBe('there');
    expect(served.server.requests).toHaveLength(2);
  });

  test('in the body of a NAR, for good', async () => {
    await using served = await serve(() => ({ pause: { at: 1000, until } }), {
      timeouts: { bodyMs: 20 },
      serve: { ranges: false },
    });
    await expect(bodyOf(await served.upstream.file('nar/large.nar'))).rejects.toMatchObject({
      code: 'UPSTREAM_FAILED',
      facts: { kind: 'bodyTimeout', attempts: 1 },
    });
  });

  test('a consumer may take its time', async () => {
    await using served = await serve(() => ({ chunked: true, body: Buffer.alloc(8_000_000) }), {
      timeouts: { bodyMs: 20 },
    });
    const file = await served.upstream.file('nar/large.nar');
    let total = 0;
    for await (const chunk of file?.body ?? []) {
      if (total === 0) await new Promise((resolve) => setTimeout(resolve, 60));
      total += chunk.length;
    }
    expect(total).toBe(8_000_000);
  });
});

/** The URL of a server on this machine. */
function addressOf(server: Server): string {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not a TCP server');
  return `http://127.0.0.1:${address.port}`;
}
