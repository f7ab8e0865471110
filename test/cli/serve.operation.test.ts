/** `narthex serve` for those who run it: health, metrics, logs, limits, its end, sockets of systemd. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeCacheFiles } from '../support/cacheFiles.ts';
import {
  fixtureCli,
  jsonLines,
  PROGRAM,
  type RunningCli,
  type TemporaryCli,
  temporaryCli,
} from '../support/cli.ts';
import { fixtureCache, hashPartOfPath } from '../support/fixtureCache.ts';
import { serveStatic } from '../support/staticCache.ts';
import { syntheticCache, TEST_KEY } from '../support/syntheticCache.ts';
import { file } from '../support/syntheticTree.ts';

let cli: TemporaryCli;
beforeAll(async () => {
  cli = await fixtureCli();
});
afterAll(() => cli[Symbol.asyncDispose]());

const NARINFO = `/${hashPartOfPath(fixtureCache.root)}.narinfo`;
const OPERATED = ['--metrics-listen', '127.0.0.1:0'];

/** Serves on ports that are free. */
async function serve(cli: TemporaryCli, ...args: string[]) {
  const running = cli.start(['serve', '--json', '--listen', '127.0.0.1:0', ...args]);
  const { url, metricsUrl } = JSON.parse(await running.line(/listening/));
  return Object.assign(running, { url: String(url), metricsUrl: String(metricsUrl) });
}

async function get(url: string) {
  const response = await fetch(url);
  return { status: response.status, text: await response.text() };
}

async function end(running: RunningCli) {
  running.child.kill('SIGTERM');
  return await running.ended;
}

describe('health and metrics', () => {
  test('health is on its port, metrics are not', async () => {
    await using server = await serve(cli);
    expect(await get(`${server.url}/healthz`)).toEqual({ status: 200, text: 'ok\n' });
    expect(await get(`${server.url}/readyz`)).toEqual({ status: 200, text: 'ready\n' });
    expect(await get(`${server.url}/metrics`)).toMatchObject({ status: 404 });
  });

  test('--metrics has them there too', async () => {
    await using server = await serve(cli, '--metrics');
    await get(server.url + NARINFO);
    const { status, text } = await get(`${server.url}/metrics`);
    expect(status).toBe(200);
    expect(text).toMatch(/^narthex_http_requests_total\{kind="narinfo",.*status="200".*\} 1$/m);
    expect(text).toMatch(/^narthex_connections [1-9]/m);
    expect(text).toMatch(new RegExp(`^narthex_store_paths ${fixtureCache.closure.length}$`, 'm'));
    expect(text).not.toContain(hashPartOfPath(fixtureCache.root));
  });

  test('--metrics-listen: an address of its own, with details, and no cache', async () => {
    await using server = await serve(cli, ...OPERATED);
    expect(await get(`${server.metricsUrl}/readyz`)).toEqual({
      status: 200,
      text: 'ready\nstore: ok\n',
    });
    expect(await get(`${server.metricsUrl}/metrics`)).toMatchObject({ status: 200 });
    expect(await get(`${server.metricsUrl}/nix-cache-info`)).toMatchObject({ status: 404 });
    expect(await get(`${server.url}/metrics`)).toMatchObject({ status: 404 });
  });

  test('a store that is gone: it lives, and is not ready', async () => {
    await using damaged = await fixtureCli();
    await using server = await serve(damaged, ...OPERATED);
    await rm(join(damaged.storeDirectory, 'packs'), { recursive: true });
    expect(await get(`${server.url}/healthz`)).toMatchObject({ status: 200 });
    expect(await get(`${server.url}/readyz`)).toEqual({ status: 503, text: 'not ready\n' });
    expect((await get(`${server.metricsUrl}/readyz`)).text).toContain('store: failed');
    expect((await end(server)).stderr).toMatch(
      / error not ready check=store: .*\[STORE_FAILED\]\n/,
    );
  });
});

