/** What both protocols of the port have in common. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import type { Socket } from 'node:net';
import type { BodiesInFlight } from './bodiesInFlight.ts';
import { clientAddress } from './clientAddress.ts';
import { type Exchange, parseTarget } from './exchange.ts';
import type { ServerLimits } from './serverLimits.ts';
import { observed, type RequestOrigin, type ServerObserver } from './serverObserver.ts';

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
  readonly limits: ServerLimits;
  readonly observer: ServerObserver;
}

/** One protocol's side of the port. */
export interface Protocol {
  /** Takes over a connection whose first bytes were put back. */
  take(socket: Socket): void;
  /** From now on connections end as soon as nothing is under way on them. */
  drain(): void;
}

/**
 * A client that sends a body which is not wanted is borne with for so long, so that it reads the answer
 * before it finds its connection or stream closed.
 */
export const LINGER_MS = 5_000;
/** Headers of a request, all together. */
export const MAX_HEADER_BYTES = 16 * 1024;

/** Answers an exchange, and tells of it. */
export function handleExchange(
  { answer, observer }: Handlers,
  exchange: Exchange,
  origin: RequestOrigin,
): void {
  answer(observer.requestEnded === undefined ? exchange : observed(exchange, origin, observer));
}

/** Whether `grpc` has taken the request. */
export function handleGrpc(
  { grpc, bodies, observer }: Handlers,
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
  origin: RequestOrigin,
): boolean {
  const { path } = parseTarget(request.url ?? '');
  if (grpc === undefined || !grpc.handles(path)) return false;
  if (observer.requestEnded !== undefined) {
    const client = origin.socket && clientAddress(origin.socket);
    const startedMs = performance.now();
    response.once('close', () =>
      observer.requestEnded?.({
        protocol: origin.protocol,
        isGrpc: true,
        client,
        method: request.method ?? '',
        path,
        status: response.headersSent ? response.statusCode : undefined,
        sentBytes: undefined,
        answeredAfterMs: undefined,
        durationMs: performance.now() - startedMs,
        outcome: response.writableEnded ? 'complete' : 'clientGone',
      }),
    );
  }
  const slot = bodies.admitCall();
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
