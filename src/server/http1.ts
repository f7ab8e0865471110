/** HTTP/1.1: connections of node:http, and its requests as exchanges. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { CacheRequest } from '../cacheRoutes/http.ts';
import { clientGone, type Exchange, parseTarget, whenSent } from './exchange.ts';
import {
  type Handlers,
  handleExchange,
  handleGrpc,
  LINGER_MS,
  MAX_HEADER_BYTES,
  type Protocol,
} from './protocol.ts';
import { receiveBody } from './requestBody.ts';
import type { ServerLimits } from './serverLimits.ts';

/** How often timeouts of headers are looked at. */
const TIMEOUT_CHECK_MS = 5_000;

/** Takes connections that speak HTTP/1.1. */
export function http1Protocol(handlers: Handlers): Protocol {
  const { limits } = handlers;
  const server = createServer({
    headersTimeout: limits.headersTimeoutMs,
    // it would cut off long uploads; a body has a timeout of its own
    requestTimeout: 0,
    connectionsCheckingInterval: Math.min(TIMEOUT_CHECK_MS, limits.headersTimeoutMs),
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    maxHeaderSize: MAX_HEADER_BYTES,
  });
  // node:http watches its timeouts from when it listens, which here another server does for it
  server.emit('listening');
  const connections = new Map<Socket, ConnectionUse>();
  let draining = false;

  const accept = (
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    expectsContinue: boolean,
  ) => {
    const { socket } = incoming;
    const use = connections.get(socket) ?? { underWay: 0, requests: 0 };
    use.underWay++;
    use.requests++;
    outgoing.once('close', () => {
      use.underWay--;
      if (draining && use.underWay === 0) socket.destroy();
    });
    // what goes wrong with the socket shows as 'close' and where it is written to
    outgoing.on('error', () => {});
    // node:http's `maxRequestsPerSocket` says so too, and waits for the client to do it
    const isLast = use.requests >= limits.maxRequestsPerConnection;
    if (draining || isLast) outgoing.setHeader('connection', 'close');
    const origin = { protocol: 'http1', socket } as const;
    if (handleGrpc(handlers, incoming, outgoing, origin)) {
      if (expectsContinue) outgoing.writeContinue();
      if (hasBody(incoming)) limitIdleBody(incoming, limits.bodyIdleTimeoutMs);
    } else {
      const exchange = new Http1Exchange(incoming, outgoing, expectsContinue, limits);
      handleExchange(handlers, exchange, origin);
    }
  };
  server.on('request', (incoming, outgoing) => accept(incoming, outgoing, false));
  server.on('checkContinue', (incoming, outgoing) => accept(incoming, outgoing, true));

  return {
    take(socket) {
      connections.set(socket, { underWay: 0, requests: 0 });
      socket.once('close', () => connections.delete(socket));
      server.emit('connection', socket);
      socket.resume();
    },
    drain() {
      draining = true;
      for (const [socket, use] of connections) if (use.underWay === 0) socket.destroy();
      // it does not listen; this ends its watch over timeouts
      server.close();
    },
  };
}

/** Requests on a connection: those under way, and all that there were. */
interface ConnectionUse {
  underWay: number;
  requests: number;
}

class Http1Exchange implements Exchange {
  readonly request: CacheRequest;
  /** Who is gone has no socket any more: it is closed before anybody is told, with what was to be written to it. */
  readonly takesLent = true;
  readonly #incoming: IncomingMessage;
  readonly #outgoing: ServerResponse;
  readonly #gone = new AbortController();
  /** The client waits to be told to go on with its body. */
  #expectsContinue: boolean;
  readonly #limits: ServerLimits;

  constructor(
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    expectsContinue: boolean,
    limits: ServerLimits,
  ) {
    this.#limits = limits;
    this.#incoming = incoming;
    this.#outgoing = outgoing;
    this.#expectsContinue = expectsContinue;
    this.request = {
      method: incoming.method ?? '',
      ...parseTarget(incoming.url ?? ''),
      headers: singleHeaders(incoming),
      ...(hasBody(incoming) ? { body: this.#body() } : {}),
    };
    const leave = () => this.#gone.abort(clientGone());
    outgoing.once('close', leave);
    // a body that is cut off shows here first
    incoming.once('error', leave);
    // an answer that is longer or shorter than announced is an error here, not at the client
    outgoing.strictContentLength = true;
  }

  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  get hasBegun(): boolean {
    return this.#outgoing.headersSent;
  }

  get isComplete(): boolean {
    return this.#outgoing.writableFinished;
  }

  begin(status: number, headers: Readonly<Record<string, string>>): void {
    if (this.#isBodyUnread) this.#outgoing.setHeader('connection', 'close');
    this.#outgoing.writeHead(status, headers);
    this.#outgoing.setTimeout(this.#limits.stalledClientMs, () => this.breakOff());
  }

  write(piece: Uint8Array): Promise<void> {
    return whenSent(this.gone, (done) => this.#outgoing.write(piece, done));
  }

  end(piece?: Uint8Array): void {
    if (this.#isBodyUnread && !this.#expectsContinue) this.#endAfterBody(piece);
    else this.#outgoing.end(piece);
  }

  breakOff(): void {
    this.#outgoing.destroy();
  }

  get #isBodyUnread(): boolean {
    return this.request.body !== undefined && !this.#incoming.complete;
  }

  #body(): AsyncIterable<Uint8Array> {
    const incoming = this.#incoming;
    return receiveBody({
      // whoever leaves the body early still has an answer to give
      pieces: incoming.iterator({ destroyOnReturn: false }),
      proceed: () => {
        if (this.#expectsContinue) this.#outgoing.writeContinue();
        this.#expectsContinue = false;
      },
      isComplete: () => incoming.complete,
      gone: this.gone,
      giveUp: () => this.breakOff(),
      idleTimeoutMs: this.#limits.bodyIdleTimeoutMs,
    });
  }

  /** Closing on bytes that were not read would reset the connection, and the client lose the answer. */
  #endAfterBody(piece: Uint8Array | undefined): void {
    if (piece === undefined) this.#outgoing.flushHeaders();
    else this.#outgoing.write(piece);
    const finish = () => {
      clearTimeout(deadline);
      this.#incoming.off('end', finish);
      this.#outgoing.end();
    };
    const deadline = setTimeout(finish, LINGER_MS);
    this.#outgoing.once('close', () => clearTimeout(deadline));
    this.#incoming.once('end', finish).resume();
  }
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** Headers that may come several times, as lists, are none that a cache looks at. */
function singleHeaders({ headers }: IncomingMessage): Record<string, string | undefined> {
  const single: Record<string, string | undefined> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value === 'string') single[name] = value;
  }
  return single;
}

/** What {@link receiveBody} does, for a body that others read. */
function limitIdleBody(incoming: IncomingMessage, idleTimeoutMs: number): void {
  incoming.setTimeout(idleTimeoutMs, () => incoming.socket.destroy());
  incoming.once('end', () => incoming.setTimeout(0));
}
