/** What HTTP/2 does otherwise than HTTP/1.1; `httpServer.test.ts` has what both do. */
import { once } from 'node:events';
import { constants } from 'node:http2';
import { describe, expect, test } from 'vitest';
import type { CacheRequest } from '../../src/cacheRoutes/http.ts';
import { NarthexError } from '../../src/errors.ts';
import { answerOf, bodyText, http2Client, readAll, serve, streamed, text } from './testServer.ts';

describe('requests and answers', () => {
  test('reach the routes as values', async () => {
    let seen: CacheRequest | undefined;
    await using server = await serve((request) => {
      seen = request;
      return text('');
    });
    using client = http2Client(server.url);
    await answerOf(
      client.session.request({ ':method': 'HEAD', ':path': '/a%20b?x=1&y=%2f', 'X-Y': 'z' }),
    );
    expect(seen).toMatchObject({ method: 'HEAD', path: '/a%20b' });
    expect(seen?.body).toBeUndefined();
    expect(Object.fromEntries(seen?.query ?? [])).toEqual({ x: '1', y: '/' });
    expect(seen?.headers).toEqual({ host: `127.0.0.1:${server.port}`, 'x-y': 'z' });
  });

  test('in memory, streamed, without a length, and HEAD', async () => {
    await using server = await serve(({ method, path }) => {
      if (method === 'HEAD') return { status: 200, headers: { 'content-length': '7' } };
      if (path === '/memory') return text('hello');
      const answer = streamed(['ab', 'cd'], 4);
      return path === '/streamed' ? answer : { ...answer, headers: {} };
    });
    using client = http2Client(server.url);
    const get = (path: string) => answerOf(client.session.request({ ':path': path }));
    expect(await get('/memory')).toMatchObject({ status: 200, text: 'hello' });
    expect(await get('/streamed')).toMatchObject({
      text: 'abcd',
      headers: { 'content-length': '4' },
    });
    expect(await get('/unknown')).toMatchObject({ text: 'abcd' });
    const head = await answerOf(client.session.request({ ':method': 'HEAD', ':path': '/' }));
    expect(head).toMatchObject({ status: 200, text: '', headers: { 'content-length': '7' } });
  });

  test('headers beyond the limit are refused', async () => {
    await using server = await serve(() => text(''));
    using client = http2Client(server.url);
    // which the server has told before
    await once(client.session, 'remoteSettings');
    expect((await answerOf(client.session.request({ ':path': '/' }))).status).toBe(200);
    const refused = answerOf(client.session.request({ ':path': '/', x: 'y'.repeat(20_000) }));
    await expect(refused).rejects.toThrow();
  });
});

describe('failures', () => {
  test('before the first byte have an answer', async () => {
    const failure = new NarthexError('BLOB_MISSING', 'secret');
    await using server = await serve(() => streamed([], 100, failure));
    using client = http2Client(server.url);
    const answer = await answerOf(client.session.request({ ':path': '/' }));
    expect(answer).toMatchObject({ status: 500, text: 'BLOB_MISSING\n' });
    expect(server.reported).toEqual([failure]);
  });

  test.each([
    ['after the first byte', () => streamed(['ab'], 100, new Error('broken')), 'broken'],
    [
      'without a length',
      () => ({ ...streamed(['ab'], 0, new Error('broken')), headers: {} }),
      'broken',
    ],
    ['a body that is too short', () => streamed(['ab', 'cd'], 5), "the body's length"],
    ['a body that is too long', () => streamed(['ab', 'cd'], 3), "the body's length"],
  ])('%s: break off the stream, and no other', async (_, answer, message) => {
    await using server = await serve(({ path }) => (path === '/good' ? text('good') : answer()));
    using client = http2Client(server.url);
    const bad = answerOf(client.session.request({ ':path': '/bad' }));
    await expect(bad).rejects.toMatchObject({ code: 'ERR_HTTP2_STREAM_ERROR' });
    expect(server.reported).toMatchObject([{ message: expect.stringContaining(message) }]);
    expect((await answerOf(client.session.request({ ':path': '/good' }))).text).toBe('good');
  });
});

