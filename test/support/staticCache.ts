/**
 * A static web server on loopback that records what is asked of it and can be told to misbehave.
 *
 *     await using server = await serveStatic(directory, {
 *       respond: ({ path }) => (path.endsWith('.nar.xz') ? { truncateAt: 100 } : undefined),
 *     });
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Where bodies come from: a directory, files in memory, or a function; `undefined` is a 404. */
export type CacheSource =
  | string
  | ReadonlyMap<string, Uint8Array>
  | ((path: string) => Uint8Array | undefined | Promise<Uint8Array | undefined>);

/** One request, as it was received. */
export interface CacheRequest {
  readonly method: string;
  /** Decoded, relative to the server's base, without the first slash: `nar/….nar.xz`. */
  readonly path: string;
  /** From the `?` on, or empty. */
  readonly query: string;
  readonly headers: IncomingHttpHeaders;
}

/** A request and what came of it. */
export interface RecordedRequest extends CacheRequest {
  /** `undefined` until it is answered, and if the connection was reset instead. */
  readonly status: number | undefined;
  /** Whether the whole answer was handed to the client. */
  readonly complete: boolean;
}

/** What is to be different from the plain answer. */
export interface Answer {
  /** Nothing is sent before this settles. */
  readonly after?: Promise<unknown>;
  /** The connection is destroyed without an answer. */
  readonly reset?: boolean;
  /** In place of any answer: these bytes (Latin-1), then the connection ends. */
  readonly raw?: string;
  readonly status?: number;
  /** Added to those of the plain answer; an empty value takes a header out. */
  readonly headers?: Readonly<Record<string, string>>;
  /** In place of the file, or of the empty body of an error. */
  readonly body?: Uint8Array | string;
  /** Bytes after the body; `Content-Length` counts them. */
  readonly extra?: Uint8Array;
  /** `Content-Length` is that of the whole body, the connection is closed after so many bytes. */
  readonly truncateAt?: number;
  /** After so many bytes of the body nothing is sent until the promise settles. */
  readonly pause?: { readonly at: number; readonly until: Promise<unknown> };
  /** `Transfer-Encoding: chunked` in place of `Content-Length`. */
  readonly chunked?: boolean;
  /** The body is written in pieces of so many bytes, each by itself. */
  readonly dripBytes?: number;
}

/** How the server behaves. */
export interface ServeOptions {
  /**
   * Alters the answer to a request; `undefined` lets it be.
   * @param body the file, `undefined` where there is none
   */
  readonly respond?: (
    request: CacheRequest,
    body: Uint8Array | undefined,
  ) => Answer | undefined | Promise<Answer | undefined>;
  /** Whether `Range` is heeded and `Accept-Ranges` sent. Default `true`. */
  readonly ranges?: boolean;
  /** Whether an `ETag` is sent, the hash of the body. Default `true`. */
  readonly etags?: boolean;
  /** Speaks TLS with this key and certificate (PEM). */
  readonly tls?: { readonly key: string; readonly cert: string };
  /** A path that all URLs begin with, like `/cache`; other requests get a 404. */
  readonly basePath?: string;
}

/** A running server; disposing of it closes all connections. */
export interface StaticServer extends AsyncDisposable {
  /** `http://127.0.0.1:<port><basePath>` (or `https:`), without a slash at the end. */
  readonly url: string;
  readonly port: number;
  /** All requests, in the order of their arrival. */
  readonly requests: readonly RecordedRequest[];
  /** Requests that are being answered now. */
  readonly active: number;
  /** The most that were answered at the same time. */
  readonly peakActive: number;
  /** The recorded paths of a method whose path matches. */
  paths(matching?: RegExp, method?: string): string[];
  /** Forgets the requests recorded and the peak. */
  forget(): void;
}

const CONTENT_TYPES: readonly (readonly [suffix: string, type: string])[] = [
  ['.narinfo', 'text/x-nix-narinfo'],
  ['nix-cache-info', 'text/x-nix-cache-info'],
  ['.ls', 'application/json'],
];

