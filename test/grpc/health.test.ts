/** Health over gRPC, and what is told of calls. */
import { Code, createClient } from '@connectrpc/connect';
import { expect, test } from 'vitest';
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from '../../src/grpc/gen/grpc/health/v1/health_pb.ts';
import type { GrpcCall } from '../../src/grpc/grpcHandler.ts';
import { healthService } from '../../src/grpc/health.ts';
import { loopback } from './loopback.ts';

/** A server that knows one service, a client, and what is told of its calls. */
async function health() {
  const ending = new AbortController();
  const calls: GrpcCall[] = [];
  const server = await loopback({
    services: [healthService(['a.B'], ending.signal)],
    onCall: (call) => calls.push(call),
  });
  const client = createClient(Health, server.channel.transport);
  return {
    client,
    calls,
    end: () => ending.abort(),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

test('all that is served is well, until the server is about to end', async () => {
  await using server = await health();
  const statuses = async () => {
    const answers = ['', 'a.B'].map((service) => server.client.check({ service }));
    return (await Promise.all(answers)).map(({ status }) => status);
  };
  expect(await statuses()).toEqual([Status.SERVING, Status.SERVING]);
  await expect(server.client.check({ service: 'c.D' })).rejects.toMatchObject({
    code: Code.NotFound,
  });
  server.end();
  expect(await statuses()).toEqual([Status.NOT_SERVING, Status.NOT_SERVING]);
});

test.each([
  ['that is served', 'a.B', [Status.SERVING, Status.NOT_SERVING]],
  ['that is not there', 'c.D', [Status.SERVICE_UNKNOWN]],
])('who watches a service %s is told, and the watch ends', async (_, service, expected) => {
  await using server = await health();
  const seen: Status[] = [];
  for await (const { status } of server.client.watch({ service })) {
    seen.push(status);
    server.end();
  }
  expect(seen).toEqual(expected);
});

test('calls are told with their methods and statuses', async () => {
  await using server = await health();
  await server.client.check({ service: '' });
  await server.client.check({ service: 'c.D' }).catch(() => {});
  for await (const _ of server.client.watch({ service: '' })) server.end();
  expect(server.calls).toEqual([
    { method: 'grpc.health.v1.Health/Check', code: 'OK' },
    { method: 'grpc.health.v1.Health/Check', code: 'NOT_FOUND' },
    { method: 'grpc.health.v1.Health/Watch', code: 'OK' },
  ]);
});

test('a call that its client has cancelled', async () => {
  await using server = await health();
  const leaving = new AbortController();
  const watching = async () => {
    const { signal } = leaving;
    for await (const _ of server.client.watch({ service: '' }, { signal })) leaving.abort();
  };
  await expect(watching()).rejects.toMatchObject({ code: Code.Canceled });
  while (server.calls.length === 0) await new Promise(setImmediate);
  expect(server.calls).toEqual([{ method: 'grpc.health.v1.Health/Watch', code: 'CANCELLED' }]);
});
