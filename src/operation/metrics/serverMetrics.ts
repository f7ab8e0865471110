/** Connections of a server, and the answers under way on them. */
import { Counter, type Registry } from 'prom-client';
import type { ServerFigures } from '../../server/httpServer.ts';
import type { ConnectionRefusal } from '../../server/serverObserver.ts';
import { counters, gauges } from './gauges.ts';

/** Registers them. @returns counts connections that were refused */
export function serverMetrics(registry: Registry): (reason: ConnectionRefusal) => void {
  const refused = new Counter({
    name: 'narthex_connections_refused_total',
    help: 'Connections that were closed as they came, by the limit that they were beyond.',
    labelNames: ['limit'],
    registers: [registry],
  });
  return (limit) => refused.inc({ limit });
}

/** Registers the figures of a server that runs. */
export function serverFigureMetrics(registry: Registry, look: () => ServerFigures): void {
  gauges(registry, look, [
    {
      name: 'narthex_connections',
      help: 'Connections that are open.',
      value: ({ connections }) => connections,
    },
    {
      name: 'narthex_connections_limit',
      help: 'Connections that may be open.',
      value: ({ maxConnections }) => maxConnections,
    },
    {
      name: 'narthex_bodies_in_flight',
      help: 'Streamed answers and calls of gRPC under way.',
      value: ({ inFlight }) => inFlight,
    },
    {
      name: 'narthex_bodies_waiting',
      help: 'Those of them that wait for their clients.',
      value: ({ waiting }) => waiting,
    },
    {
      name: 'narthex_bodies_limit',
      help: 'How many may be under way.',
      value: ({ maxBodies }) => maxBodies,
    },
  ]);
  counters(registry, look, [
    {
      name: 'narthex_bodies_refused_total',
      help: 'Answers for which there was no room.',
      value: ({ refused }) => refused,
    },
    {
      name: 'narthex_bodies_evicted_total',
      help: 'Answers that were broken off to make room, as their clients took nothing.',
      value: ({ evicted }) => evicted,
    },
    {
      name: 'narthex_network_received_bytes_total',
      help: 'All bytes that clients sent.',
      value: ({ receivedBytes }) => receivedBytes,
    },
    {
      name: 'narthex_network_sent_bytes_total',
      help: 'All bytes that were sent to clients, headers and gRPC included.',
      value: ({ sentBytes }) => sentBytes,
    },
  ]);
}
