/**
 * Routes on a port, over HTTP/1.1.
 *
 * The handler (`requestHandler.ts`) knows nothing of ports, and this file nothing of what is served;
 * another protocol on the same port would take the sockets first and pass HTTP/1.1 ones on.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { HttpRoutes } from '../cacheRoutes/http.ts';
import { NarthexError } from '../errors.ts';
import { type ErrorReporter, requestHandler } from './requestHandler.ts';

/** Headers of a request must be complete after so long: against clients that dribble them. */
const HEADERS_TIMEOUT_MS = 20_000;
/** A request must be complete after so long. */
const REQUEST_TIMEOUT_MS = 60_000;
/** So long a connection is kept for the next request. Nix asks for many paths one after the other. */
const KEEP_ALIVE_TIMEOUT_MS = 60_000;
/** Headers of a request, all together. */
const MAX_HEADER_BYTES = 16 * 1024;
/** More connections are refused, before memory and file descriptors run out. */
const MAX_CONNECTIONS = 10_000;
/** What a connection may hold back for its client before rendering waits. */
const SEND_BUFFER_BYTES = 512 * 1024;
/** When closing, answers under way have so long; then they are broken off. */
const DRAIN_TIMEOUT_MS = 30_000;
/** While closing, connections that have become idle are closed so often. */
const IDLE_SWEEP_MS = 20;

/** Where and what to serve. */
export interface ListenOptions {
  readonly routes: HttpRoutes;
  /** An address or name of this machine. Default `127.0.0.1`. */
  readonly host?: string | undefined;
  /** Default 0: one that is free. */
  readonly port?: number | undefined;
  /** Is told about requests that failed by no fault of the client. Default: nobody is. */
  readonly reportError?: ErrorReporter | undefined;
  /** How long answers under way have when closing, in milliseconds. */
  readonly drainTimeoutMs?: number | undefined;
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
  const { routes, host = '127.0.0.1', port = 0, reportError = () => {} } = options;
  const handler = requestHandler(routes, reportError);
  const server = createServer(
    {
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
      highWaterMark: SEND_BUFFER_BYTES,
    },
    handler,
  );
  server.maxConnections = MAX_CONNECTIONS;
  const idle = idleConnections(server);
  // who asks before sending a body gets the answer instead of a "continue"
  server.on('checkContinue', handler);
  const address = await listenAt(server, host, port);

  let closed: Promise<void> | undefined;
  const close = () => {
    closed ??= closeServer(server, idle, options.drainTimeoutMs ?? DRAIN_TIMEOUT_MS);
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

/** Connections without a request under way: silent ones, and those whose headers are not complete. */
function idleConnections(server: Server): () => Iterable<Socket> {
  const answering = new Map<Socket, number>();
  server.on('connection', (socket: Socket) => {
    answering.set(socket, 0);
    socket.once('close', () => answering.delete(socket));
  });
  server.on('request', ({ socket }, outgoing) => {
    answering.set(socket, (answering.get(socket) ?? 0) + 1);
    outgoing.once('close', () => {
      const count = answering.get(socket);
      if (count !== undefined) answering.set(socket, count - 1);
    });
  });
  return () => [...answering].flatMap(([socket, count]) => (count === 0 ? [socket] : []));
}

function closeServer(
  server: Server,
  idle: () => Iterable<Socket>,
  drainTimeoutMs: number,
): Promise<void> {
  return new Promise((resolve) => {
    const deadline = setTimeout(() => server.closeAllConnections(), drainTimeoutMs);
    // connections whose answer is under way become idle later, and would wait for a next request
    const sweep = setInterval(() => {
      for (const socket of idle()) socket.destroy();
    }, IDLE_SWEEP_MS);
    server.close(() => {
      clearTimeout(deadline);
      clearInterval(sweep);
      resolve();
    });
  });
}
