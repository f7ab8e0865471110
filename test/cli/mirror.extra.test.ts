/** `narthex mirror --extra`: what caches have besides paths, brought in and served again. */
import { gzipSync } from 'node:zlib';
import { request } from 'undici';
import { describe, expect, test } from 'vitest';
import { SecretKey } from '../../src/signature.ts';
import { type CacheFiles, readCacheFiles } from '../support/cacheFiles.ts';
import { FIXTURE_KEYS, jsonLines, type TemporaryCli, temporaryCli } from '../support/cli.ts';
import { fixtureCache } from '../support/fixtureCache.ts';
import { type ServeOptions, serveStatic } from '../support/staticCache.ts';

const MULTI = '3awgikwbkmgwqgb9ig81b4wnnlh6f7yg-multi-1.2.3.drv';
const APP = '6p59kbsdy6n6pijb9ji1dchpnl1girbw-app-2.0.drv';
const MULTI_LOG = `log/${MULTI}`;
const APP_LOG = `log/${APP}`;
const TRACE = `build-trace-v2/${MULTI}/out.doi`;
const DEV_TRACE = `build-trace-v2/${MULTI}/dev.doi`;
const DEBUG_INFO = 'debuginfo/1f0123456789abcdef0123456789abcdef012345.debug';
const EXTRA = /^(?:log|realisations|build-trace-v2|debuginfo)\//;
const debug = fixtureCache.path('multi-1.2.3-debug');

const key = SecretKey.generate('trace-1');
const keys = ['--trusted-public-keys', `${fixtureCache.publicKey} ${key.publicKey}`];

/** An entry of the build trace, signed, with white space of its own. */
function entryOf(output: string, path: string): Buffer {
  const outPath = fixtureCache.path(path).storePath.slice('/nix/store/'.length);
  const message = `{"key":{"drvPath":"${MULTI}","outputName":"${output}"},"value":{"outPath":"${outPath}"}}`;
  const signatures = [String(key.sign(Buffer.from(message)))];
  return Buffer.from(`${JSON.stringify({ outPath, signatures }, undefined, 3)}\n`);
}

/** The fixture, with entries of the build trace. */
async function cacheFiles(): Promise<CacheFiles> {
  const files = await readCacheFiles(fixtureCache.directory);
  files.set(TRACE, entryOf('out', 'multi-1.2.3'));
  files.set(DEV_TRACE, entryOf('dev', 'multi-1.2.3-dev'));
  return files;
}

