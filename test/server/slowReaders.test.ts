/** What clients that ask for much and read nothing cost, in a process of its own. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../support/temporaryDirectory.ts';
import type { MemoryReport } from './slowReadersProcess.ts';

/** What a client may cost that takes nothing, in memory of the process. */
const NEVER_READING_BYTES = 1024 * 1024;
const STREAMS = 100;
const PATH = `/nar/${'0'.repeat(51)}1.nar`;
const PROCESS = new URL('./slowReadersProcess.ts', import.meta.url).pathname;

class ServerProcess implements Disposable {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;

  constructor(directory: string, form: string) {
    const args = ['--expose-gc', PROCESS, directory, form];
    this.#child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async port(): Promise<number> {
    return Number(await this.#line());
  }

  async memory(): Promise<MemoryReport> {
    this.#child.stdin.write('\n');
    return JSON.parse(await this.#line());
  }

  [Symbol.dispose](): void {
    this.#child.kill('SIGKILL');
  }

  async #line(): Promise<string> {
    const line = await this.#lines.next();
    if (line.done === true) throw new Error('the server has ended');
    return line.value;
  }
}

/** Asks once on each of so many connections. */
async function readers(port: number, count: number): Promise<Disposable> {
  const stack = new DisposableStack();
  for (let i = 0; i < count; i++) {
    const socket = connect(port, '127.0.0.1').on('error', () => {});
    stack.defer(() => socket.destroy());
    await once(socket, 'connect');
    socket.pause().write(`GET ${PATH} HTTP/1.1\r\nHost: x\r\n\r\n`);
  }
  return stack;
}

/** Asks many times on each of a few connections. */
async function http2Readers(port: number, count: number): Promise<Disposable> {
  const stack = new DisposableStack();
  for (let i = 0; i < count / STREAMS; i++) {
    const session = connectHttp2(`http://127.0.0.1:${port}`).on('error', () => {});
    stack.defer(() => session.destroy());
    await once(session, 'remoteSettings');
    for (let j = 0; j < Math.min(count, STREAMS); j++) {
      const stream = session.request({ ':path': PATH }).on('error', () => {});
      await once(stream, 'response');
    }
  }
  return stack;
}

// on loopback every HTTP/1.1 client takes some five megabytes into the buffers of its connection
test.each([
  [150, 'over HTTP/1.1, raw at rest', 'raw', readers],
  [60, 'over HTTP/1.1, compressed at rest', 'zstd', readers],
  [300, 'on three connections of HTTP/2', 'raw', http2Readers],
] as const)(
  '%i clients that read nothing of a large NAR, %s',
  async (count, _, form, connectAll) => {
    await using directory = await temporaryDirectory('slow-readers');
    using server = new ServerProcess(join(directory.path, 'store'), form);
    const port = await server.port();
    {
      // what the first ones cost is the server's own
      using _first = await connectAll(port, 5);
      await server.memory();
    }
    const before = await server.memory();
    using _clients = await connectAll(port, count);
    const after = await server.memory();
    expect(after.answers - before.answers).toBe(count);
    const bytesPerClient = (after.rssBytes - before.rssBytes) / count;
    process.stdout.write(`${form}: ${Math.round(bytesPerClient / 1024)} KiB for each client\n`);
    expect(bytesPerClient).toBeLessThan(NEVER_READING_BYTES);
  },
);
