/** Memory that is lent to an answer whose client goes away in the middle: it is used for something else at once. */
import { once } from 'node:events';
import { constants } from 'node:http2';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import type { ListenOptions } from '../../src/server/httpServer.ts';
import { http2Client, rawClient, serve } from './testServer.ts';

const PIECE_BYTES = 512 * 1024;
/** What the memory is used for next. */
const SECRET = 'secret of somebody else';

/** A server of endless answers, whose memory is used for something else as soon as they are left, if it is lent. */
async function lendingServer(options: Omit<ListenOptions, 'routes'> = {}) {
  const left = Promise.withResolvers<void>();
  let pieces = 0;
  async function* body(isLent: boolean) {
    let piece = Buffer.alloc(0);
    try {
      for (;;) {
        piece = Buffer.allocUnsafeSlow(PIECE_BYTES).fill('a');
        pieces++;
        yield piece;
      }
    } finally {
      if (isLent) piece.fill(SECRET);
      left.resolve();
    }
  }
  const server = await serve((_request, _signal, { lentPieces = false }) => {
    return { status: 200, headers: {}, body: body(lentPieces) };
  }, options);
  return {
    ...server,
    left: left.promise,
    /** Resolves when the client takes no more. */
    async untilStuck() {
      for (let before = -1; before !== pieces || pieces < 2; ) {
        before = pieces;
        await sleep(100);
      }
    },
  };
}

/** A way to `port` that can be closed to what comes back, and tells it. */
async function gateTo(port: number) {
  const received: Buffer[] = [];
  const ahead = connect(port, '127.0.0.1');
  const server = createServer((client) => {
    for (const socket of [client, ahead]) socket.on('error', () => {});
    client.on('close', () => ahead.destroy());
    client.pipe(ahead).pipe(client);
    ahead.on('data', (bytes: Buffer) => received.push(bytes));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    ahead.destroy();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('no port');
  return { url: `http://127.0.0.1:${address.port}`, received, ahead };
}

test('HTTP/2: a stream that is reset while the socket is full sends nothing of it', async () => {
  await using server = await lendingServer();
  const { url, received, ahead } = await gateTo(server.port);
  using client = http2Client(url);
  const { session } = client;
  await once(session, 'remoteSettings');
  session.setLocalWindowSize(2 ** 30);
  session.settings({ initialWindowSize: 2 ** 30 });
  await once(session, 'localSettings');
  const stream = session.request({ ':path': '/' });
  stream.on('error', () => {});
  stream.resume();
  await once(stream, 'data');
  ahead.pause();
  await server.untilStuck();
  stream.close(constants.NGHTTP2_CANCEL);
  // Node 24 tells of the reset only once the socket has room
  await Promise.race([server.left, sleep(2000)]);
  ahead.resume();
  await server.left;
  // the answer comes behind all that was under way
  await new Promise<void>((resolve) => session.ping(() => resolve()));
  expect(Buffer.concat(received).includes(SECRET)).toBe(false);
});

test('HTTP/1.1: an answer that is broken off since nobody takes it sends nothing of it', async () => {
  await using server = await lendingServer({ stalledClientMs: 300 });
  const client = await rawClient(server.port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  client.on('error', () => {});
  await server.left;
  const received: Buffer[] = [];
  client.on('data', (bytes: Buffer) => received.push(bytes));
  await once(client, 'close');
  expect(received.length).toBeGreaterThan(0);
  expect(Buffer.concat(received).includes(SECRET)).toBe(false);
});