/** A cache on loopback, and how to mirror from it. */
async function upstream(options: ServeOptions = {}, trusted: readonly string[] = keys) {
  await using cleanup = new AsyncDisposableStack();
  const files = await cacheFiles();
  const server = cleanup.use(await serveStatic(files, options));
  const cli = cleanup.use(await temporaryCli());
  const mirror = (...args: string[]) =>
    cli.run(['mirror', '--from', server.url, ...trusted, ...args, fixtureCache.root]);
  const owned = cleanup.move();
  return { files, server, cli, mirror, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Asks `narthex serve` over the store for files. */
async function served(
  cli: TemporaryCli,
  paths: readonly string[],
): Promise<{ status: number; bytes: Buffer }[]> {
  await using server = cli.start(['serve', '--listen', '127.0.0.1:0']);
  const url = (await server.line(/^listening on /)).slice('listening on '.length);
  const answers: { status: number; bytes: Buffer }[] = [];
  for (const path of paths) {
    const { statusCode, body } = await request(`${url}/${path}`);
    answers.push({ status: statusCode, bytes: Buffer.from(await body.arrayBuffer()) });
  }
  return answers;
}

describe('extra files', () => {
  test('are brought in, and served as they were', async () => {
    await using cache = await upstream();
    const { exitCode, stdout } = await cache.mirror('--extra', 'all');
    expect(exitCode).toBe(0);
    expect(stdout).toContain('35 paths mirrored, 5 extra files mirrored');
    const paths = [MULTI_LOG, APP_LOG, TRACE, DEV_TRACE];
    const [...answers] = await served(cache.cli, [...paths, DEBUG_INFO]);
    const debugInfo = JSON.parse(String(answers.pop()?.bytes));
    for (const [i, path] of paths.entries()) {
      expect(answers[i]).toEqual({ status: 200, bytes: cache.files.get(path) });
    }
    expect(debugInfo).toEqual({
      archive: `../nar/${debug.narHash.slice('sha256:'.length)}.nar`,
      member: 'lib/debug/.build-id/1f/0123456789abcdef0123456789abcdef012345.debug',
    });
    const log = await cache.cli.run(['log', fixtureCache.path('app-2.0').storePath]);
    expect(log.stdoutBytes).toEqual(cache.files.get(APP_LOG));
  });

  test('are asked for once each, and debug information not at all', async () => {
    await using cache = await upstream();
    await cache.mirror('--extra', 'logs,debuginfo', '--extra', 'realisations');
    const asked = cache.server.paths(EXTRA);
    const derivers = fixtureCache.paths.flatMap(({ deriver }) => deriver ?? []);
    const derivations = fixtureCache.closure
      .filter((path) => path.endsWith('.drv'))
      .map((path) => path.slice('/nix/store/'.length));
    const logs = new Set([...derivers, ...derivations].map((derivation) => `log/${derivation}`));
    expect(asked.filter((path) => path.startsWith('log/')).sort()).toEqual([...logs].sort());
    const traces = asked.filter((path) => path.startsWith('build-trace-v2/'));
    const ofMulti = traces.filter((path) => path.includes(MULTI)).sort();
    expect(ofMulti).toEqual(
      ['debug', 'dev', 'doc', 'out'].map((output) => `build-trace-v2/${MULTI}/${output}.doi`),
    );
    expect(new Set(asked).size).toBe(asked.length);
    expect(asked.filter((path) => path.startsWith('debuginfo/'))).toEqual([]);
  });

  test('are brought in for paths that are here already, and not again', async () => {
    await using cache = await upstream();
    await cache.mirror();
    expect(cache.server.paths(EXTRA)).toEqual([]);
    const { stdout } = await cache.mirror('--json', '--extra', 'logs');
    expect(jsonLines(stdout).filter(({ event }) => event === 'extraFile')).toEqual(
      expect.arrayContaining([
        { event: 'extraFile', path: MULTI_LOG },
        { event: 'extraFile', path: APP_LOG },
      ]),
    );
    expect(jsonLines(stdout).at(-1)).toMatchObject({
      event: 'done',
      outcome: 'complete',
      extraFiles: { kept: 2, failed: 0 },
    });
    cache.server.forget();
    expect((await cache.mirror('--extra', 'logs')).exitCode).toBe(0);
    expect(cache.server.paths(EXTRA)).not.toContain(MULTI_LOG);
  });

  test('are kept decoded where they come with a Content-Encoding', async () => {
    const headers = { 'content-encoding': 'gzip' };
    await using cache = await upstream({
      respond: ({ path }, body) =>
        EXTRA.test(path) && body !== undefined ? { headers, body: gzipSync(body) } : undefined,
    });
    expect((await cache.mirror('--extra', 'all')).exitCode).toBe(0);
    const paths = [MULTI_LOG, TRACE];
    const answers = await served(cache.cli, paths);
    expect(answers.map(({ bytes }) => bytes)).toEqual(paths.map((path) => cache.files.get(path)));
  });

  test('that cannot be had are named, and keep nothing else away', async () => {
    await using cache = await upstream({
      respond: ({ path }) => {
        if (path === APP_LOG) return { status: 400 };
        return path === DEV_TRACE ? { body: '{}' } : undefined;
      },
    });
    const { exitCode, stdout, stderr } = await cache.mirror('--extra', 'all');
    expect(exitCode).toBe(3);
    expect(stdout).toContain('3 extra files mirrored, 2 extra files failed');
    expect(stderr).toMatch(new RegExp(`^failed: ${APP_LOG}: .*400`, 'm'));
    expect(stderr).toMatch(new RegExp(`^failed: ${DEV_TRACE}: .*outPath`, 'm'));
    const answers = await served(cache.cli, [MULTI_LOG, TRACE, APP_LOG, DEV_TRACE]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 404, 404]);
  });

  test('realisations need a signature by a trusted key, unless nobody need sign', async () => {
    await using cache = await upstream({}, FIXTURE_KEYS);
    const refused = await cache.mirror('--json', '--extra', 'realisations');
    expect(refused.exitCode).toBe(3);
    const failed = jsonLines(refused.stdout).filter(({ event }) => event === 'extraFileFailed');
    expect(failed.map(({ path }) => path).sort()).toEqual([DEV_TRACE, TRACE]);
    expect(failed[0]).toMatchObject({ error: { code: 'SIGNATURE_MISSING' } });
    expect((await cache.mirror('--no-check-sigs', '--extra', 'realisations')).exitCode).toBe(0);
    const [answer] = await served(cache.cli, [TRACE]);
    expect(answer?.bytes).toEqual(cache.files.get(TRACE));
  });

  test('come from a directory, too', async () => {
    await using cli = await temporaryCli();
    const args = ['mirror', '--from', fixtureCache.directory, ...FIXTURE_KEYS];
    const { exitCode, stdout } = await cli.run([...args, '--extra', 'all', fixtureCache.root]);
    expect({ exitCode, stdout }).toEqual({
      exitCode: 0,
      stdout: expect.stringContaining('3 extra files mirrored'),
    });
  });

  test('of a sort that is not known are wrong usage', async () => {
    await using cli = await temporaryCli();
    const { exitCode, stderr } = await cli.run(['mirror', '--extra', 'logs,x', fixtureCache.root]);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('logs, realisations, debuginfo');
  });
});

describe('narthex log', () => {
  test('says what it has not', async () => {
    await using cli = await temporaryCli();
    const paths = ['multi-1.2.3', 'added-flat-md5'].map(
      (name) => fixtureCache.path(name).storePath,
    );
    await cli.run(['mirror', '--from', fixtureCache.directory, ...FIXTURE_KEYS, ...paths]);
    for (const [path, reason] of [
      [fixtureCache.path('multi-1.2.3').storePath, 'no log of'],
      [`/nix/store/${MULTI}`, 'no log of'],
      [fixtureCache.path('added-flat-md5').storePath, 'not known what built'],
    ] as const) {
      const { exitCode, stdout, stderr } = await cli.run(['log', path]);
      expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
      expect(stderr).toContain('LOG_NOT_FOUND');
      expect(stderr).toContain(reason);
    }
    expect((await cli.run(['log', `/nix/store/${'0'.repeat(32)}-x`])).stderr).toContain(
      'PATH_NOT_FOUND',
    );
  });
});
