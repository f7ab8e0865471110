/**
 * A port: whatever bytes come over a connection, it is answered or closed, and the next client is served.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { utf8 } from '../../../src/bytes.ts';
import { textResponse } from '../../../src/cacheRoutes/http.ts';
import { listen } from '../../../src/server/httpServer.ts';
import { Disagreement, type FuzzTarget } from '../target.ts';

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
/** SETTINGS without a setting; HEADERS of a GET of `/` by the static table, which end the stream. */
const HTTP2 = Buffer.concat([
  utf8(PREFACE),
  Uint8Array.of(0, 0, 0, 4, 0, 0, 0, 0, 0),
  Uint8Array.of(0, 0, 3, 1, 5, 0, 0, 0, 1, 0x82, 0x84, 0x86),
]);
const SEEDS = [
  utf8('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'),
  utf8('PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody'),
  utf8(
    'PUT /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n4\r\nbody\r\n0\r\n\r\n',
  ),
  utf8(
    'POST /snix.store.v1.PathInfoService/Get HTTP/1.1\r\nHost: x\r\nContent-Type: application/grpc\r\nConnection: close\r\n\r\n',
  ),
  HTTP2,
];
const WORDS = [
  '\r\n',
  '\n',
  'Content-Length: 0\r\n',
  'Content-Length: 99999999999999999999\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Expect: 100-continue\r\n',
  'Upgrade: h2c\r\n',
  'Connection: keep-alive\r\n',
  'HTTP/1.0',
  'HTTP/9.9',
  '\0',
  PREFACE,
  'OPTIONS * ',
  'CONNECT x:1 ',
  'GET http://x/ ',
].map(utf8);
/** A connection that is neither answered nor closed after so long is a finding; most take a millisecond. */
const PATIENCE_MS = 8_000;

export async function socketTarget(): Promise<FuzzTarget> {
  const server = await listen({
    headersTimeoutMs: 300,
    routes: {
      async handle(request) {
        for await (const _ of request.body ?? []) {
          // what is not read is not received
        }
        return textResponse(request, 200, 'answered');
      },
    },
  });

  async function exchange(input: Uint8Array): Promise<string> {
    const socket = connect(server.port, '127.0.0.1');
    socket.on('error', () => {}); // it may be reset; what matters is that it ends
    socket.end(input);
    const received: Buffer[] = [];
    socket.on('data', (bytes: Buffer) => received.push(bytes));
    const signal = AbortSignal.timeout(PATIENCE_MS);
    try {
      await once(socket, 'close', { signal });
    } catch {
      throw new Disagreement('the connection is still open');
    } finally {
      socket.destroy();
    }
    const answer = Buffer.concat(received).toString('latin1');
    return /^HTTP\/1\.1 \d{3}/.exec(answer)?.[0] ?? (answer === '' ? 'closed' : 'HTTP/2');
  }

  return {
    name: 'socket',
    seeds: SEEDS,
    words: WORDS,
    async run(input) {
      const came = await exchange(input);
      const next = await exchange(SEEDS[0] ?? new Uint8Array(0));
      if (next !== 'HTTP/1.1 200') throw new Disagreement(`the next client got ${next}`);
      return came;
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