/** The plain answer to a request. */
interface Plain {
  status: number;
  headers: Map<string, string>;
  body: Uint8Array;
}

type Reader = (path: string) => Uint8Array | undefined | Promise<Uint8Array | undefined>;

function readerOf(source: CacheSource): Reader {
  if (typeof source === 'function') return source;
  if (typeof source !== 'string') return (path) => source.get(path);
  return async (path) => {
    if (path.split('/').includes('..') || path.includes('\0')) return undefined;
    try {
      return await readFile(join(source, path));
    } catch {
      return undefined;
    }
  };
}

/** The bytes that a single `Range` asks for: `undefined` for all, `null` for impossible ones. */
function requestedRange(
  header: string | undefined,
  length: number,
): { start: number; end: number } | undefined | null {
  const { first, last } = /^bytes=(?<first>\d*)-(?<last>\d*)$/.exec(header ?? '')?.groups ?? {};
  if (first === undefined || last === undefined || first + last === '') return undefined;
  const start = first === '' ? Math.max(0, length - Number(last)) : Number(first);
  const end = first === '' || last === '' ? length : Math.min(length, Number(last) + 1);
  return start < end ? { start, end } : null;
}

function plainAnswer(
  request: CacheRequest,
  body: Uint8Array | undefined,
  { ranges = true, etags = true }: ServeOptions,
): Plain {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return { status: 405, headers: new Map(), body: Buffer.from('no such method\n') };
  }
  if (body === undefined) {
    return { status: 404, headers: new Map(), body: Buffer.from('not found\n') };
  }
  const known = CONTENT_TYPES.find(([suffix]) => request.path.endsWith(suffix));
  const headers = new Map([['content-type', known?.[1] ?? 'application/octet-stream']]);
  const etag = `"${createHash('sha256').update(body).digest('base64url')}"`;
  if (etags) headers.set('etag', etag);
  if (!ranges) return { status: 200, headers, body };
  headers.set('accept-ranges', 'bytes');
  const condition = request.headers['if-range'];
  const applies = condition === undefined || (etags && condition === etag);
  const range = applies ? requestedRange(request.headers.range, body.length) : undefined;
  if (range === undefined) return { status: 200, headers, body };
  if (range === null) {
    headers.set('content-range', `bytes */${body.length}`);
    return { status: 416, headers, body: new Uint8Array(0) };
  }
  headers.set('content-range', `bytes ${range.start}-${range.end - 1}/${body.length}`);
  return { status: 206, headers, body: body.subarray(range.start, range.end) };
}

/** Writes as far as the client reads. */
async function write(response: ServerResponse, bytes: Uint8Array): Promise<void> {
  if (bytes.length === 0 || response.destroyed) return;
  if (response.write(bytes)) return;
  const settled = new AbortController(); // takes the other listener off, or they pile up
  const { signal } = settled;
  await Promise.race([once(response, 'drain', { signal }), once(response, 'close', { signal })]);
  settled.abort();
}

async function writeInPieces(
  response: ServerResponse,
  bytes: Uint8Array,
  pieceBytes: number,
): Promise<void> {
  if (pieceBytes >= bytes.length) {
    await write(response, bytes);
    return;
  }
  for (let at = 0; at < bytes.length && !response.destroyed; at += pieceBytes) {
    await write(response, bytes.subarray(at, at + pieceBytes));
    await nextTurn(); // or several would leave in one packet
  }
}

