/** Servers whose answers a test makes up, and clients that speak bytes. */
import { once } from 'node:events';
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as connectHttp2,
} from 'node:http2';
import { connect, type Socket } from 'node:net';
import type { CacheRequest, CacheResponse, HandleOptions } from '../../src/cacheRoutes/http.ts';
import { type ListenOptions, listen } from '../../src/server/httpServer.ts';

/** Makes up the answer to a request. */
export type Answer = (
  request: CacheRequest,
  signal: AbortSignal,
  options: HandleOptions,
) => CacheResponse | Promise<CacheResponse>;

/** A server that answers every request so, and what it reported. */
export async function serve(answer: Answer, options: Omit<ListenOptions, 'routes'> = {}) {
  const reported: unknown[] = [];
  const server = await listen({
    reportError: (error) => reported.push(error),
    ...options,
    routes: {
      async handle(request, options = {}) {
        const { signal = new AbortController().signal } = options;
        return answer(request, signal, options);
      },
    },
  });
  return { ...server, reported };
}

/** An answer in memory. */
export const text = (body: string, status = 200): CacheResponse => ({
  status,
  headers: { 'content-length': String(Buffer.byteLength(body)) },
  body: Buffer.from(body),
});

/** An answer of `chunks`, which then ends or throws `failure`. */
export function streamed(
  chunks: readonly string[],
  contentLength: number,
  failure?: unknown,
): CacheResponse {
  async function* body() {
    for (const chunk of chunks) yield Buffer.from(chunk);
    if (failure !== undefined) throw failure;
  }
  return { status: 200, headers: { 'content-length': String(contentLength) }, body: body() };
}

/** Sends bytes and leaves the rest to the test. */
export async function rawClient(port: number, request: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.write(request);
  return socket;
}

/** All that comes until the other end closes. */
export async function readAll(source: AsyncIterable<Uint8Array>): Promise<string> {
  return Buffer.concat(await Array.fromAsync(source)).toString();
}

/** The body of a request, whole. */
export async function bodyText({ body }: CacheRequest): Promise<string> {
  return body === undefined ? '' : readAll(body);
}

/** An HTTP/2 connection by prior knowledge that lives as long as a test. */
export function http2Client(url: string): { session: ClientHttp2Session } & Disposable {
  const session = connectHttp2(url);
  session.on('error', () => {}); // shows at the streams too
  return { session, [Symbol.dispose]: () => session.destroy() };
}

/** The answer to a request over HTTP/2; rejects when it is broken off. */
export async function answerOf(stream: ClientHttp2Stream) {
  const [headers] = await once(stream, 'response');
  return { status: headers[':status'], headers, text: await readAll(stream) };
}
