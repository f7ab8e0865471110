/** `grpc.health.v1.Health`: whoever answers is well. */
import { Code, ConnectError } from '@connectrpc/connect';
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from './gen/grpc/health/v1/health_pb.ts';
import type { GrpcServices } from './grpcHandler.ts';

/** @param served full names of the services that are asked about; the empty name is the server */
export function healthService(served: readonly string[]): GrpcServices {
  const names = new Set(['', ...served]);
  return (router) => {
    router.service(Health, {
      async check({ service }) {
        if (!names.has(service)) throw new ConnectError('no such service', Code.NotFound);
        return { status: Status.SERVING };
      },
      async *watch({ service }, { signal }) {
        yield { status: names.has(service) ? Status.SERVING : Status.SERVICE_UNKNOWN };
        await new Promise<void>((resolve) => {
          if (signal.aborted) resolve();
          signal.addEventListener('abort', () => resolve(), { once: true });
        });
      },
    });
  };
}
