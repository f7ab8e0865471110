/** HTTP/2 without TLS: connections of node:http2, and its requests as exchanges. */
import {
  constants,
  createServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { CacheRequest } from '../cacheRoutes/http.ts';
import { BODY_BYTES } from './bodiesInFlight.ts';
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

/** Requests at once on one connection: what RFC 9113 (6.5.2) has as the least. */
const MAX_STREAMS = 100;
/**
 * What a client may send of a body before it is read, and over all bodies of a connection. HTTP/2's 64 KiB
 * would limit uploads to 64 KiB a round trip. What we send is limited by the client's windows.
 */
const STREAM_WINDOW_BYTES = 1024 * 1024;
const CONNECTION_WINDOW_BYTES = 4 * STREAM_WINDOW_BYTES;
/** Node counts what waits to be sent, and refuses new requests above this. In megabytes. */
const MAX_SESSION_MEGABYTES = Math.ceil((MAX_STREAMS * BODY_BYTES) / 1_000_000);

const { NGHTTP2_CANCEL, NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR } = constants;

/** Takes connections that speak HTTP/2. Floods of resets, pings and settings are node:http2's to stop. */
export function http2Protocol(handlers: Handlers): Protocol {
  const { limits } = handlers;
  const server = createServer({
    settings: {
      maxConcurrentStreams: MAX_STREAMS,
      initialWindowSize: STREAM_WINDOW_BYTES,
      maxHeaderListSize: MAX_HEADER_BYTES,
    },
    maxSessionMemory: MAX_SESSION_MEGABYTES,
  });
  const sessions = new Set<ServerHttp2Session>();
  server.on('session', (session) => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
    session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    limitSession(session, limits);
  });

  const accept = (
    incoming: Http2ServerRequest,
    outgoing: Http2ServerResponse,
    expectsContinue: boolean,
  ) => {
    const origin = { protocol: 'http2', socket: incoming.stream.session?.socket } as const;
    if (handleGrpc(handlers, incoming, outgoing, origin)) {
      if (expectsContinue) outgoing.writeContinue();
      limitIdleBody(incoming.stream, limits.bodyIdleTimeoutMs);
    } else {
      const exchange = new Http2Exchange(incoming, outgoing, expectsContinue, limits);
      handleExchange(handlers, exchange, origin);
    }
  };
  server.on('request', (incoming, outgoing) => accept(incoming, outgoing, false));
  server.on('checkContinue', (incoming, outgoing) => accept(incoming, outgoing, true));

  return {
    take(socket) {
      // HTTP/2 has no half-open connections: who sends no more is gone
      socket.allowHalfOpen = false;
      server.emit('connection', socket);
    },
    drain() {
      // says GOAWAY, and ends when the streams have
      for (const session of sessions) session.close();
    },
  };
}

/** Ends a connection whose first request, or next one, does not come, or that has had enough of them. */
function limitSession(session: ServerHttp2Session, limits: ServerLimits): void {
  let streams = 0;
  let requests = 0;
  let idle: NodeJS.Timeout | undefined;
  const watch = (ms: number) => {
    idle = setTimeout(() => session.close(), ms);
  };
  watch(limits.headersTimeoutMs);
  session.on('stream', (stream) => {
    clearTimeout(idle);
    streams++;
    requests++;
    // what is under way goes on, as with all who close it
    if (requests === limits.maxRequestsPerConnection) session.close();
    stream.once('close', () => {
      streams--;
      if (streams === 0 && !session.destroyed) watch(limits.keepAliveTimeoutMs);
    });
  });
  session.once('close', () => clearTimeout(idle));
}

class Http2Exchange implements Exchange {
  readonly request: CacheRequest;
  /**
   * The socket outlives a stream that is reset, and what the session has begun to write to it is neither copied nor
   * taken back: the client would get whatever the memory is used for next.
   */
  readonly takesLent = false;
  readonly #outgoing: Http2ServerResponse;
  readonly #stream: ServerHttp2Stream;
  readonly #gone = new AbortController();
  /** The client waits to be told to go on with its body. */
  #expectsContinue: boolean;
  /** What is announced and not sent yet, where a length was announced. */
  #missingBytes: number | undefined;
  readonly #limits: ServerLimits;

