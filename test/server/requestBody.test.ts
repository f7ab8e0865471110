/** Bodies of requests over HTTP/1.1; `http2.test.ts` has them over HTTP/2. */
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { receiveBody } from '../../src/server/requestBody.ts';
import { bodyText, rawClient, readAll, serve, text } from './testServer.ts';

const PUT = 'PUT /x HTTP/1.1\r\nHost: x\r\n';

describe('a body', () => {
  test('is given as it comes, and the connection used again', async () => {
    await using server = await serve(async ({ body }) =>
      text(body === undefined ? 'none' : await readAll(body)),
    );
    const socket = await rawClient(server.port, `${PUT}Content-Length: 4\r\n\r\nab`);
    socket.write(`cd${PUT}Transfer-Encoding: chunked\r\n\r\n2\r\nef\r\n0\r\n\r\n`);
    socket.write('GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    const answers = (await readAll(socket)).split(/HTTP\/1\.1 /).slice(1);
    expect(answers.map((answer) => answer.split('\r\n\r\n')[1])).toEqual(['abcd', 'ef', 'none']);
  });

  test('is received no faster than it is read', async () => {
    const read = Promise.withResolvers<void>();
    await using server = await serve(async ({ body }) => {
      if (body === undefined) return text('other');
      await read.promise;
      let length = 0;
      for await (const piece of body) length += piece.length;
      return text(String(length));
    });
    const size = 64 * 1024 * 1024;
    const head = `${PUT}Content-Length: ${size}\r\nConnection: close\r\n\r\n`;
    const socket = await rawClient(server.port, head);
    let sent = false;
    socket.write(Buffer.alloc(size), () => {
      sent = true;
    });
    for (let i = 0; i < 20; i++) expect(await (await fetch(server.url)).text()).toBe('other');
    expect(sent).toBe(false);
    read.resolve();
    expect(await readAll(socket)).toMatch(new RegExp(`\r\n\r\n${size}$`));
    expect(sent).toBe(true);
  });

  test('is asked for when it is read first', async () => {
    await using server = await serve(async (request) => text(await bodyText(request)));
    const socket = await rawClient(
      server.port,
      `${PUT}Content-Length: 4\r\nExpect: 100-continue\r\n\r\n`,
    );
    const [continued] = await once(socket, 'data');
    expect(String(continued)).toBe('HTTP/1.1 100 Continue\r\n\r\n');
    socket.write('abcd');
    const [answer] = await once(socket, 'data');
    expect(String(answer)).toMatch(/^HTTP\/1\.1 200 .*\r\n\r\nabcd$/s);
    socket.destroy();
  });

  test('that is not wanted is not asked for, and the connection closed', async () => {
    await using server = await serve(() => text('no', 401));
    const socket = await rawClient(
      server.port,
      `${PUT}Content-Length: 4\r\nExpect: 100-continue\r\n\r\n`,
    );
    expect(await readAll(socket)).toMatch(/^HTTP\/1\.1 401 .*connection: close.*\r\n\r\nno$/is);
  });

  test('that comes though it is not wanted does not hide the answer', async () => {
    await using server = await serve(() => text('no', 401));
    const size = 20 * 1024 * 1024;
    const socket = await rawClient(server.port, `${PUT}Content-Length: ${size}\r\n\r\n`);
    const answer = readAll(socket);
    socket.write(Buffer.alloc(size));
    expect(await answer).toMatch(/^HTTP\/1\.1 401 .*connection: close.*\r\n\r\nno$/is);
  });

  test('that is left early still gets an answer', async () => {
    await using server = await serve(async ({ body }) => {
      for await (const _ of body ?? []) break;
      return text('enough', 413);
    });
    const socket = await rawClient(server.port, `${PUT}Content-Length: 20000000\r\n\r\nbegin`);
    const answer = readAll(socket);
    socket.write(Buffer.alloc(20_000_000 - 5));
    expect(await answer).toMatch(/^HTTP\/1\.1 413 .*\r\n\r\nenough$/s);
  });

  test.each(['Content-Length: 1000\r\n\r\nab', 'Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n'])(
    'that is cut off (%j) fails, and aborts what is done with it',
    async (rest) => {
      const begun = Promise.withResolvers<void>();
      const outcome = Promise.withResolvers<unknown>();
      await using server = await serve(async ({ body }, signal) => {
        try {
          for await (const _ of body ?? []) begun.resolve();
        } catch (error) {
          outcome.resolve([error, signal.aborted]);
          throw error;
        }
        return text('complete');
      });
      const socket = await rawClient(server.port, PUT + rest);
      await begun.promise;
      socket.destroy();
      const gone = expect.objectContaining({ message: 'the client has closed the connection' });
      expect(await outcome.promise).toEqual([gone, true]);
      expect(server.reported).toEqual([]);
    },
  );
});

test('a client that sends nothing of a body for too long is given up', async () => {
  const gone = new AbortController();
  const never = new Promise<IteratorResult<Uint8Array>>((_, reject) => {
    gone.signal.addEventListener('abort', () => reject(new Error('aborted')));
  });
  const body = receiveBody({
    pieces: { next: () => never },
    proceed: () => {},
    isComplete: () => true,
    gone: gone.signal,
    giveUp: () => gone.abort(new Error('given up')),
    idleTimeoutMs: 5,
  });
  await expect(body.next()).rejects.toThrow('given up');
});
