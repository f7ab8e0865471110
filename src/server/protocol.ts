/** What both protocols of the port have in common. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import type { Socket } from 'node:net';
import type { BodiesInFlight } from './bodiesInFlight.ts';
import { type Exchange, parseTarget } from './exchange.ts';

/** gRPC and Connect, which bring their own handling of requests and answers. */
export interface GrpcRoutes {
  /** Whether a request is theirs, by its path without the query. */
  handles(path: string): boolean;
  readonly handler: (
    request: IncomingMessage | Http2ServerRequest,
    response: ServerResponse | Http2ServerResponse,
  ) => void;
}

/** Who answers requests. */
export interface Handlers {
  readonly answer: (exchange: Exchange) => void;
  readonly grpc: GrpcRoutes | undefined;
  /** In which calls of gRPC have a place too. */
  readonly bodies: BodiesInFlight;
  /** Until the headers of a request are complete, in milliseconds. */
  readonly headersTimeoutMs: number;
}

/** One protocol's side of the port. */
export interface Protocol {
  /** Takes over a connection whose first bytes were put back. */
  take(socket: Socket): void;
  /** From now on connections end as soon as nothing is under way on them. */
  drain(): void;
}

/** Headers of a request must be complete after so long: against clients that dribble them. */
export const HEADERS_TIMEOUT_MS = 20_000;
/** So long a connection is kept for the next request. Nix asks for many paths one after the other. */
export const KEEP_ALIVE_TIMEOUT_MS = 60_000;
/**
 * A client that sends a body which is not wanted is borne with for so long, so that it reads the answer
 * before it finds its connection or stream closed.
 */
export const LINGER_MS = 5_000;
/** Headers of a request, all together. */
export const MAX_HEADER_BYTES = 16 * 1024;

/** Whether `grpc` has taken the request. */
export function handleGrpc(
  { grpc, bodies }: Handlers,
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
): boolean {
  if (grpc === undefined || !grpc.handles(parseTarget(request.url ?? '').path)) return false;
  const slot = bodies.admit(() => response.destroy());
  if (slot === undefined) {
    // for gRPC clients this is UNAVAILABLE (grpc/doc/http-grpc-status-mapping.md)
    response.statusCode = 503;
    response.end();
  } else {
    response.once('close', () => slot[Symbol.dispose]());
    grpc.handler(request, response);
  }
  return true;
}
