/**
 * Routes on a port, over HTTP/1.1 and over HTTP/2 without TLS, with gRPC and Connect beside them.
 *
 *     connection → protocolSniffer → http1 | http2 → exchange → requestHandler → routes
 *                                                  → gRPC, by path
 */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { HttpRoutes } from '../cacheRoutes/http.ts';
import { NarthexError } from '../errors.ts';
import { BodiesInFlight, type BodiesInFlightOptions } from './bodiesInFlight.ts';
import { http1Protocol } from './http1.ts';
import { http2Protocol } from './http2.ts';
import { type GrpcRoutes, HEADERS_TIMEOUT_MS } from './protocol.ts';
import { sniffProtocol } from './protocolSniffer.ts';
import { type ErrorReporter, requestHandler } from './requestHandler.ts';

/**
 * More connections are closed at once. Each may hold a file descriptor and the memory of an answer, so this
 * keeps within the budget of `bodiesInFlight.ts`; it is far above what one machine sends at full speed.
 */
const MAX_CONNECTIONS = 1024;
/** Connections whose other end is gone without a word are found out after so long in silence. */
const TCP_KEEP_ALIVE_MS = 60_000;
/** When closing, answers under way have so long; then they are broken off. */
const DRAIN_TIMEOUT_MS = 30_000;

/** Where and what to serve. */
export interface ListenOptions extends BodiesInFlightOptions {
  readonly routes: HttpRoutes;
  /** What gRPC and Connect answer. Default: nothing. */
  readonly grpc?: GrpcRoutes | undefined;
  /** An address or name of this machine. Default `127.0.0.1`. */
  readonly host?: string | undefined;
  /** Default 0: one that is free. */
  readonly port?: number | undefined;
  /** Is told about requests that failed by no fault of the client. Default: nobody is. */
  readonly reportError?: ErrorReporter | undefined;
  /** How long answers under way have when closing, in milliseconds. */
  readonly drainTimeoutMs?: number | undefined;
  /** Until a connection has told its protocol, and then its first request, in milliseconds. */
  readonly headersTimeoutMs?: number | undefined;
}

/** A server that listens. Disposing of it closes it. */
export interface RunningServer extends AsyncDisposable {
  /** `http://host:port`, without a slash at its end. */
  readonly url: string;
  readonly port: number;
  /** Takes no more requests, waits for the answers under way, and resolves when all are done. */
  close(): Promise<void>;
}

/**
 * Starts to listen.
 * @throws LISTEN_FAILED with `host` and `port`
 */
export async function listen(options: ListenOptions): Promise<RunningServer> {
  const { routes, grpc, host = '127.0.0.1', port = 0, reportError = () => {} } = options;
  const bodies = new BodiesInFlight(options);
  const { headersTimeoutMs = HEADERS_TIMEOUT_MS } = options;
  const answer = requestHandler(routes, bodies, reportError);
  const handlers = { answer, grpc, bodies, headersTimeoutMs };
  const protocols = { http1: http1Protocol(handlers), http2: http2Protocol(handlers) };
  const sniffed = new Set<Socket>();
  const connections = new Set<Socket>();
  const server = createServer(
    {
      // as node:http has it: a client may say that it sends no more, and still wait for its answer
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: TCP_KEEP_ALIVE_MS,
    },
    (socket) => {
      connections.add(socket);
      sniffed.add(socket);
      socket.once('close', () => {
        connections.delete(socket);
        sniffed.delete(socket);
      });
      sniffProtocol(socket, headersTimeoutMs, (protocol) => {
        sniffed.delete(socket);
        protocols[protocol].take(socket);
      });
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
  const address = await listenAt(server, host, port);

  const closeAll = () =>
    new Promise<void>((resolve) => {
      const breakOff = () => {
        for (const socket of connections) socket.destroy();
      };
      const deadline = setTimeout(breakOff, options.drainTimeoutMs ?? DRAIN_TIMEOUT_MS);
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
    url: `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`,
    port: address.port,
    close,
    [Symbol.asyncDispose]: close,
  };
}

function listenAt(server: Server, host: string, port: number): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    const refuse = (error: Error) => {
      reject(
        new NarthexError(
          'LISTEN_FAILED',
          `cannot listen at ${host}, port ${port}: ${error.message}`,
          { host, port },
          error,
        ),
      );
    };
    server.once('error', refuse);
    server.listen(port, host, () => {
      server.off('error', refuse);
      const address = server.address();
      // a string or null would be the address of a pipe or of a server that does not listen
      if (address === null || typeof address === 'string') refuse(new Error('no address'));
      else resolve(address);
    });
  });
}
