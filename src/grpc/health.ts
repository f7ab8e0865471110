/** `grpc.health.v1.Health`: whoever answers is well, until it is about to end. */
import { Code, ConnectError } from '@connectrpc/connect';
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from './gen/grpc/health/v1/health_pb.ts';
import type { GrpcServices } from './grpcHandler.ts';

/**
 * @param served full names of the services that are asked about; the empty name is the server
 * @param ending aborts when the server is about to end: it is told that nothing is served any more, and watches
 *   end with that
 */
export function healthService(served: readonly string[], ending?: AbortSignal): GrpcServices {
  const names = new Set(['', ...served]);
  const statusOf = (service: string) => {
    if (!names.has(service)) return undefined;
    return ending?.aborted === true ? Status.NOT_SERVING : Status.SERVING;
  };
  return (router) => {
    router.service(Health, {
      async check({ service }) {
        const status = statusOf(service);
        if (status === undefined) throw new ConnectError('no such service', Code.NotFound);
        return { status };
      },
      async *watch({ service }, { signal }) {
        const status = statusOf(service) ?? Status.SERVICE_UNKNOWN;
        yield { status };
        await firstAbort(signal, ending);
        const last = statusOf(service) ?? Status.SERVICE_UNKNOWN;
        if (!signal.aborted && last !== status) yield { status: last };
      },
    });
  };
}

async function firstAbort(signal: AbortSignal, other: AbortSignal | undefined): Promise<void> {
  const aborted = Promise.withResolvers<void>();
  const signals = other === undefined ? [signal] : [signal, other];
  const onAbort = () => aborted.resolve();
  for (const one of signals) {
    if (one.aborted) onAbort();
    else one.addEventListener('abort', onAbort);
  }
  await aborted.promise;
  for (const one of signals) one.removeEventListener('abort', onAbort);
}