/** A cache of two paths, one of which is not what its narinfo says. */
const twoPaths = () =>
  syntheticCache([
    { name: 'good' },
    {
      name: 'bad',
      tree: file('x'.repeat(1000)),
      lie: { servedNar: (nar) => nar.map((byte, i) => (i === 500 ? byte ^ 1 : byte)) },
    },
  ]);

test('an upstream: its traffic, what was brought in and what was not', async () => {
  const cache = await twoPaths();
  await using upstream = await serveStatic(cache.files);
  await using far = await temporaryCli();
  const keys = ['--trusted-public-keys', TEST_KEY.publicKey];
  await using server = await serve(far, '--upstream', upstream.url, ...keys, ...OPERATED);
  expect((await get(`${server.metricsUrl}/readyz`)).text).toContain(`upstream ${upstream.url}: `);
  for (const name of ['good', 'bad']) {
    expect(await get(`${server.url}/${cache.path(name).hashPart}.narinfo`)).toMatchObject({
      status: 200,
    });
  }
  const metrics = async () => (await get(`${server.metricsUrl}/metrics`)).text;
  let text = await metrics();
  while (!/paths_total\{result="kept"/.test(text) || !/result="NAR_HASH_MISMATCH"/.test(text)) {
    text = await metrics();
  }
  expect(text).toMatch(/^narthex_ingest_paths_total\{result="kept"\} 1$/m);
  expect(text).toMatch(/^narthex_ingest_paths_total\{result="NAR_HASH_MISMATCH"\} 1$/m);
  expect(text).toMatch(
    new RegExp(`^narthex_ingest_nar_bytes_total ${cache.path('good').nar.length}$`, 'm'),
  );
  expect(text).toMatch(
    new RegExp(
      `^narthex_upstream_requests_total\\{upstream="${upstream.url}",outcome="2xx"\\} `,
      'm',
    ),
  );
  expect((await end(server)).stderr).toMatch(/ warn {2}not brought in: .*\[NAR_HASH_MISMATCH\]\n/);
});

describe('logs', () => {
  test('as JSON: the beginning, each request, the end', async () => {
    await using server = await serve(cli, '--log-format', 'json', '--log-level', 'info');
    await get(`${server.url + NARINFO}?secret=1`);
    await get(`${server.url}/healthz`);
    const { stderr } = await end(server);
    expect(stderr).not.toContain('secret');
    expect(jsonLines(stderr)).toEqual([
      expect.objectContaining({ level: 'info', event: 'listening', url: server.url }),
      {
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
        level: 'info',
        event: 'request',
        method: 'GET',
        path: NARINFO,
        status: 200,
        bytes: expect.any(Number),
        ms: expect.any(Number),
        client: '127.0.0.1',
        protocol: 'http1',
      },
      expect.objectContaining({ event: 'draining' }),
      expect.objectContaining({ event: 'ended' }),
    ]);
  });

  test('never have a token, a password of an upstream, or what a client signs in with', async () => {
    await using far = await temporaryCli();
    const token = 'hunter2-hunter2-hunter2';
    await writeFile(join(far.directory, 'tokens'), `ci:${token}\n`);
    await using upstream = await serveStatic(new Map(), { respond: () => ({ status: 403 }) });
    const withPassword = upstream.url.replace('//', `//user:${token}@`);
    const args = [
      '--upstream',
      withPassword,
      '--upload-token-file',
      'tokens',
      '--log-level',
      'debug',
    ];
    await using server = await serve(far, ...args, ...OPERATED);
    const authorizations = [
      `Bearer ${token}`,
      'Bearer hunter2-wrong',
      `Basic ${btoa(`ci:${token}`)}`,
    ];
    for (const authorization of authorizations) {
      await fetch(`${server.url}/nar/x.nar?token=${token}`, {
        method: 'PUT',
        headers: { authorization },
        body: 'no NAR',
      });
    }
    await get(server.url + NARINFO);
    const { text } = await get(`${server.metricsUrl}/metrics`);
    expect(text).toMatch(/^narthex_uploads_total\{file="nar",result="NAR_INVALID"\} 2$/m);
    expect(text).toMatch(/^narthex_uploads_total\{file="nar",result="UNAUTHENTICATED"\} 1$/m);
    const { text: ready } = await get(`${server.metricsUrl}/readyz`);
    const { stdout, stderr } = await end(server);
    expect(stderr).toContain('upload refused');
    for (const told of [stdout, stderr, text, ready]) {
      expect(told).not.toMatch(/hunter2|aHVudGVy/);
    }
  });

  test('as a configuration file says, which options go before', async () => {
    const file = join(cli.directory, 'operation.toml');
    await writeFile(file, 'log_level = "error"\nlog_format = "json"\nmetrics = true\n');
    await using server = await serve(cli, '--config', file, '--log-level', 'info');
    expect(await get(`${server.url}/metrics`)).toMatchObject({ status: 200 });
    const events = jsonLines((await end(server)).stderr).map(({ event }) => event);
    expect(events).toEqual(['listening', 'draining', 'ended']);
  });

  test('a level or form that is not there', async () => {
    for (const args of [
      ['--log-level', 'loud'],
      ['--log-format', 'xml'],
    ]) {
      expect(await cli.run(['serve', ...args])).toMatchObject({ exitCode: 2 });
    }
  });
});

test('--max-connections', async () => {
  await using server = await serve(cli, '--max-connections', '1', ...OPERATED);
  const { port } = new URL(server.url);
  const first = connect(Number(port), '127.0.0.1');
  first.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(first, 'data');
  const second = connect(Number(port), '127.0.0.1').on('error', () => {});
  await once(second, 'close');
  const { text } = await get(`${server.metricsUrl}/metrics`);
  expect(text).toMatch(/^narthex_connections_refused_total\{limit="maxConnections"\} 1$/m);
  first.destroy();
});

describe('the end', () => {
  /** A store with a NAR that is longer than the buffers of a connection. */
  async function bigStore() {
    const big = await temporaryCli();
    const contents = Buffer.alloc(64 * 1024 * 1024, 'x');
    const cache = await syntheticCache([{ name: 'big', tree: file(contents) }], {
      compression: 'zstd',
    });
    await writeCacheFiles(cache.files, join(big.directory, 'cache'));
    const keys = ['--trusted-public-keys', TEST_KEY.publicKey];
    await big.run(['mirror', '--from', 'cache', ...keys, cache.storePath('big')]);
    const narPath = `/nar/${cache.path('big').narHash.replace('sha256:', '')}.nar`;
    return { big, narPath };
  }

  test('an answer whose client takes nothing is broken off in time, and the exit code is 0', async () => {
    const { big, narPath } = await bigStore();
    await using _ = big;
    await using server = await serve(big, '--drain-timeout', '1', ...OPERATED);
    const { port } = new URL(server.url);
    const socket = connect(Number(port), '127.0.0.1').on('error', () => {});
    socket.write(`GET ${narPath} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await once(socket, 'readable');
    server.child.kill('SIGTERM');
    // while it drains, it says so where it still listens
    let ready = await get(`${server.metricsUrl}/readyz`);
    while (ready.status === 200) ready = await get(`${server.metricsUrl}/readyz`);
    expect(ready.text).toContain('draining');
    expect(await server.ended).toMatchObject({ exitCode: 0, stderr: '' });
    socket.destroy();
  });

  test('what is being brought in is given up, and nothing of it is kept', async () => {
    const cache = await syntheticCache([{ name: 'slow' }]);
    const asked = Promise.withResolvers<void>();
    await using upstream = await serveStatic(cache.files, {
      respond({ path }) {
        if (!path.startsWith('nar/')) return undefined;
        asked.resolve();
        return { after: new Promise(() => {}) };
      },
    });
    await using far = await temporaryCli();
    const keys = ['--trusted-public-keys', TEST_KEY.publicKey];
    await using server = await serve(far, '--upstream', upstream.url, ...keys);
    await get(`${server.url}/${cache.path('slow').hashPart}.narinfo`);
    await asked.promise;
    expect(await end(server)).toMatchObject({ exitCode: 0, stderr: '' });
    const { stdout } = await far.run(['stats', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ paths: 0 });
  });

  test('an upload that does not come to its end is broken off, and nothing of it is kept', async () => {
    await using far = await temporaryCli();
    await writeFile(join(far.directory, 'tokens'), 'token-of-the-tests-0123\n');
    const args = ['--upload-token-file', 'tokens', '--drain-timeout', '1', ...OPERATED];
    await using server = await serve(far, ...args);
    const { port } = new URL(server.url);
    const socket = connect(Number(port), '127.0.0.1').on('error', () => {});
    socket.write(
      'PUT /nar/x.nar HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer token-of-the-tests-0123\r\n' +
        'Content-Length: 1000\r\n\r\n',
    );
    const metrics = async () => (await get(`${server.metricsUrl}/metrics`)).text;
    while (!/^narthex_uploads_in_flight 1$/m.test(await metrics()));
    expect(await end(server)).toMatchObject({ exitCode: 0, stderr: '' });
    const { stdout } = await far.run(['stats', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ paths: 0 });
    socket.destroy();
  });

  test('--drain-delay: it goes on, and says that it is about to end', async () => {
    await using server = await serve(cli, '--drain-delay', '3600');
    server.child.kill('SIGTERM');
    let ready = await get(`${server.url}/readyz`);
    while (ready.status === 200) ready = await get(`${server.url}/readyz`);
    expect(ready).toEqual({ status: 503, text: 'not ready\n' });
    expect(await get(server.url + NARINFO)).toMatchObject({ status: 200 });
    // whoever asks in another way does not want to wait
    server.child.kill('SIGINT');
    expect(await server.ended).toMatchObject({ exitCode: 130 });
  });
});

describe('a socket that systemd passes', () => {
  /** Starts it as systemd does: the socket is open as descriptor 3, and named for this process. */
  async function activated(cli: TemporaryCli, variables: string) {
    const listener = createServer().listen(0, '127.0.0.1');
    await once(listener, 'listening');
    // node has no public way to a socket's descriptor
    const { fd } = (listener as unknown as { _handle: { fd: number } })._handle;
    const address = listener.address();
    const script = `${variables} exec "$0" "$@"`;
    const args = [script, process.execPath, PROGRAM, 'serve', '--json'];
    const child = spawn('/bin/sh', ['-c', ...args], {
      env: cli.environment,
      stdio: ['ignore', 'pipe', 'inherit', fd],
    });
    const { stdout } = child;
    if (stdout === null) throw new Error('it is piped');
    const ended = once(child, 'close');
    // systemd has no hand in it any more either
    listener.close();
    const lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
    return {
      address,
      line: async () => String((await lines.next()).value),
      async [Symbol.asyncDispose]() {
        child.kill('SIGKILL');
        await ended;
      },
    };
  }

  test('is where it listens', async () => {
    await using server = await activated(cli, 'LISTEN_PID=$$ LISTEN_FDS=1');
    const { url } = JSON.parse(await server.line());
    expect(new URL(url).port).toBe(String(Object(server.address).port));
    expect(await get(`${url}/healthz`)).toMatchObject({ status: 200 });
  });

  test.each([
    ['more than one', 'LISTEN_PID=$$ LISTEN_FDS=2', /one socket is listened on, 2 are passed/],
  ])('%s is an error', async (_, variables, message) => {
    await using server = await activated(cli, variables);
    const { error } = JSON.parse(await server.line());
    expect(error).toMatchObject({ code: 'USAGE', message: expect.stringMatching(message) });
  });
});
