/** Limits of a server, over both protocols. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import type { GrpcRoutes } from '../../src/server/protocol.ts';
import { DEFAULT_SERVER_LIMITS, serverLimits } from '../../src/server/serverLimits.ts';
import { answerOf, http2Client, rawClient, readAll, serve, streamed, text } from './testServer.ts';

const GET = 'GET /x HTTP/1.1\r\nHost: x\r\n\r\n';
/** Waiting for it would end the test. */
const LONG_MS = 3_600_000;

test('what is not given is the default, and what is no limit is left out', () => {
  const given = { maxConnections: 3, drainTimeoutMs: undefined, port: 80 };
  expect(serverLimits(given)).toEqual({ ...DEFAULT_SERVER_LIMITS, maxConnections: 3 });
});

describe.each([
  ['maxConnections', { maxConnections: 2 }],
  ['maxConnectionsPerClient', { maxConnectionsPerClient: 2 }],
] as const)('%s', (reason, limits) => {
  test('one more is closed as it comes, and told; when one has gone there is room', async () => {
    const refused: string[] = [];
    await using server = await serve(() => text('here'), {
      ...limits,
      observer: { connectionRefused: (reason) => refused.push(reason) },
    });
    const first = await rawClient(server.port, '');
    const second = await rawClient(server.port, '');
    // both are with the server before the third comes
    second.write(GET);
    await once(second, 'data');
    const third = connect(server.port, '127.0.0.1').on('error', () => {});
    await once(third, 'close');
    expect(refused).toEqual([reason]);
    expect(server.figures().connections).toBe(2);

    first.destroy();
    while (server.figures().connections > 1) await new Promise(setImmediate);
    const next = await rawClient(server.port, GET);
    const [answer] = await once(next, 'data');
    expect(String(answer)).toMatch(/^HTTP\/1\.1 200 /);
    for (const socket of [second, next]) socket.destroy();
  });
});

describe('maxRequestsPerConnection', () => {
  test('over HTTP/1.1 the last answer says that it is', async () => {
    await using server = await serve(() => text('here'), { maxRequestsPerConnection: 2 });
    const socket = await rawClient(server.port, GET);
    const [first] = await once(socket, 'data');
    expect(String(first)).not.toMatch(/^connection: close/im);
    socket.write(GET);
    expect(await readAll(socket)).toMatch(/^connection: close/im);
  });

  test('over HTTP/2 the connection ends with the last answer', async () => {
    await using server = await serve(() => text('here'), { maxRequestsPerConnection: 2 });
    using client = http2Client(server.url);
    const closed = once(client.session, 'close');
    expect(await answerOf(client.session.request({ ':path': '/1' }))).toMatchObject({
      text: 'here',
    });
    expect(client.session.closed).toBe(false);
    expect(await answerOf(client.session.request({ ':path': '/2' }))).toMatchObject({
      text: 'here',
    });
    await closed;
  });
});

describe('answerTimeoutMs', () => {
  const options = { answerTimeoutMs: 50 };
  const never = (signal: AbortSignal) =>
    new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason));
    });
  async function* silent(signal: AbortSignal) {
    yield await never(signal);
  }

  test.each([
    ['an answer that does not come', (signal: AbortSignal) => never(signal)],
    ['one that heeds no signal', () => new Promise<never>(() => {})],
    [
      'a body that does not begin',
      (signal: AbortSignal) => ({ status: 200, headers: {}, body: silent(signal) }),
    ],
  ])('%s is 503, and said to be tried again', async (_, answer) => {
    await using server = await serve((_request, signal) => answer(signal), options);
    const response = await fetch(server.url);
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('10');
    expect(await response.text()).toBe('LIMIT_EXCEEDED\n');
    expect(server.reported).toMatchObject([
      { code: 'LIMIT_EXCEEDED', facts: { limit: 'answerTimeoutMs', expected: 50 } },
    ]);
  });

  test('is over once an answer has begun', async () => {
    await using server = await serve(() => {
      async function* body() {
        yield Buffer.from('ab');
        await new Promise((resolve) => setTimeout(resolve, 200));
        yield Buffer.from('cd');
      }
      return { status: 200, headers: {}, body: body() };
    }, options);
    expect(await (await fetch(server.url)).text()).toBe('abcd');
  });

  test('is not for requests with a body', async () => {
    await using server = await serve(async ({ body }) => {
      if (body !== undefined) await readAll(body);
      await new Promise((resolve) => setTimeout(resolve, 200));
      return text('taken');
    }, options);
    const response = await fetch(server.url, { method: 'PUT', body: 'x' });
    expect(await response.text()).toBe('taken');
  });
});

test('stalledClientMs: who takes nothing is given up', async () => {
  await using server = await serve(() => ({ ...streamed([], 0), headers: {}, body: endless() }), {
    stalledClientMs: 50,
    drainTimeoutMs: LONG_MS,
  });
  const socket = await rawClient(server.port, GET);
  socket.on('error', () => {});
  socket.pause();
  // closing waits for the answer
  await server.close();
  socket.destroy();
});

async function* endless() {
  const piece = Buffer.alloc(1024 * 1024);
  for (;;) yield piece;
}

describe('bodyIdleTimeoutMs: a call of gRPC whose messages do not come', () => {
  // takes all that comes, and waits for more
  const grpc: GrpcRoutes = { handles: () => true, handler: (request) => void request.resume() };
  const options = { bodyIdleTimeoutMs: 50, grpc };

  test('over HTTP/1.1', async () => {
    await using server = await serve(() => text(''), options);
    const head = 'POST /a.B/C HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n';
    const socket = await rawClient(server.port, `${head}1\r\nx\r\n`);
    await readAll(socket);
    await expect.poll(() => server.figures().inFlight).toBe(0);
  });

  test('over HTTP/2', async () => {
    await using server = await serve(() => text(''), options);
    using client = http2Client(server.url);
    const stream = client.session.request(
      { ':method': 'POST', ':path': '/a.B/C' },
      { endStream: false },
    );
    stream.on('error', () => {});
    stream.write('x');
    await once(stream, 'close');
    await expect.poll(() => server.figures().inFlight).toBe(0);
  });
});

test.each([
  ['HTTP/1.1', GET],
  ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
])('keepAliveTimeoutMs and headersTimeoutMs: %s', async (_, begin) => {
  await using server = await serve(() => text('here'), {
    keepAliveTimeoutMs: 50,
    headersTimeoutMs: 50,
  });
  const socket = await rawClient(server.port, begin);
  // closed by the server
  await readAll(socket);
});
