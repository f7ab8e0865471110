/** What is asked of binary caches. */
import { Counter, type Registry } from 'prom-client';
import type { UpstreamListener } from '../upstreamTraffic.ts';

/** Registers it. */
export function upstreamMetrics(registry: Registry): UpstreamListener {
  const registers = [registry];
  const requests = new Counter({
    name: 'narthex_upstream_requests_total',
    help: 'Requests to binary caches, repetitions and redirects included, by how they ended.',
    labelNames: ['upstream', 'outcome'],
    registers,
  });
  const bytes = new Counter({
    name: 'narthex_upstream_received_bytes_total',
    help: 'Bytes of bodies that came from binary caches.',
    labelNames: ['upstream'],
    registers,
  });
  return {
    attempt: (upstream, outcome) => requests.inc({ upstream, outcome }),
    received: (upstream, length) => bytes.inc({ upstream }, length),
  };
}
