import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import type { CacheRequest } from '../../src/cacheRoutes/http.ts';
import { NarthexError } from '../../src/errors.ts';
import { listen } from '../../src/server/httpServer.ts';
import { rawClient, readAll, serve, streamed, text } from './testServer.ts';

describe('requests', () => {
  test('reach the routes as values', async () => {
    let seen: CacheRequest | undefined;
    await using server = await serve((request) => {
      seen = request;
      return text('');
    });
    await fetch(`${server.url}/a%20b?x=1&y=%2f`, { method: 'HEAD', headers: { 'X-Y': 'z' } });
    expect(seen).toMatchObject({ method: 'HEAD', path: '/a%20b' });
    expect(Object.fromEntries(seen?.query ?? [])).toEqual({ x: '1', y: '/' });
    expect(seen?.headers['x-y']).toBe('z');
  });

  test.each([
    ['as to a proxy', 'http://other.example/a?b=1', '/a'],
    ['with two slashes', '//a?b=1', '//a'],
    ['without a path', '*', '*'],
  ])('%s', async (_, target, path) => {
    await using server = await serve((request) => text(request.path));
    const socket = await rawClient(
      server.port,
      `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
    );
    expect(await readAll(socket)).toMatch(new RegExp(`\r\n\r\n${path.replace('*', '\\*')}$`));
  });

  test('a body is not read: the connection is closed after the answer', async () => {
    await using server = await serve(() => ({ ...text('no'), status: 405 }));
    const socket = await rawClient(
      server.port,
      'PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\nExpect: 100-continue\r\n\r\n',
    );
    const answer = await readAll(socket);
    expect(answer).toMatch(/^HTTP\/1\.1 405 /);
    expect(answer).toMatch(/\r\nconnection: close\r\n/i);
  });

  test('headers beyond the limit are refused', async () => {
    await using server = await serve(() => text(''));
    const response = await fetch(server.url, { headers: { x: 'y'.repeat(20_000) } });
    expect(response.status).toBe(431);
  });
});

describe('answers', () => {
  test('a body in memory, and the connection is used again', async () => {
    await using server = await serve(() => text('hello'));
    for (let i = 0; i < 3; i++) expect(await (await fetch(server.url)).text()).toBe('hello');
  });

  test('a streamed body with its length', async () => {
    await using server = await serve(() => streamed(['ab', 'cd'], 4));
    const response = await fetch(server.url);
    expect(response.headers.get('content-length')).toBe('4');
    expect(await response.text()).toBe('abcd');
  });

  test('a streamed body without a length', async () => {
    await using server = await serve(() => ({ ...streamed(['ab', 'cd'], 0), headers: {} }));
    expect(await (await fetch(server.url)).text()).toBe('abcd');
  });

  test('HEAD announces what it does not send', async () => {
    await using server = await serve(() => ({ status: 200, headers: { 'content-length': '7' } }));
    const response = await fetch(server.url, { method: 'HEAD' });
    expect(response.headers.get('content-length')).toBe('7');
  });
});

describe('failures', () => {
  test.each([
    ['of narthex show their code', new NarthexError('BLOB_MISSING', 'secret'), 'BLOB_MISSING\n'],
    ['of others show nothing', new Error('secret'), 'internal error\n'],
  ])('%s', async (_, failure, body) => {
    await using server = await serve(() => Promise.reject(failure));
    const response = await fetch(server.url);
    expect(response.status).toBe(500);
    expect(await response.text()).toBe(body);
    expect(server.reported).toEqual([failure]);
  });

  test('before the first byte of a stream have an answer', async () => {
    const failure = new NarthexError('BLOB_MISSING', 'gone');
    await using server = await serve(() => streamed([], 100, failure));
    const response = await fetch(server.url);
    expect(response.status).toBe(500);
    expect(await response.text()).toBe('BLOB_MISSING\n');
    expect(server.reported).toEqual([failure]);
  });

  test('after the first byte break off the connection', async () => {
    const failure = new NarthexError('BLOB_MISSING', 'gone');
    await using server = await serve(() => streamed(['ab'], 100, failure));
    await expect(fetch(server.url).then((response) => response.text())).rejects.toThrow();
    expect(server.reported).toEqual([failure]);
  });

  test('of a stream without a length are seen too', async () => {
    await using server = await serve(() => ({
      ...streamed(['ab'], 0, new Error('broken')),
      headers: {},
    }));
    await expect(fetch(server.url).then((response) => response.text())).rejects.toThrow();
  });

  test.each([
    ['short', 5],
    ['long', 3],
  ])('a body that is too %s breaks off the connection', async (_, contentLength) => {
    await using server = await serve(() => streamed(['ab', 'cd'], contentLength));
    await expect(fetch(server.url).then((response) => response.text())).rejects.toThrow();
    expect(server.reported).toMatchObject([{ code: 'ERR_HTTP_CONTENT_LENGTH_MISMATCH' }]);
  });
});

describe('clients that go away or do not read', () => {
  test('abort what is rendered for them, and give back what it holds', async () => {
    const started = Promise.withResolvers<void>();
    const returned = Promise.withResolvers<unknown>();
    await using server = await serve((_, signal) => {
      async function* body() {
        try {
          yield Buffer.from('x');
          started.resolve();
          await new Promise((_, reject) => {
            signal.addEventListener('abort', () => reject(signal.reason));
          });
        } finally {
          returned.resolve(signal.reason);
        }
      }
      return { status: 200, headers: { 'content-length': '1000' }, body: body() };
    });
    const socket = await rawClient(server.port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await started.promise;
    socket.destroy();
    expect(await returned.promise).toMatchObject({
      message: 'the client has closed the connection',
    });
    // it is no failure of the server
    expect(server.reported).toEqual([]);
  });

  test('abort what is looked up for them', async () => {
    const started = Promise.withResolvers<void>();
    const aborted = Promise.withResolvers<void>();
    await using server = await serve((_, signal) => {
      started.resolve();
      return new Promise((_, reject) => {
        signal.addEventListener('abort', () => {
          aborted.resolve();
          reject(signal.reason);
        });
      });
    });
    const socket = await rawClient(server.port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await started.promise;
    socket.destroy();
    await aborted.promise;
    expect(server.reported).toEqual([]);
  });

  test('make rendering wait', async () => {
    const chunk = Buffer.alloc(1024 * 1024);
    let produced = 0;
    await using server = await serve(() => {
      async function* body() {
        for (; produced < 1000; produced++) yield chunk;
      }
      return { status: 200, headers: {}, body: body() };
    });
    const socket = await rawClient(server.port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    socket.pause();
    // until nothing more is produced
    for (let before = -1; before !== produced; ) {
      before = produced;
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    expect(produced).toBeGreaterThan(0);
    expect(produced).toBeLessThan(100); // what the kernel's buffers hold
    socket.destroy();
  });
});

describe('closing', () => {
  test('waits for the answers under way and takes no new ones', async () => {
    const begun = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const server = await serve(() => {
      async function* body() {
        yield Buffer.from('ab');
        begun.resolve();
        await goOn.promise;
        yield Buffer.from('cd');
      }
      return { status: 200, headers: { 'content-length': '4' }, body: body() };
    });
    const response = await fetch(server.url);
    await begun.promise;
    const closed = server.close();
    await expect(fetch(server.url)).rejects.toThrow();
    goOn.resolve();
    expect(await response.text()).toBe('abcd');
    await closed; // though the client would keep the connection
    await server.close();
  });

  test('does not wait for connections that ask for nothing', async () => {
    const server = await listen({
      drainTimeoutMs: 3_600_000, // waiting for it would end the test
      routes: { handle: async () => ({ status: 404, headers: {} }) },
    });
    const silent = connect(server.port, '127.0.0.1');
    const halfSent = connect(server.port, '127.0.0.1');
    await Promise.all([once(silent, 'connect'), once(halfSent, 'connect')]);
    halfSent.write('GET / HTTP/1.1\r\nHost: ');
    for (const socket of [silent, halfSent]) socket.on('error', () => {});
    await server.close();
  });

  test('breaks off answers that take too long', async () => {
    const server = await serve(
      (_, signal) => {
        async function* body() {
          yield Buffer.from('ab');
          await new Promise((_, reject) => {
            signal.addEventListener('abort', () => reject(signal.reason));
          });
        }
        return { status: 200, headers: { 'content-length': '4' }, body: body() };
      },
      { drainTimeoutMs: 50 },
    );
    const response = await fetch(server.url);
    await server.close();
    await expect(response.text()).rejects.toThrow();
  });
});

describe('listening', () => {
  test('at a port that is taken', async () => {
    await using server = await serve(() => text(''));
    const { port } = server;
    await expect(serve(() => text(''), { port })).rejects.toMatchObject({
      code: 'LISTEN_FAILED',
      facts: { host: '127.0.0.1', port },
    });
  });

  test('at an address of nobody', async () => {
    await expect(serve(() => text(''), { host: '192.0.2.1' })).rejects.toMatchObject({
      code: 'LISTEN_FAILED',
    });
  });
});
