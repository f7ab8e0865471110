/** Between node:http and routes: one request in, one answer out, with backpressure. */
import { once } from 'node:events';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import {
  type CacheRequest,
  type CacheResponse,
  type HttpRoutes,
  textResponse,
} from '../cacheRoutes/http.ts';
import { isNarthexError } from '../errors.ts';

/** Is told about requests that failed by no fault of the client. */
export type ErrorReporter = (error: unknown, request: CacheRequest) => void;

/** A client that takes no byte of an answer for so long is given up. */
const STALLED_CLIENT_MS = 5 * 60 * 1000;

/**
 * Answers requests by `routes`.
 *
 * - A client that goes away aborts what is done for it.
 * - What fails before the first byte of a body is answered with 500 and the error's code; what fails
 *   later breaks off the connection, short of the announced length.
 * - Bodies of requests are not read: the connection is closed after the answer.
 */
export function requestHandler(routes: HttpRoutes, reportError: ErrorReporter): RequestListener {
  return (incoming, outgoing) => {
    const request = requestOf(incoming);
    const gone = new AbortController();
    // comes after complete answers too, when nothing is left that could be aborted
    outgoing.once('close', () => gone.abort(new Error('the client has closed the connection')));
    // what goes wrong with the socket shows as 'close' and where it is written to
    outgoing.on('error', () => {});
    // an answer that is longer or shorter than announced is an error here, not at the client
    outgoing.strictContentLength = true;
    if (hasBody(incoming)) outgoing.setHeader('connection', 'close');
    answer(routes, request, outgoing, gone.signal, reportError).catch((error: unknown) => {
      if (!gone.signal.aborted) reportError(error, request);
      outgoing.destroy();
    });
  };
}

/** Rejects when an answer was begun and could not be completed, or when nobody waits for one. */
async function answer(
  routes: HttpRoutes,
  request: CacheRequest,
  outgoing: ServerResponse,
  signal: AbortSignal,
  reportError: ErrorReporter,
): Promise<void> {
  let response: CacheResponse;
  try {
    response = await routes.handle(request, { signal });
    if (response.body !== undefined && !(response.body instanceof Uint8Array)) {
      await stream(response, response.body, outgoing, signal);
      return;
    }
  } catch (error) {
    if (outgoing.headersSent || signal.aborted) throw error;
    reportError(error, request);
    const code = isNarthexError(error) ? error.code : 'internal error';
    response = textResponse(request, 500, code, { 'cache-control': 'no-store' });
  }
  outgoing.writeHead(response.status, response.headers);
  outgoing.end(response.body);
}

async function stream(
  { status, headers }: CacheResponse,
  body: AsyncIterable<Uint8Array>,
  outgoing: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  const iterator = body[Symbol.asyncIterator]();
  try {
    // before the head is sent, so that a failure here still has an answer
    let next = await iterator.next();
    outgoing.writeHead(status, headers);
    outgoing.setTimeout(STALLED_CLIENT_MS, () => outgoing.destroy());
    while (next.done !== true) {
      if (!outgoing.write(next.value)) await once(outgoing, 'drain', { signal });
      next = await iterator.next();
    }
    outgoing.end();
  } finally {
    await iterator.return?.();
  }
}

/** Scheme and authority, where a client writes the whole URL, as to a proxy. */
const ORIGIN = /^https?:\/\/[^/?]*/i;

function requestOf(incoming: IncomingMessage): CacheRequest {
  const url = (incoming.url ?? '').replace(ORIGIN, '');
  const question = url.indexOf('?');
  const headers: Record<string, string | undefined> = {};
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (typeof value === 'string') headers[name] = value;
  }
  return {
    method: incoming.method ?? '',
    path: question === -1 ? url : url.slice(0, question),
    query: new URLSearchParams(question === -1 ? '' : url.slice(question + 1)),
    headers,
  };
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}
