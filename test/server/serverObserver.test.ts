/** What a server tells of its requests. */
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import type { CacheResponse } from '../../src/cacheRoutes/http.ts';
import type { ListenOptions } from '../../src/server/httpServer.ts';
import type { RequestRecord } from '../../src/server/serverObserver.ts';
import { answerOf, http2Client, rawClient, readAll, serve, streamed, text } from './testServer.ts';

/** A server that answers everything so, and the next record that it tells. */
async function observedServer(
  answer: () => CacheResponse | Promise<CacheResponse>,
  options: Partial<ListenOptions> = {},
) {
  const told: RequestRecord[] = [];
  const first = Promise.withResolvers<RequestRecord>();
  const server = await serve(answer, {
    ...options,
    observer: {
      requestEnded(record) {
        told.push(record);
        first.resolve(record);
      },
    },
  });
  return { ...server, told, first: first.promise };
}

const endless = async function* () {
  const piece = Buffer.alloc(64 * 1024);
  for (;;) yield piece;
};

type Server = Awaited<ReturnType<typeof observedServer>>;
const PATH = '/x?token=secret';

const protocols: [name: RequestRecord['protocol'], get: (server: Server) => Promise<string>][] = [
  [
    'http1',
    async ({ port }) => {
      const request = `GET ${PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
      return await readAll(await rawClient(port, request));
    },
  ],
  [
    'http2',
    async ({ url }) => {
      using client = http2Client(url);
      return (await answerOf(client.session.request({ ':path': PATH }))).text;
    },
  ],
];

describe.each(protocols)('over %s', (protocol, get) => {
  const common = { protocol, isGrpc: false, client: '127.0.0.1', method: 'GET', path: '/x' };

  test.each<[what: string, answer: () => CacheResponse, status: number, sentBytes: number]>([
    ['in memory', () => text('hello', 404), 404, 5],
    ['streamed', () => streamed(['ab', 'cd'], 4), 200, 4],
    ['without a body', () => ({ status: 304, headers: {} }), 304, 0],
  ])('an answer %s', async (_, answer, status, sentBytes) => {
    await using server = await observedServer(answer);
    await get(server);
    const record = await server.first;
    expect(record).toMatchObject({ ...common, status, sentBytes, outcome: 'complete' });
    expect(record.answeredAfterMs).toBeGreaterThan(0);
    expect(record.durationMs).toBeGreaterThanOrEqual(record.answeredAfterMs ?? 0);
    await server.close();
    expect(server.told).toHaveLength(1);
  });

  test('one that failed', async () => {
    await using server = await observedServer(() => Promise.reject(new Error('x')));
    await get(server);
    expect(await server.first).toMatchObject({ ...common, status: 500, outcome: 'complete' });
  });

  test('one that was broken off', async () => {
    await using server = await observedServer(() => streamed(['ab'], 100, new Error('x')));
    await get(server).catch(() => {});
    expect(await server.first).toMatchObject({ status: 200, sentBytes: 2, outcome: 'brokenOff' });
  });
});

test('a client that went away, over HTTP/1.1', async () => {
  await using server = await observedServer(() => ({ status: 200, headers: {}, body: endless() }));
  const socket = await rawClient(server.port, 'GET /x HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(socket, 'data');
  socket.destroy();
  expect(await server.first).toMatchObject({ status: 200, outcome: 'clientGone' });
});

test('a client that went away before there was an answer', async () => {
  const asked = Promise.withResolvers<void>();
  await using server = await observedServer(() => {
    asked.resolve();
    return new Promise<never>(() => {});
  });
  const socket = await rawClient(server.port, 'GET /x HTTP/1.1\r\nHost: x\r\n\r\n');
  await asked.promise;
  socket.destroy();
  expect(await server.first).toMatchObject({
    status: undefined,
    answeredAfterMs: undefined,
    outcome: 'clientGone',
  });
});

test('a stream that its client has cancelled, over HTTP/2', async () => {
  await using server = await observedServer(() => ({ status: 200, headers: {}, body: endless() }));
  using client = http2Client(server.url);
  const stream = client.session.request({ ':path': '/x' });
  stream.on('error', () => {});
  await once(stream, 'data');
  stream.close(8);
  expect(await server.first).toMatchObject({ status: 200, outcome: 'clientGone' });
});

test('a call of gRPC', async () => {
  await using server = await observedServer(() => text(''), {
    grpc: {
      handles: (path) => path === '/a.B/C',
      handler: (_, response) => response.end('answer'),
    },
  });
  await fetch(`${server.url}/a.B/C?x=1`, { method: 'POST', body: 'x' });
  expect(await server.first).toMatchObject({
    isGrpc: true,
    method: 'POST',
    path: '/a.B/C',
    status: 200,
    sentBytes: undefined,
    outcome: 'complete',
  });
});

test('figures: connections, answers under way, bytes', async () => {
  await using server = await observedServer(() => ({ status: 200, headers: {}, body: endless() }), {
    maxBodies: 7,
  });
  expect(server.figures()).toEqual({
    connections: 0,
    maxConnections: 4096,
    receivedBytes: 0,
    sentBytes: 0,
    inFlight: 0,
    waiting: 0,
    maxBodies: 7,
    refused: 0,
    evicted: 0,
  });
  const request = 'GET /x HTTP/1.1\r\nHost: x\r\n\r\n';
  const socket = await rawClient(server.port, request);
  await once(socket, 'data');
  expect(server.figures()).toMatchObject({
    connections: 1,
    inFlight: 1,
    receivedBytes: request.length,
  });
  expect(server.figures().sentBytes).toBeGreaterThan(64 * 1024);
  socket.destroy();
  await server.first;
  while (server.figures().inFlight > 0) await new Promise(setImmediate);
  expect(server.figures()).toMatchObject({ connections: 0, receivedBytes: request.length });
});
