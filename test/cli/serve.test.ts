/** `narthex serve` */
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { get, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeCacheFiles } from '../support/cacheFiles.ts';
import {
  fixtureCli,
  jsonLines,
  type RunningCli,
  type TemporaryCli,
  temporaryCli,
} from '../support/cli.ts';
import { fixtureCache, hashPartOfPath } from '../support/fixtureCache.ts';
import { narinfoField } from '../support/narinfoText.ts';
import { sha256Field } from '../support/nixbase32.ts';
import { syntheticCache, TEST_KEY } from '../support/syntheticCache.ts';
import { file } from '../support/syntheticTree.ts';

let cli: TemporaryCli;
beforeAll(async () => {
  cli = await fixtureCli();
});
afterAll(() => cli[Symbol.asyncDispose]());

const { storePath, narHash, narSize } = fixtureCache.path('large-1.0');

/** Serves on a port that is free. */
async function serve(cli: TemporaryCli, ...args: string[]) {
  const running = cli.start(['serve', '--listen', '127.0.0.1:0', ...args]);
  const line = await running.line(/^listening on http:\/\/127\.0\.0\.1:\d+$/);
  const url = line.slice('listening on '.length);
  return Object.assign(running, { url });
}

/** Ends it as a terminal or service manager does. */
async function end(running: RunningCli, signal: 'SIGINT' | 'SIGTERM' = 'SIGTERM') {
  running.child.kill(signal);
  return await running.ended;
}

const textOf = async (url: string) => (await fetch(url)).text();

test('a binary cache: info, narinfo with its signature, NAR, listing', async () => {
  await using server = await serve(cli);
  const { url } = server;
  expect(await textOf(`${url}/nix-cache-info`)).toBe(
    'StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 30\n',
  );
  const narinfo = await textOf(`${url}/${hashPartOfPath(storePath)}.narinfo`);
  expect(narinfoField(narinfo, 'StorePath')).toBe(storePath);
  expect(narinfoField(narinfo, 'Compression')).toBe('none');
  expect(narinfoField(narinfo, 'NarHash')).toBe(narHash);
  expect(narinfoField(narinfo, 'Sig')).toMatch(/^narthex-fixture-1:/);

  const nar = await fetch(`${url}/${narinfoField(narinfo, 'URL')}`);
  expect(nar.headers.get('content-length')).toBe(String(narSize));
  const bytes = Buffer.from(await nar.arrayBuffer());
  expect(sha256Field(bytes)).toBe(narHash);
  const range = await fetch(nar.url, { headers: { range: 'bytes=300000-300099' } });
  expect(range.status).toBe(206);
  expect(Buffer.from(await range.arrayBuffer()).equals(bytes.subarray(300_000, 300_100))).toBe(
    true,
  );

  const listing = JSON.parse(await textOf(`${url}/${hashPartOfPath(storePath)}.ls`));
  expect(listing).toMatchObject({ version: 1, root: { type: 'directory' } });
  expect((await fetch(`${url}/${'0'.repeat(32)}.narinfo`)).status).toBe(404);
  expect(await end(server)).toMatchObject({ exitCode: 0, stderr: '' });
});

test('--compression zstd, --priority', async () => {
  await using server = await serve(cli, '--compression', 'zstd', '--priority', '7');
  expect(await textOf(`${server.url}/nix-cache-info`)).toContain('Priority: 7\n');
  const narinfo = await textOf(`${server.url}/${hashPartOfPath(storePath)}.narinfo`);
  expect(narinfoField(narinfo, 'Compression')).toBe('zstd');
  expect(narinfoField(narinfo, 'URL')).toMatch(/\.nar\.zst$/);
});

test('--json: the address as data', async () => {
  await using server = cli.start(['serve', '--json', '--listen', '127.0.0.1:0']);
  const [listening] = jsonLines(await server.line(/listening/));
  expect(listening).toEqual({
    event: 'listening',
    url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
  });
});

test('what is mirrored from it is what it serves', async () => {
  await using server = await serve(cli, '--compression', 'zstd');
  await using other = await temporaryCli();
  const keys = ['--trusted-public-keys', fixtureCache.publicKey];
  const args = ['mirror', '--from', server.url, ...keys, fixtureCache.root];
  expect(await other.run(args)).toMatchObject({ exitCode: 0 });
  const closures = [cli, other].map(async (one) => {
    const { stdout } = await one.run(['closure', '--json', fixtureCache.root]);
    return stdout;
  });
  const [here, there] = await Promise.all(closures);
  expect(there).toBe(here); // closure digests among it
});

test('an address that is taken is an error that says what to do', async () => {
  await using server = await serve(cli);
  const { port } = new URL(server.url);
  const { exitCode, stdout, stderr } = await cli.run(['serve', '--listen', `127.0.0.1:${port}`]);
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
  expect(stderr).toMatch(
    /^narthex: cannot listen at 127\.0\.0\.1, port \d+: .*EADDRINUSE.*; choose another address with --listen \[LISTEN_FAILED\]\n$/,
  );
});

test.each(['SIGINT', 'SIGTERM'] as const)(
  '%s ends it, also with idle connections',
  async (signal) => {
    await using server = await serve(cli);
    await textOf(`${server.url}/nix-cache-info`); // fetch keeps its connection
    expect(await end(server, signal)).toMatchObject({ exitCode: 0, stderr: '' });
  },
);

test('an answer under way is sent to its end, also when the signal comes twice', async () => {
  await using big = await temporaryCli();
  const bytes = 32 * 1024 * 1024; // more than sockets hold back
  const cache = await syntheticCache([{ name: 'big', tree: file(Buffer.alloc(bytes, 'x')) }], {
    compression: 'zstd',
  });
  await writeCacheFiles(cache.files, join(big.directory, 'cache'));
  const keys = ['--trusted-public-keys', TEST_KEY.publicKey];
  await big.run(['mirror', '--from', 'cache', ...keys, cache.storePath('big')]);
  await using server = await serve(big);
  const narinfo = await textOf(`${server.url}/${cache.path('big').hashPart}.narinfo`);
  const [answer] = (await once(
    get(`${server.url}/${narinfoField(narinfo, 'URL')}`),
    'response',
  )) as [IncomingMessage]; // what 'response' comes with
  await once(answer, 'readable');
  server.child.kill('SIGINT');
  server.child.kill('SIGINT');
  await refusesConnections(server.url);
  const nar = Buffer.concat(await Array.fromAsync<Buffer>(answer));
  expect(sha256Field(nar)).toBe(cache.path('big').narHash);
  expect(await server.ended).toMatchObject({ exitCode: 0, stderr: '' });
});

/** Resolves once nobody listens there any longer. */
async function refusesConnections(url: string): Promise<void> {
  for (;;) {
    try {
      await (await fetch(url, { headers: { connection: 'close' } })).text();
    } catch {
      return;
    }
  }
}

test('what goes wrong while it serves is one line, and the client sees a failure', async () => {
  await using damaged = await fixtureCli();
  await using server = await serve(damaged);
  const narinfo = await textOf(`${server.url}/${hashPartOfPath(storePath)}.narinfo`);
  await rm(join(damaged.storeDirectory, 'packs'), { recursive: true });
  const path = `/${narinfoField(narinfo, 'URL')}`;
  const answer = await fetch(server.url + path);
  expect(answer.status).toBe(500);
  const { exitCode, stderr } = await end(server);
  expect(exitCode).toBe(0);
  expect(stderr).toMatch(
    /^\S+ error request failed method=GET path=\/nar\/\w+\.nar: [^\n]* \[STORE_[A-Z]+\]\n$/,
  );
});