/** Sends an answer; `answered` learns the status once it is certain that there is one. */
async function send(
  method: string,
  plain: Plain,
  answer: Answer,
  response: ServerResponse,
  answered: (status: number) => void,
): Promise<void> {
  await answer.after;
  if (answer.reset) {
    response.socket?.resetAndDestroy();
    return;
  }
  if (answer.raw !== undefined) {
    response.socket?.end(answer.raw, 'latin1');
    return;
  }
  const body = Buffer.concat([
    answer.body === undefined ? plain.body : Buffer.from(answer.body),
    answer.extra ?? new Uint8Array(0),
  ]);
  const headers = new Map(plain.headers);
  if (!answer.chunked) headers.set('content-length', String(body.length));
  for (const [name, value] of Object.entries(answer.headers ?? {})) {
    headers.set(name.toLowerCase(), value);
  }
  const status = answer.status ?? plain.status;
  const kept = [...headers].filter(([, value]) => value !== '');
  response.writeHead(status, Object.fromEntries(kept));
  answered(status);
  if (method === 'HEAD') {
    response.end();
    return;
  }
  const end = Math.min(answer.truncateAt ?? body.length, body.length);
  const pauseAt = Math.min(answer.pause?.at ?? end, end);
  if (answer.pause !== undefined && pauseAt === 0) response.flushHeaders();
  const dripBytes = answer.dripBytes ?? Number.POSITIVE_INFINITY;
  await writeInPieces(response, body.subarray(0, pauseAt), dripBytes);
  await answer.pause?.until;
  await writeInPieces(response, body.subarray(pauseAt, end), dripBytes);
  if (answer.truncateAt === undefined) {
    response.end();
    return;
  }
  // not a reset: it could overtake what was written
  response.flushHeaders();
  await new Promise((resolve) => response.write('', resolve));
  response.socket?.destroySoon();
}

/** Starts a server on a free port of 127.0.0.1. */
export async function serveStatic(
  source: CacheSource,
  options: ServeOptions = {},
): Promise<StaticServer> {
  const { basePath = '' } = options;
  const read = readerOf(source);
  const requests: RecordedRequest[] = [];
  let active = 0;
  let peakActive = 0;

  async function answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '/', headers } = incoming;
    const [, pathname = '', query = ''] = /^([^?]*)(.*)$/s.exec(url) ?? [];
    const inside = pathname.startsWith(`${basePath}/`);
    const path = decodeURIComponent(inside ? pathname.slice(basePath.length + 1) : pathname);
    const record: { -readonly [Key in keyof RecordedRequest]: RecordedRequest[Key] } = {
      method,
      path,
      query,
      headers,
      status: undefined,
      complete: false,
    };
    requests.push(record);
    response.on('finish', () => {
      record.complete = true;
    });
    incoming.resume(); // bodies of uploads are of no interest
    const body = inside ? await read(path) : undefined;
    const altered = (await options.respond?.(record, body)) ?? {};
    const plain = plainAnswer(record, body, options);
    await send(method, plain, altered, response, (status) => {
      record.status = status;
    });
  }

  const listener = (incoming: IncomingMessage, response: ServerResponse) => {
    active += 1;
    peakActive = Math.max(peakActive, active);
    response.on('close', () => {
      active -= 1;
    });
    answer(incoming, response).catch((error: unknown) => {
      // a hook that throws must be seen by the test's client, not crash the run
      if (response.headersSent) response.destroy();
      else response.writeHead(500).end(String(error));
    });
  };
  const server =
    options.tls === undefined ? createServer(listener) : createTlsServer(options.tls, listener);
  server.on('tlsClientError', () => {}); // a client that hangs up is what some tests want
  server.keepAliveTimeout = 0; // a pooled connection must not close under a client in mid-test
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not a TCP server');

  const scheme = options.tls === undefined ? 'http' : 'https';

  return {
    url: `${scheme}://127.0.0.1:${address.port}${basePath}`,
    port: address.port,
    requests,
    get active() {
      return active;
    },
    get peakActive() {
      return peakActive;
    },
    paths: (matching = /(?:)/, method = 'GET') =>
      requests
        .filter((request) => request.method === method && matching.test(request.path))
        .map(({ path }) => path),
    forget() {
      requests.length = 0;
      peakActive = active;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
