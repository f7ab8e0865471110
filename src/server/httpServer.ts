/**
 * Routes on a port, over HTTP/1.1 and over HTTP/2 without TLS, with gRPC and Connect beside them.
 *
 *     connection → protocolSniffer → http1 | http2 → exchange → requestHandler → routes
 *                                                  → gRPC, by path
 */
import { createServer, type Socket } from 'node:net';
import type { HttpRoutes } from '../cacheRoutes/http.ts';
import {
  type BodiesFigures,
  BodiesInFlight,
  type BodiesInFlightOptions,
} from './bodiesInFlight.ts';
import { Connections, type ConnectionsFigures } from './connections.ts';
import { http1Protocol } from './http1.ts';
import { http2Protocol } from './http2.ts';
import { type ListenPlace, listenAt, urlOf } from './listenPlace.ts';
import type { GrpcRoutes } from './protocol.ts';
import { sniffProtocol } from './protocolSniffer.ts';
import { type ErrorReporter, requestHandler } from './requestHandler.ts';
import { type GivenServerLimits, serverLimits } from './serverLimits.ts';
import type { ServerObserver } from './serverObserver.ts';

/** Connections whose other end is gone without a word are found out after so long in silence. */
const TCP_KEEP_ALIVE_MS = 60_000;

/** Where and what to serve, and within which limits. */
export interface ListenOptions extends ListenPlace, BodiesInFlightOptions, GivenServerLimits {
  readonly routes: HttpRoutes;
  /** What gRPC and Connect answer. Default: nothing. */
  readonly grpc?: GrpcRoutes | undefined;
  /** Is told about requests that failed by no fault of the client. Default: nobody is. */
  readonly reportError?: ErrorReporter | undefined;
  /** Is told of requests and connections. Default: nobody is. */
  readonly observer?: ServerObserver | undefined;
}

/** How a server stands. */
export type ServerFigures = BodiesFigures & ConnectionsFigures;

/** A server that listens. Disposing of it closes it. */
export interface RunningServer extends AsyncDisposable {
  /** `http://host:port`, without a slash at its end. */
  readonly url: string;
  readonly port: number;
  figures(): ServerFigures;
  /** Takes no more requests, waits for the answers under way, and resolves when all are done. */
  close(): Promise<void>;
}

/**
 * Starts to listen.
 * @throws LISTEN_FAILED with `host` and `port`
 */
export async function listen(options: ListenOptions): Promise<RunningServer> {
  const { routes, grpc, reportError = () => {}, observer = {} } = options;
  const limits = serverLimits(options);
  const bodies = new BodiesInFlight(options);
  const { answerTimeoutMs } = limits;
  const answer = requestHandler({ routes, bodies, reportError, answerTimeoutMs });
  const handlers = { answer, grpc, bodies, limits, observer };
  const protocols = { http1: http1Protocol(handlers), http2: http2Protocol(handlers) };
  const sniffed = new Set<Socket>();
  const connections = new Connections(limits, observer);
  const server = createServer(
    {
      // as node:http has it: a client may say that it sends no more, and still wait for its answer
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: TCP_KEEP_ALIVE_MS,
    },
    (socket) => {
      if (!connections.admit(socket)) return;
      sniffed.add(socket);
      socket.once('close', () => sniffed.delete(socket));
      sniffProtocol(socket, limits.headersTimeoutMs, (protocol) => {
        sniffed.delete(socket);
        protocols[protocol].take(socket);
      });
    },
  );
  const address = await listenAt(server, options);

  const closeAll = () =>
    new Promise<void>((resolve) => {
      const deadline = setTimeout(() => connections.breakOff(), limits.drainTimeoutMs);
      server.close(() => {
        clearTimeout(deadline);
        resolve();
      });
      for (const socket of sniffed) socket.destroy();
      for (const protocol of Object.values(protocols)) protocol.drain();
    });
  let closed: Promise<void> | undefined;
  const close = () => {
    closed ??= closeAll();
    return closed;
  };
  return {
    url: urlOf(address),
    port: address.port,
    figures: () => ({ ...bodies.figures(), ...connections.figures() }),
    close,
    [Symbol.asyncDispose]: close,
  };
}
