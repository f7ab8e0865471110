/** Requests over HTTP, and calls of gRPC. */
import { Counter, Histogram, type Registry } from 'prom-client';
import type { GrpcCall } from '../../grpc/grpcHandler.ts';
import type { RequestRecord } from '../../server/serverObserver.ts';
import { requestKind } from '../requestKind.ts';

/** Seconds. Narinfos take less than a millisecond; a NAR takes as long as its client. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60, 300];

/** Counts requests and calls. */
export interface RequestMetrics {
  request(record: RequestRecord): void;
  grpcCall(call: GrpcCall): void;
}

/** Registers them. */
export function requestMetrics(registry: Registry): RequestMetrics {
  const registers = [registry];
  const requests = new Counter({
    name: 'narthex_http_requests_total',
    help: 'Requests by kind, protocol, status (none: no answer was begun) and outcome.',
    labelNames: ['kind', 'protocol', 'status', 'outcome'],
    registers,
  });
  const answers = new Histogram({
    name: 'narthex_http_answer_seconds',
    help: 'Until an answer began.',
    labelNames: ['kind'],
    buckets: BUCKETS,
    registers,
  });
  const durations = new Histogram({
    name: 'narthex_http_request_duration_seconds',
    help: 'Until a request was over, whose client may have been slow.',
    labelNames: ['kind'],
    buckets: BUCKETS,
    registers,
  });
  const bodyBytes = new Counter({
    name: 'narthex_http_body_bytes_total',
    help: 'Bytes of bodies that were sent, gRPC not included.',
    labelNames: ['kind'],
    registers,
  });
  const calls = new Counter({
    name: 'narthex_grpc_calls_total',
    help: 'Calls of gRPC by method and status.',
    labelNames: ['method', 'code'],
    registers,
  });
  return {
    request(record) {
      const { protocol, status, outcome, sentBytes, answeredAfterMs, durationMs } = record;
      const kind = requestKind(record);
      requests.inc({ kind, protocol, status: status ?? 'none', outcome });
      durations.observe({ kind }, durationMs / 1000);
      if (answeredAfterMs !== undefined) answers.observe({ kind }, answeredAfterMs / 1000);
      if (sentBytes !== undefined) bodyBytes.inc({ kind }, sentBytes);
    },
    grpcCall: ({ method, code }) => calls.inc({ method, code }),
  };
}
