/** HTTP/1.1, HTTP/2 by prior knowledge, gRPC and Connect on one port. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { createClient } from '@connectrpc/connect';
import {
  connectNodeAdapter,
  createConnectTransport,
  createGrpcTransport,
} from '@connectrpc/connect-node';
import { describe, expect, test } from 'vitest';
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from '../../src/grpc/gen/grpc/health/v1/health_pb.ts';
import type { GrpcRoutes } from '../../src/server/protocol.ts';
import { answerOf, http2Client, rawClient, readAll, serve, text } from './testServer.ts';

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
/** An empty SETTINGS frame, which every connection begins with. */
const SETTINGS = '\0\0\0\x04\0\0\0\0\0';
const SETTINGS_TYPE = 4;

describe('the first bytes', () => {
  test.each(['GET', 'PUT', 'PRIVATE', 'PRI'])('of %s over HTTP/1.1', async (method) => {
    await using server = await serve((request) => text(request.method));
    const socket = await rawClient(
      server.port,
      `${method} /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
    );
    const answer = await readAll(socket);
    // node:http knows a list of methods; what it does not know is its to refuse
    const isKnown = method === 'GET' || method === 'PUT';
    expect(answer).toMatch(
      isKnown ? new RegExp(`^HTTP/1.1 200 .*\r\n\r\n${method}$`, 's') : /^HTTP\/1.1 400 /,
    );
  });

  test.each([
    ['HTTP/1.1', 'GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n', /^HTTP\/1\.1 200 /],
    // a server's connection begins with SETTINGS too
    ['HTTP/2', PREFACE + SETTINGS, new RegExp(`^...\\x0${SETTINGS_TYPE}`, 's')],
  ])('one by one: %s', async (_, request, expected) => {
    await using server = await serve(() => text('x'));
    const socket = connect({ port: server.port, host: '127.0.0.1', noDelay: true });
    const answered = once(socket, 'data');
    for (const byte of request) await new Promise((sent) => socket.write(byte, 'latin1', sent));
    expect((await answered)[0].toString('latin1')).toMatch(expected);
    socket.destroy();
  });

  test('that differ from the preface are answered without waiting for more', async () => {
    await using server = await serve(() => text('x'));
    const socket = await rawClient(server.port, '\x16\x03\x01'); // as TLS begins
    expect(await readAll(socket)).toMatch(/^HTTP\/1\.1 400 /);
  });

  test.each(['', 'PRI * HTTP/2.0\r\n'])(
    'that do not come (%j) end the connection',
    async (begun) => {
      await using server = await serve(() => text('x'), { headersTimeoutMs: 20 });
      expect(await readAll(await rawClient(server.port, begun))).toBe('');
    },
  );

  test('that never come end the connection', async () => {
    await using server = await serve(() => text('x'));
    const socket = await rawClient(server.port, 'PRI');
    socket.end();
    expect(await readAll(socket)).toBe('');
  });
});

test.each([
  ['HTTP/1.1', 'GET / HTTP/1.1\r\nHost: ', /^(?:HTTP\/1\.1 408 .*)?$/s],
  ['HTTP/2', PREFACE + SETTINGS, /./s],
])('a request that does not become complete ends the connection: %s', async (_, begun, told) => {
  await using server = await serve(() => text('x'), { headersTimeoutMs: 20 });
  expect(await readAll(await rawClient(server.port, begun))).toMatch(told);
});

test('both protocols at once', async () => {
  await using server = await serve((request) => text(`${request.path} ${request.headers['host']}`));
  using client = http2Client(server.url);
  const host = `127.0.0.1:${server.port}`;
  const [one, two, three] = await Promise.all([
    fetch(`${server.url}/a`).then((response) => response.text()),
    answerOf(client.session.request({ ':path': '/b' })),
    answerOf(client.session.request({ ':path': '/c' })),
  ]);
  expect([one, two.text, three.text]).toEqual([`/a ${host}`, `/b ${host}`, `/c ${host}`]);
});

describe('gRPC and Connect', () => {
  const path = /^\/grpc\.health\.v1\.Health\//;
  const grpc: GrpcRoutes = {
    handles: (candidate) => path.test(candidate),
    handler: connectNodeAdapter({
      routes: (router) =>
        router.service(Health, {
          check: () => ({ status: Status.SERVING }),
          async *watch() {
            yield { status: Status.NOT_SERVING };
            yield { status: Status.SERVING };
          },
        }),
    }),
  };

  test.each([
    ['gRPC', (baseUrl: string) => createGrpcTransport({ baseUrl })],
    [
      'Connect over HTTP/1.1',
      (baseUrl: string) => createConnectTransport({ baseUrl, httpVersion: '1.1' }),
    ],
    [
      'Connect over HTTP/2',
      (baseUrl: string) => createConnectTransport({ baseUrl, httpVersion: '2' }),
    ],
  ])('%s beside the cache', async (_, transport) => {
    await using server = await serve((request) => text(request.path), { grpc });
    const client = createClient(Health, transport(server.url));
    expect((await client.check({})).status).toBe(Status.SERVING);
    const statuses = await Array.fromAsync(client.watch({}), ({ status }) => status);
    expect(statuses).toEqual([Status.NOT_SERVING, Status.SERVING]);
    expect(await (await fetch(`${server.url}/nix-cache-info`)).text()).toBe('/nix-cache-info');
  });

  test('are told when there is no room', async () => {
    await using server = await serve(() => text('x'), { grpc, maxBodies: 0 });
    const client = createClient(Health, createGrpcTransport({ baseUrl: server.url }));
    await expect(client.check({})).rejects.toThrow('unavailable');
  });
});
