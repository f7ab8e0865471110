/** `narthex mirror` from a cache that misbehaves. */
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { FIXTURE_KEYS, type TemporaryCli, temporaryCli } from '../support/cli.ts';
import { type Faults, faultyCache, forever } from '../support/faultyCache.ts';
import { fixtureCache, hashPartOfPath } from '../support/fixtureCache.ts';
import { selfSignedCertificate } from '../support/selfSignedCertificate.ts';
import type { ServeOptions } from '../support/staticCache.ts';

const { directory } = fixtureCache;
const PATH = fixtureCache.path('large-1.1').storePath;
const NARINFO = readFileSync(`${directory}/${hashPartOfPath(PATH)}.narinfo`);
const NAR = readFileSync(`${directory}/${/^URL: (.+)$/m.exec(String(NARINFO))?.[1]}`);
const MIDDLE = NAR.length >> 1;
const ANOTHER = {
  status: 206,
  headers: {
    etag: '"another"',
    'content-range': `bytes ${MIDDLE}-${NAR.length - 1}/${NAR.length}`,
  },
};

async function mirrored(cli: TemporaryCli, from: string) {
  const { exitCode, stderr } = await cli.run(['mirror', '--from', from, ...FIXTURE_KEYS, PATH]);
  const [, code] = /\[([A-Z_]+)\]$/m.exec(stderr) ?? [];
  return { exitCode, code, stderr };
}

/** How many paths are in the store; 0 where there is no store. */
async function pathsIn(cli: TemporaryCli): Promise<number> {
  const { exitCode, stdout } = await cli.run(['stats', '--json']);
  return exitCode === 0 ? JSON.parse(stdout).paths : 0;
}

describe('it gets through', () => {
  test.each<[name: string, faults: Faults]>([
    ['a NAR that breaks off in its middle', { nar: [{ truncateAt: MIDDLE }] }],
    ['a NAR that is another one in the middle', { nar: [{ truncateAt: MIDDLE }, ANOTHER] }],
    [
      'answers of 503, with and without Retry-After',
      {
        narinfo: [{ status: 503 }, { status: 503, headers: { 'retry-after': '1' } }],
        nar: [{ status: 503 }],
      },
    ],
    [
      'gzip that it did not ask for',
      {
        narinfo: [{ headers: { 'content-encoding': 'gzip' }, body: gzipSync(NARINFO) }],
        nar: [{ headers: { 'content-encoding': 'gzip' }, body: gzipSync(NAR) }],
      },
    ],
  ])('%s', async (_, faults) => {
    await using cache = await faultyCache(directory, faults);
    await using cli = await temporaryCli();
    expect(await mirrored(cli, cache.url)).toMatchObject({ exitCode: 0 });
    expect(await pathsIn(cli)).toBe(1);
  });
});

describe('it fails, with nothing to be seen of it', () => {
  test.each<[name: string, code: string, words: RegExp, faults: Faults, serve?: ServeOptions]>([
    [
      'a web page in place of a narinfo',
      'NARINFO_INVALID',
      /narinfo/,
      { narinfo: [forever({ body: '<html>' })] },
    ],
    ['credentials are wanted', 'UPSTREAM_STATUS', /401/, { narinfo: [forever({ status: 401 })] }],
    [
      'redirects in a circle',
      'UPSTREAM_FAILED',
      /more than 10 times/,
      { nar: [forever({ status: 302, headers: { location: '#' } })] },
    ],
    [
      'a bit that is another',
      'COMPRESSION_INVALID',
      /large-1\.1/,
      { nar: [forever({ body: NAR.map((byte, at) => (at === MIDDLE ? byte ^ 1 : byte)) })] },
    ],
    [
      'a NAR that always breaks off at the same place',
      'UPSTREAM_FAILED',
      /5 attempts/,
      { nar: [{ truncateAt: MIDDLE }, forever({ reset: true })] },
    ],
    [
      'a certificate that nobody vouches for',
      'UPSTREAM_FAILED',
      /self-signed/,
      {},
      { tls: selfSignedCertificate() },
    ],
  ])('%s', async (_, code, words, faults, serve) => {
    await using cache = await faultyCache(directory, faults, serve);
    await using cli = await temporaryCli();
    expect(await mirrored(cli, cache.url)).toEqual({
      exitCode: 1,
      code,
      stderr: expect.stringMatching(words),
    });
    expect(await pathsIn(cli)).toBe(0);
    expect(await mirrored(cli, directory)).toMatchObject({ exitCode: 0 });
    expect(await pathsIn(cli)).toBe(1);
  });

  test('nobody listens', async () => {
    const gone = await faultyCache(directory, {});
    await gone[Symbol.asyncDispose]();
    await using cli = await temporaryCli();
    expect(await mirrored(cli, gone.url)).toEqual({
      exitCode: 1,
      code: 'UPSTREAM_FAILED',
      stderr: expect.stringMatching(/nothing answers there/),
    });
  });
});

describe('a NAR at another origin', () => {
  test('is fetched from where --allow-nar-origin says, and from nowhere else', async () => {
    await using storage = await faultyCache(directory, {});
    const elsewhere = String(NARINFO).replace(/^URL: /m, `URL: ${storage.url}/`);
    await using cache = await faultyCache(directory, { narinfo: [forever({ body: elsewhere })] });
    await using cli = await temporaryCli();
    expect(await mirrored(cli, cache.url)).toMatchObject({
      exitCode: 1,
      code: 'UPSTREAM_URL_FORBIDDEN',
    });
    expect(storage.requests).toEqual([]);
    const args = ['mirror', '--from', cache.url, ...FIXTURE_KEYS, PATH];
    expect((await cli.run([...args, '--allow-nar-origin', storage.url])).exitCode).toBe(0);
    expect(storage.paths()).toHaveLength(1);
  });

  test('cannot be allowed by what is no origin', async () => {
    await using cli = await temporaryCli();
    const { exitCode, stderr } = await cli.run([
      'mirror',
      ...['--from', 'http://127.0.0.1:9', '--allow-nar-origin', 'nars.example', PATH],
    ]);
    expect({ exitCode, stderr }).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('[UPSTREAM_URL_INVALID]'),
    });
  });
});