describe('clients that go away or do not read', () => {
  test('reset a stream: what is rendered for them is aborted', async () => {
    const started = Promise.withResolvers<void>();
    const aborted = Promise.withResolvers<void>();
    await using server = await serve((_, signal) => {
      signal.addEventListener('abort', () => aborted.resolve());
      started.resolve();
      return new Promise((_, reject) =>
        signal.addEventListener('abort', () => reject(signal.reason)),
      );
    });
    using client = http2Client(server.url);
    const stream = client.session.request({ ':path': '/' });
    await started.promise;
    stream.close(constants.NGHTTP2_CANCEL);
    await aborted.promise;
    expect(server.reported).toEqual([]);
  });

  test('make rendering wait, each stream for itself', async () => {
    const piece = Buffer.alloc(64 * 1024);
    let produced = 0;
    await using server = await serve(({ path }) => {
      if (path === '/other') return text('other');
      async function* body() {
        for (;;) {
          produced++;
          yield piece;
        }
      }
      return { status: 200, headers: {}, body: body() };
    });
    using client = http2Client(server.url);
    const stream = client.session.request({ ':path': '/' });
    stream.on('error', () => {});
    await once(stream, 'response');
    // its window is full; other streams have their own
    for (let i = 0; i < 5; i++) {
      expect((await answerOf(client.session.request({ ':path': '/other' }))).text).toBe('other');
    }
    expect(produced).toBeLessThan(10);
  });
});

describe('bodies of requests', () => {
  const put = { ':method': 'PUT', ':path': '/x' };

  test('are given as they come', async () => {
    await using server = await serve(async (request) => text(await bodyText(request)));
    using client = http2Client(server.url);
    const stream = client.session.request(put);
    stream.write('ab');
    stream.end('cd');
    expect((await answerOf(stream)).text).toBe('abcd');
  });

  test('are not read when nobody wants them', async () => {
    await using server = await serve(() => text('no', 405), { drainTimeoutMs: 0 });
    using client = http2Client(server.url);
    const stream = client.session.request(put);
    stream.on('error', () => {});
    const size = 10_000_000;
    stream.write(Buffer.alloc(size));
    expect(await answerOf(stream)).toMatchObject({ status: 405, text: 'no' });
    expect(stream.bufferSize).toBeGreaterThan(size / 2);
    // other streams go on
    expect(await answerOf(client.session.request({ ':path': '/' }))).toMatchObject({ text: 'no' });
  });

  test('are asked for when they are read', async () => {
    const asked = Promise.withResolvers<void>();
    await using server = await serve(async (request) => {
      await asked.promise;
      return text(await bodyText(request));
    });
    using client = http2Client(server.url);
    const stream = client.session.request({ ...put, expect: '100-continue' });
    let continued = false;
    stream.once('continue', () => {
      continued = true;
      stream.end('body');
    });
    await new Promise<void>((resolve) => client.session.ping(() => resolve()));
    expect(continued).toBe(false);
    asked.resolve();
    expect((await answerOf(stream)).text).toBe('body');
  });

  test.each(['the stream', 'the connection'])(
    'that are cut off with %s are not taken for complete',
    async (what) => {
      const begun = Promise.withResolvers<void>();
      const outcome = Promise.withResolvers<unknown>();
      await using server = await serve(async ({ body }, signal) => {
        try {
          for await (const _ of body ?? []) begun.resolve();
          outcome.resolve('complete');
        } catch (error) {
          outcome.resolve([error, signal.aborted]);
          throw error;
        }
        return text('');
      });
      using client = http2Client(server.url);
      const stream = client.session.request(put);
      stream.on('error', () => {});
      stream.write('ab');
      await begun.promise;
      if (what === 'the stream') stream.destroy();
      else client.session.destroy();
      const gone = expect.objectContaining({ message: 'the client has closed the connection' });
      expect(await outcome.promise).toEqual([gone, true]);
      expect(server.reported).toEqual([]);
    },
  );
});

test('closing says so, lets answers end, and takes no more', async () => {
  const goOn = Promise.withResolvers<void>();
  const server = await serve(() => {
    async function* body() {
      yield Buffer.from('ab');
      await goOn.promise;
      yield Buffer.from('cd');
    }
    return { status: 200, headers: { 'content-length': '4' }, body: body() };
  });
  using client = http2Client(server.url);
  using silent = http2Client(server.url);
  await once(silent.session, 'remoteSettings');
  const stream = client.session.request({ ':path': '/' });
  const goneAway = once(client.session, 'goaway');
  const [, [first]] = await Promise.all([once(stream, 'response'), once(stream, 'data')]);
  const closed = server.close();
  await once(silent.session, 'close');
  await goneAway;
  goOn.resolve();
  expect(String(first) + (await readAll(stream))).toBe('abcd');
  await closed; // though the client would keep the connection
});