  constructor(
    incoming: Http2ServerRequest,
    outgoing: Http2ServerResponse,
    expectsContinue: boolean,
    limits: ServerLimits,
  ) {
    const { stream } = incoming;
    this.#limits = limits;
    this.#outgoing = outgoing;
    this.#stream = stream;
    this.#expectsContinue = expectsContinue;
    this.request = {
      method: incoming.method,
      ...parseTarget(incoming.url),
      headers: plainHeaders(incoming),
      ...(stream.endAfterHeaders ? {} : { body: this.#body() }),
    };
    const leave = () => this.#gone.abort(clientGone());
    // 'close' may wait until a body is read
    stream.once('aborted', leave);
    outgoing.once('close', leave);
    outgoing.on('error', () => {});
  }

  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  get hasBegun(): boolean {
    return this.#outgoing.headersSent;
  }

  get isComplete(): boolean {
    const { writableEnded, rstCode, aborted } = this.#stream;
    return writableEnded && rstCode === NGHTTP2_NO_ERROR && !aborted;
  }

  begin(status: number, headers: Readonly<Record<string, string>>): void {
    this.gone.throwIfAborted();
    const length = headers['content-length'];
    const isBodiless = this.request.method === 'HEAD' || status === 304;
    if (length !== undefined && !isBodiless) this.#missingBytes = Number(length);
    this.#outgoing.writeHead(status, headers);
    this.#outgoing.setTimeout(this.#limits.stalledClientMs, () => this.breakOff());
  }

  async write(piece: Uint8Array): Promise<void> {
    this.#count(piece);
    await whenSent(this.gone, (done) => this.#outgoing.write(piece, done));
  }

  end(piece?: Uint8Array): void {
    if (piece !== undefined) this.#count(piece);
    if (this.#missingBytes) throw lengthMismatch();
    if (piece === undefined) this.#outgoing.end();
    else this.#outgoing.end(piece);
    const isBodyUnread = this.request.body !== undefined && !this.#stream.readableEnded;
    if (isBodyUnread) this.#resetLater();
  }

  breakOff(): void {
    this.#stream.close(NGHTTP2_INTERNAL_ERROR);
  }

  #body(): AsyncIterable<Uint8Array> {
    const stream = this.#stream;
    return receiveBody({
      pieces: stream.iterator({ destroyOnReturn: false }),
      proceed: () => {
        if (this.#expectsContinue) this.#outgoing.writeContinue();
        this.#expectsContinue = false;
      },
      // a stream that was reset ends like one that is complete
      isComplete: () => !stream.closed,
      gone: this.gone,
      giveUp: () => this.breakOff(),
      idleTimeoutMs: this.#limits.bodyIdleTimeoutMs,
    });
  }

  /** The rest of the body is not wanted (RFC 9113, 8.1). At once, curl would lose the answer over it. */
  #resetLater(): void {
    const deadline = setTimeout(() => this.#stream.close(NGHTTP2_NO_ERROR), LINGER_MS);
    this.#stream.once('close', () => clearTimeout(deadline));
  }

  #count({ length }: Uint8Array): void {
    if (this.#missingBytes === undefined) return;
    if (length > this.#missingBytes) throw lengthMismatch();
    this.#missingBytes -= length;
  }
}

/** What `receiveBody` does, for a body that others read. */
function limitIdleBody(stream: ServerHttp2Stream, idleTimeoutMs: number): void {
  if (stream.endAfterHeaders) return;
  stream.setTimeout(idleTimeoutMs, () => stream.close(NGHTTP2_CANCEL));
  stream.once('end', () => stream.setTimeout(0));
}

/** As node:http has it, which checks this by itself. */
function lengthMismatch(): Error {
  const error = new Error("the body's length is not the content-length");
  return Object.assign(error, { code: 'ERR_HTTP_CONTENT_LENGTH_MISMATCH' });
}

/** Without pseudo-headers; `host` is what HTTP/1.1 has for the authority. */
function plainHeaders({ headers, authority }: Http2ServerRequest) {
  const plain: Record<string, string | undefined> = { host: authority };
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value === 'string' && !name.startsWith(':')) plain[name] = value;
  }
  return plain;
}
