/** A gRPC peer, over HTTP/2. */
import type { Interceptor, Transport } from '@connectrpc/connect';
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node';
import { NarthexError } from '../errors.ts';
import { DEFAULT_TIMEOUT_MS, MAX_MESSAGE_BYTES } from './limits.ts';

/** A connection that is silent for so long is asked whether it is still there. */
const PING_INTERVAL_MS = 30_000;
/** A connection without calls is closed after so long. */
const IDLE_TIMEOUT_MS = 5 * 60_000;
/** Bytes that a peer may send ahead: NARs would crawl with HTTP/2's own 64 KiB. */
const WINDOW_BYTES = 8 * 1024 * 1024;

/** How to speak to a peer. */
export interface ChannelOptions {
  /** Sent with every call, as a bearer token. */
  readonly token?: string | undefined;
  /** For calls with one answer, and for the next message of those with many. */
  readonly timeoutMs?: number | undefined;
  readonly maxMessageBytes?: number | undefined;
}

/** A peer that is spoken to. Disposing of it breaks off what is under way. */
export interface GrpcChannel extends Disposable {
  /** Without credentials and slash at its end. */
  readonly url: string;
  readonly transport: Transport;
  /** For calls with one answer, and for the next message of those with many. */
  readonly timeoutMs: number;
}

/**
 * Names a peer; it is connected to with the first call, and again when the connection is lost.
 * @param address `http://host:port` (h2c) or `https://…`
 * @throws UPSTREAM_URL_INVALID
 */
export function openChannel(address: string, options: ChannelOptions = {}): GrpcChannel {
  const url = urlOf(address);
  const { token, timeoutMs = DEFAULT_TIMEOUT_MS, maxMessageBytes = MAX_MESSAGE_BYTES } = options;
  const sessions = new Http2SessionManager(
    url,
    { pingIntervalMs: PING_INTERVAL_MS, idleConnectionTimeoutMs: IDLE_TIMEOUT_MS },
    { settings: { initialWindowSize: WINDOW_BYTES } },
  );
  const transport = createGrpcTransport({
    baseUrl: url,
    sessionManager: sessions,
    readMaxBytes: maxMessageBytes,
    writeMaxBytes: maxMessageBytes,
    acceptCompression: [],
    interceptors: token === undefined ? [] : [withToken(token)],
  });
  return { url, transport, timeoutMs, [Symbol.dispose]: () => sessions.abort() };
}

function urlOf(address: string): string {
  const url = URL.parse(address);
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    const shown = address.replace(/\/\/[^/]*@/, '//');
    throw new NarthexError('UPSTREAM_URL_INVALID', `'${shown}' is no http or https URL`, {
      url: shown,
    });
  }
  return (url.origin + url.pathname).replace(/\/+$/, '');
}

function withToken(token: string): Interceptor {
  return (next) => async (request) => {
    request.header.set('authorization', `Bearer ${token}`);
    return await next(request);
  };
}
