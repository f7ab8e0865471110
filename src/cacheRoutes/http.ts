/** Requests and answers of HTTP as plain values, apart from any server. */
import type { ServiceOptions } from '../castore/blobService.ts';

/** A request. */
export interface CacheRequest {
  /** In capitals. */
  readonly method: string;
  /** Absolute, as it was sent: not decoded, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /**
   * The body, to be read once, as it came: no Content-Encoding is undone. Absent where there is none. What is
   * not read is not received; the connection is closed then. It fails when the client goes away.
   */
  readonly body?: AsyncIterable<Uint8Array> | undefined;
}

/** An answer. */
export interface CacheResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /**
   * A body that is not there is no body at all; the headers may describe one, as for `HEAD`. A stream
   * begins to work when it is iterated; when it throws after its first bytes the server MUST break
   * off the connection, so that the client does not take the rest for complete.
   */
  readonly body?: Uint8Array | AsyncIterable<Uint8Array>;
}

/** How a request is handled. */
export interface HandleOptions extends ServiceOptions {
  /**
   * The pieces of a streamed answer may be lent: whoever iterates it is done with one when he asks for
   * the next. Default `false`: they may be kept.
   */
  readonly lentPieces?: boolean | undefined;
}

/** Something that answers requests. */
export interface HttpRoutes {
  /** @throws whatever goes wrong before the answer begins */
  handle(request: CacheRequest, options?: HandleOptions): Promise<CacheResponse>;
}

/** An answer of one line for people. `HEAD` gets its headers alone. */
export function textResponse(
  request: CacheRequest,
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): CacheResponse {
  return bytesResponse(request, status, Buffer.from(`${text}\n`), {
    'content-type': 'text/plain; charset=utf-8',
    ...headers,
  });
}

/** What is not here may be the next moment: that it is not is never to be remembered. */
export const NOT_REMEMBERED = { 'cache-control': 'no-store' } as const;

/** What a client that finds no room is told to wait. */
const RETRY_AFTER_SECONDS = '10';
/** Headers of a 503: a client that comes again later finds room. */
export const RETRY_LATER = { ...NOT_REMEMBERED, 'retry-after': RETRY_AFTER_SECONDS } as const;

/** 404. */
export function notFoundResponse(request: CacheRequest): CacheResponse {
  return textResponse(request, 404, 'not found', NOT_REMEMBERED);
}

const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD']);

/** 405 for what would change something; `undefined` for `GET` and `HEAD`. */
export function methodRefusal(request: CacheRequest): CacheResponse | undefined {
  if (METHODS.has(request.method)) return undefined;
  const allow = [...METHODS].join(', ');
  return textResponse(request, 405, `only ${allow}`, { allow });
}

/** An answer that is in memory. `HEAD` gets its headers alone. */
export function bytesResponse(
  request: CacheRequest,
  status: number,
  body: Uint8Array,
  headers: Readonly<Record<string, string>>,
): CacheResponse {
  const all = { ...headers, 'content-length': String(body.length) };
  return request.method === 'HEAD' ? { status, headers: all } : { status, headers: all, body };
}
