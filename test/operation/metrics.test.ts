/** Metrics: what is counted, and that nothing from outside becomes a label. */
import { describe, expect, test } from 'vitest';
import { NarthexError } from '../../src/errors.ts';
import { Metrics } from '../../src/operation/metrics.ts';
import { REQUEST_KINDS } from '../../src/operation/requestKind.ts';
import type { RequestRecord } from '../../src/server/serverObserver.ts';
import { pathInfoOf } from '../contracts/pathInfos.ts';

/** The samples of our own metrics, by name and labels. */
async function samples(metrics: Metrics): Promise<Record<string, number>> {
  const lines = (await metrics.text()).split('\n').filter((line) => line.startsWith('narthex_'));
  return Object.fromEntries(
    lines.map((line) => {
      const space = line.lastIndexOf(' ');
      return [line.slice(0, space), Number(line.slice(space + 1))];
    }),
  );
}

const request: RequestRecord = {
  protocol: 'http1',
  isGrpc: false,
  client: '192.0.2.1',
  method: 'GET',
  path: '/nar/0abc.nar',
  status: 200,
  sentBytes: 1000,
  answeredAfterMs: 4,
  durationMs: 300,
  outcome: 'complete',
};

test('the text is what Prometheus takes, and has what the process takes', async () => {
  const metrics = new Metrics();
  expect(metrics.contentType).toMatch(/^text\/plain; version=0\.0\.4/);
  const text = await metrics.text();
  expect(text).toMatch(/^process_resident_memory_bytes [1-9]\d+$/m);
  expect(text).toMatch(/^nodejs_eventloop_lag_p99_seconds /m);
  for (const line of text.split('\n').filter(Boolean)) {
    expect(line).toMatch(
      /^# (HELP|TYPE) |^[a-z][a-z0-9_]*(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? \S+$/i,
    );
  }
});

test('requests: by kind, protocol, status and outcome, with times and bytes', async () => {
  const metrics = new Metrics();
  metrics.requests.request(request);
  metrics.requests.request({ ...request, sentBytes: 500 });
  metrics.requests.request({
    ...request,
    status: undefined,
    answeredAfterMs: undefined,
    sentBytes: 0,
    outcome: 'clientGone',
  });
  const kind = 'kind="nar"';
  expect(await samples(metrics)).toMatchObject({
    [`narthex_http_requests_total{${kind},protocol="http1",status="200",outcome="complete"}`]: 2,
    [`narthex_http_requests_total{${kind},protocol="http1",status="none",outcome="clientGone"}`]: 1,
    [`narthex_http_body_bytes_total{${kind}}`]: 1500,
    [`narthex_http_answer_seconds_count{${kind}}`]: 2,
    [`narthex_http_answer_seconds_bucket{le="0.005",${kind}}`]: 2,
    [`narthex_http_answer_seconds_bucket{le="0.0025",${kind}}`]: 0,
    [`narthex_http_request_duration_seconds_count{${kind}}`]: 3,
    [`narthex_http_request_duration_seconds_bucket{le="0.25",${kind}}`]: 0,
    [`narthex_http_request_duration_seconds_sum{${kind}}`]: expect.closeTo(0.9),
  });
});

test('whatever is asked for, there are no more series than kinds', async () => {
  const metrics = new Metrics();
  for (let i = 0; i < 1000; i++) {
    for (const path of [`/${i}`, `/nar/${i}.nar`, `/closure/${i}/nix-cache-info`, '/"\n{}']) {
      metrics.requests.request({ ...request, path, method: `M${i}`, client: `${i}` });
    }
  }
  const names = Object.keys(await samples(metrics));
  const kinds = names.map((name) => /kind="([^"]*)"/.exec(name)?.[1]).filter(Boolean);
  expect([...new Set(kinds)].sort()).toEqual(['cache-info', 'nar', 'other']);
  expect(REQUEST_KINDS).toEqual(expect.arrayContaining([...new Set(kinds)]));
});

test('calls of gRPC, uploads, refused connections', async () => {
  const metrics = new Metrics();
  metrics.requests.grpcCall({ method: 'a.B/C', code: 'NOT_FOUND' });
  metrics.upload({ type: 'begun' });
  metrics.upload({ type: 'begun' });
  metrics.upload({ type: 'ended' });
  metrics.upload({ type: 'taken', file: 'nar', uploader: 'ci', name: 'sha256:x' });
  metrics.upload({ type: 'refused', file: 'narinfo', code: 'UNAUTHENTICATED' });
  metrics.connectionRefused('maxConnections');
  expect(await samples(metrics)).toMatchObject({
    'narthex_grpc_calls_total{method="a.B/C",code="NOT_FOUND"}': 1,
    narthex_uploads_in_flight: 1,
    'narthex_uploads_total{file="nar",result="taken"}': 1,
    'narthex_uploads_total{file="narinfo",result="UNAUTHENTICATED"}': 1,
    'narthex_connections_refused_total{limit="maxConnections"}': 1,
  });
});

test('paths that were brought in, or failed by code', async () => {
  const metrics = new Metrics();
  const pathInfo = pathInfoOf({ name: 'a' });
  metrics.path({ type: 'kept', pathInfo });
  const errors = [new NarthexError('NAR_HASH_MISMATCH', 'x'), new Error('secret')];
  for (const error of errors) metrics.path({ type: 'failed', baseName: 'x', error });
  expect(await samples(metrics)).toMatchObject({
    'narthex_ingest_paths_total{result="kept"}': 1,
    'narthex_ingest_paths_total{result="NAR_HASH_MISMATCH"}': 1,
    'narthex_ingest_paths_total{result="INTERNAL"}': 1,
    narthex_ingest_nar_bytes_total: pathInfo.claim.narSize,
  });
});

describe('figures that others keep', () => {
  test('are looked up each time', async () => {
    const metrics = new Metrics();
    const figures = {
      ...{ connections: 3, maxConnections: 9, receivedBytes: 10, sentBytes: 20 },
      ...{ inFlight: 2, waiting: 1, maxBodies: 5, refused: 4, evicted: 6 },
    };
    metrics.watchServer(() => figures);
    const expected = {
      narthex_connections: 3,
      narthex_connections_limit: 9,
      narthex_bodies_in_flight: 2,
      narthex_bodies_waiting: 1,
      narthex_bodies_limit: 5,
      narthex_bodies_refused_total: 4,
      narthex_bodies_evicted_total: 6,
      narthex_network_received_bytes_total: 10,
      narthex_network_sent_bytes_total: 20,
    };
    expect(await samples(metrics)).toMatchObject(expected);
    figures.sentBytes = 25;
    expect(await samples(metrics)).toMatchObject({
      ...expected,
      narthex_network_sent_bytes_total: 25,
    });
  });

  test('have no value before they are known', async () => {
    const metrics = new Metrics();
    metrics.watchStore(async () => undefined);
    expect(Object.keys(await samples(metrics))).not.toContain('narthex_store_paths');
  });
});
