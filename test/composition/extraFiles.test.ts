/** Extra files over HTTP: uploaded, refused, and served again. */
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { gzipSync } from 'node:zlib';
import { request } from 'undici';
import { describe, expect, test } from 'vitest';
import { serveStore } from '../../src/composition/serveStore.ts';
import { DEFAULT_LIMITS } from '../../src/limits.ts';
import { TrustPolicy } from '../../src/pathinfo/trustPolicy.ts';
import { parsePublicKeys } from '../../src/signature.ts';
import { UploadTokens } from '../../src/uploadTokens.ts';
import { itemsOf } from '../contracts/collect.ts';
import { REALISATION_A, REALISATION_B, REALISATION_KEY } from '../extraFiles/realisations.ts';
import { temporaryStore } from '../store/temporaryStore.ts';
import { readCacheFiles } from '../support/cacheFiles.ts';
import { fixtureCache, hashPartOfPath } from '../support/fixtureCache.ts';

const TOKEN = 'token-of-the-tests-0123';
const AUTHORIZED = { authorization: `Bearer ${TOKEN}` };
const files = await readCacheFiles(fixtureCache.directory);
const LOG = 'log/3awgikwbkmgwqgb9ig81b4wnnlh6f7yg-multi-1.2.3.drv';
const DEBUG_INFO = 'debuginfo/1f0123456789abcdef0123456789abcdef012345.debug';
const TRACE = 'build-trace-v2/3awgikwbkmgwqgb9ig81b4wnnlh6f7yg-multi-1.2.3.drv/out.doi';
const debugOutput = fixtureCache.path('multi-1.2.3-debug');
const ENTRY = JSON.stringify({ outPath: REALISATION_A.outPath, signatures: [] });

function file(path: string): Uint8Array {
  const bytes = files.get(path);
  if (bytes === undefined) throw new Error(`the fixture has no ${path}`);
  return bytes;
}

const LOG_TEXT = 'building\nbuilt\n'.repeat(1000);
/** The same by bzip2 1.0. */
const BZIP2_LOG = Buffer.from(
  'QlpoOTFBWSZTWZT7dDsABdvBgAAQFKUGACAAcEGTECaqho8plSDlSDuqQfVIMqQbVIMqQbUIXKkG1SD8XckU4UJCU+3Q7A==',
  'base64',
);

/** An empty store that takes uploads. */
async function uploadServer({
  requireSignature = false,
  limits = DEFAULT_LIMITS,
  keys = fixtureCache.publicKey,
} = {}) {
  const opened = await temporaryStore();
  const { store } = opened;
  const trust = new TrustPolicy(parsePublicKeys(keys), { checkSignatures: requireSignature });
  const server = await serveStore(store, {
    limits,
    uploads: { tokens: UploadTokens.parse(`ci:${TOKEN}`), trust },
  });
  const ask = async (
    method: 'PUT' | 'GET' | 'HEAD',
    path: string,
    options: { body?: Uint8Array | string; headers?: Record<string, string> } = {},
  ) => {
    const { statusCode, headers, body } = await request(`${server.url}/${path}`, {
      method,
      ...options,
    });
    const bytes = Buffer.from(await body.arrayBuffer());
    return { status: statusCode, headers, bytes, text: bytes.toString() };
  };
  return {
    store,
    url: server.url,
    ask,
    put: (path: string, body: Uint8Array | string, headers: Record<string, string> = {}) =>
      ask('PUT', path, { body, headers: { ...AUTHORIZED, ...headers } }),
    async [Symbol.asyncDispose]() {
      await server.close();
      await opened[Symbol.asyncDispose]();
    },
  };
}

/** The paths of what the store keeps. */
async function keptBy({ store }: Awaited<ReturnType<typeof uploadServer>>): Promise<number> {
  return (await itemsOf(store.extraFiles.list())).length;
}

/** Uploads the output with debug information, in the order in which Nix does it. */
async function uploadDebugOutput(
  server: Awaited<ReturnType<typeof uploadServer>>,
): Promise<Record<string, number>> {
  const hashPart = hashPartOfPath(debugOutput.storePath);
  const narinfo = Buffer.from(file(`${hashPart}.narinfo`)).toString();
  const nar = /^URL: (.*)$/m.exec(narinfo)?.[1] ?? '';
  const statuses: Record<string, number> = {};
  for (const path of [`${hashPart}.ls`, DEBUG_INFO, nar, `${hashPart}.narinfo`]) {
    statuses[path] = (await server.put(path, file(path))).status;
  }
  return statuses;
}

describe('an extra file', () => {
  test.each([
    [LOG, 'built\n', 'text/plain; charset=utf-8'],
    [REALISATION_A.path, REALISATION_A.text, 'application/json'],
    [TRACE, ENTRY, 'application/json'],
  ])('is served as it was uploaded: %s', async (path, text, contentType) => {
    await using server = await uploadServer();
    expect((await server.ask('HEAD', path)).status).toBe(404);
    expect(await server.put(path, text)).toMatchObject({ status: 201, text: '' });
    const got = await server.ask('GET', path);
    expect(got).toMatchObject({
      status: 200,
      text,
      headers: {
        'content-type': contentType,
        'content-length': String(text.length),
        'accept-ranges': 'bytes',
        'cache-control': 'no-cache',
      },
    });
    expect(got.headers['content-encoding']).toBeUndefined();
    const { etag } = got.headers;
    const head = await server.ask('HEAD', path);
    expect(head).toMatchObject({ status: 200, text: '', headers: { etag } });
    const again = { headers: { 'if-none-match': String(etag) } };
    expect(await server.ask('GET', path, again)).toMatchObject({ status: 304, text: '' });
    const part = { headers: { range: 'bytes=2-4' } };
    expect(await server.ask('GET', path, part)).toMatchObject({
      status: 206,
      text: text.slice(2, 5),
    });
  });

  test('takes the place of the one before it', async () => {
    await using server = await uploadServer();
    await server.put(LOG, 'first');
    const { etag } = (await server.ask('GET', LOG)).headers;
    await server.put(LOG, 'first');
    expect((await server.ask('GET', LOG)).headers['etag']).toBe(etag);
    await server.put(LOG, 'second');
    const second = await server.ask('GET', LOG);
    expect(second.text).toBe('second');
    expect(second.headers['etag']).not.toBe(etag);
    expect(await keptBy(server)).toBe(1);
  });

  test('may be empty', async () => {
    await using server = await uploadServer();
    expect((await server.put(LOG, '')).status).toBe(201);
    expect(await server.ask('GET', LOG)).toMatchObject({ status: 200, text: '' });
  });

  test.each<readonly [string, string, Uint8Array | string]>([
    ['a log', LOG, 'built'],
    ['a realisation', REALISATION_A.path, REALISATION_A.text],
    ['an entry of the build trace', TRACE, ENTRY],
    ['debug information', DEBUG_INFO, file(DEBUG_INFO)],
    ['a listing', `${hashPartOfPath(debugOutput.storePath)}.ls`, '{}'],
  ])('%s is refused without a token, and with another', async (_, path, body) => {
    await using server = await uploadServer();
    for (const headers of [{}, { authorization: 'Bearer another-token-0123456789' }]) {
      const { status } = await server.ask('PUT', path, { body, headers });
      expect(status).toBe(401);
    }
    expect(await keptBy(server)).toBe(0);
  });

  test('is taken with the token as a password', async () => {
    await using server = await uploadServer();
    const authorization = `Basic ${Buffer.from(`nix:${TOKEN}`).toString('base64')}`;
    const answer = await server.ask('PUT', LOG, { body: 'built', headers: { authorization } });
    expect(answer.status).toBe(201);
  });

  test.each([
    ['a name that leads out', 'log/../nix-cache-info'],
    ['a name that leads out, escaped', 'log/%2e%2e/nix-cache-info'],
    ['a log of what is no derivation', 'log/3awgikwbkmgwqgb9ig81b4wnnlh6f7yg-multi-1.2.3'],
    ['a folder that is not known', 'logs/3awgikwbkmgwqgb9ig81b4wnnlh6f7yg-multi-1.2.3.drv'],
    ['a build id that is none', 'debuginfo/..'],
  ])('of %s is not taken', async (_, path) => {
    await using server = await uploadServer();
    const ask = async (method: string) => {
      // as it is: clients resolve the dots
      const sent = httpRequest(server.url, { method, path: `/${path}`, headers: AUTHORIZED });
      sent.end(method === 'PUT' ? 'x' : undefined);
      const [response]: IncomingMessage[] = await once(sent, 'response');
      response?.resume();
      return response?.statusCode;
    };
    expect(await ask('PUT')).toBe(405);
    expect(await ask('GET')).toBe(404);
    expect(await keptBy(server)).toBe(0);
  });

  test('is not to be uploaded where there are no tokens', async () => {
    await using opened = await temporaryStore();
    await using server = await serveStore(opened.store, {});
    const headers = AUTHORIZED;
    const answer = await request(`${server.url}/${LOG}`, { method: 'PUT', body: 'x', headers });
    await answer.body.dump();
    expect(answer.statusCode).toBe(405);
  });

  test('is none of a pinned closure', async () => {
    await using server = await uploadServer();
    await server.put(LOG, 'built');
    expect((await server.ask('GET', `closure/${'0'.repeat(64)}/${LOG}`)).status).toBe(404);
  });
});

describe('an uploaded log', () => {
  const text = LOG_TEXT;

  test.each<readonly [string, Uint8Array, Record<string, string>]>([
    ['gzip, as Content-Encoding', gzipSync(text), { 'content-encoding': 'gzip' }],
    ['bzip2, as Content-Encoding', BZIP2_LOG, { 'content-encoding': 'bzip2' }],
    ['bzip2, as Nix keeps logs on disk', BZIP2_LOG, {}],
  ])('is kept decompressed: %s', async (_, body, headers) => {
    await using server = await uploadServer();
    expect((await server.put(LOG, body, headers)).status).toBe(201);
    const got = await server.ask('GET', LOG);
    expect(got.text).toBe(text);
    expect(got.headers['content-encoding']).toBeUndefined();
  });

  test('that only begins like something compressed is a text', async () => {
    await using server = await uploadServer();
    for (const log of ['BZh is no header\n', 'BZh9\n', 'LZIP\n', 'B']) {
      await server.put(LOG, log);
      expect((await server.ask('GET', LOG)).text).toBe(log);
    }
  });

  test.each([
    ['unpacked', (bytes: Uint8Array) => bytes, {}],
    ['packed', gzipSync, { 'content-encoding': 'gzip' }],
  ])('that is too long is refused, and nothing of it kept: %s', async (_, pack, headers) => {
    const limits = { ...DEFAULT_LIMITS, buildLogBytes: 100_000 };
    await using server = await uploadServer({ limits });
    const answer = await server.put(LOG, pack(Buffer.alloc(200_000, 'x')), headers);
    expect(answer).toMatchObject({ status: 413, text: expect.stringContaining('buildLogBytes') });
    expect((await server.ask('GET', LOG)).status).toBe(404);
    expect((await server.store.stats()).chunks).toBe(0);
  });

  test('that is damaged is refused, and the one before it stays', async () => {
    await using server = await uploadServer();
    await server.put(LOG, 'before');
    const damaged = gzipSync(text).subarray(0, -4);
    const answer = await server.put(LOG, damaged, { 'content-encoding': 'gzip' });
    expect(answer).toMatchObject({ status: 400, text: expect.stringContaining('TRUNCATED') });
    expect((await server.ask('GET', LOG)).text).toBe('before');
  });

  test('that is cut off leaves the one before it', async () => {
    await using server = await uploadServer();
    await server.put(LOG, 'before');
    const { chunks } = await server.store.stats();
    const headers = { ...AUTHORIZED, 'content-length': '1000000', expect: '100-continue' };
    const sent = httpRequest(server.url, { method: 'PUT', path: `/${LOG}`, headers });
    const closed = new Promise<void>((resolve) => sent.on('close', resolve));
    sent.on('error', () => {}); // it is cut off on purpose
    sent.flushHeaders();
    await once(sent, 'continue');
    await new Promise((resolve) => sent.write(Buffer.alloc(500_000, 'x'), resolve));
    sent.destroy();
    await closed;
    expect((await server.ask('GET', LOG)).text).toBe('before');
    expect((await server.store.stats()).chunks).toBe(chunks);
  });

  test('is given compressed to no one, so that it is the same for all', async () => {
    await using server = await uploadServer();
    await server.put(LOG, text);
    const headers = { 'accept-encoding': 'zstd, br, gzip, deflate, bzip2, xz' };
    expect((await server.ask('GET', LOG, { headers })).text).toBe(text);
  });
});

describe('an uploaded realisation', () => {
  test.each([
    ['of another id', REALISATION_A.path, REALISATION_B.text],
    ['that is no JSON', REALISATION_A.path, 'x'],
    ['that is empty', TRACE, ''],
  ])('%s is refused', async (_, path, body) => {
    await using server = await uploadServer();
    const refused = { status: 400, text: expect.stringContaining('REALISATION_INVALID') };
    expect(await server.put(path, body)).toMatchObject(refused);
    expect(await keptBy(server)).toBe(0);
  });

  test('that is too long is refused', async () => {
    await using server = await uploadServer();
    const body = ENTRY.padEnd(DEFAULT_LIMITS.realisationBytes + 1);
    expect((await server.put(TRACE, body)).status).toBe(413);
  });

  test('needs a signature by a trusted key, where that is so configured', async () => {
    await using server = await uploadServer({ requireSignature: true, keys: REALISATION_KEY });
    const { path, text } = REALISATION_B;
    const unsigned = JSON.stringify({ ...JSON.parse(text), signatures: [] });
    expect(await server.put(path, unsigned)).toMatchObject({
      status: 403,
      text: expect.stringContaining('SIGNATURE_MISSING'),
    });
    expect((await server.put(path, text)).status).toBe(201);
    expect((await server.ask('GET', path)).text).toBe(text);
  });
});

describe('debug information', () => {
  const ours = JSON.stringify({
    archive: `../nar/${debugOutput.narHash.slice('sha256:'.length)}.nar`,
    member: 'lib/debug/.build-id/1f/0123456789abcdef0123456789abcdef012345.debug',
  });

  test('leads to our own NAR, once its path is here', async () => {
    await using server = await uploadServer();
    expect(Object.values(await uploadDebugOutput(server))).toEqual([201, 201, 201, 201]);
    for (const path of [DEBUG_INFO, DEBUG_INFO.replace('.debug', '')]) {
      expect(await server.ask('GET', path)).toMatchObject({ status: 200, text: ours });
    }
    const { archive } = JSON.parse(ours);
    const nar = await server.ask('GET', `debuginfo/${archive}`);
    expect(nar.status).toBe(200);
    expect(nar.text).toContain('0123456789abcdef0123456789abcdef012345.debug');
  });

  test('of a path that is not here is not told', async () => {
    await using server = await uploadServer();
    expect((await server.put(DEBUG_INFO, file(DEBUG_INFO))).status).toBe(201);
    expect((await server.ask('GET', DEBUG_INFO)).status).toBe(404);
  });

  test('may name any file of a NAR that is here, and no other', async () => {
    await using server = await uploadServer();
    await uploadDebugOutput(server);
    const { archive, member } = JSON.parse(ours);
    const other = 'debuginfo/0123456789abcdef';
    const put = (body: object) => server.put(other, JSON.stringify(body));
    const refused = { status: 400, text: expect.stringContaining('DEBUG_INFO_INVALID') };
    expect(await put({ archive, member: 'lib/absent' })).toMatchObject(refused);
    expect(await put({ archive, member: 'lib/debug' })).toMatchObject(refused);
    expect(await put({ archive: '../nar/elsewhere.nar', member })).toMatchObject({
      status: 409,
      text: expect.stringContaining('NAR_MISSING'),
    });
    expect((await server.ask('GET', other)).status).toBe(404);
    // by our own name of the NAR, and by the name under which it was uploaded
    const uploaded = JSON.parse(Buffer.from(file(DEBUG_INFO)).toString());
    for (const body of [{ archive, member }, uploaded]) {
      expect((await put(body)).status).toBe(201);
      expect((await server.ask('GET', other)).text).toBe(ours);
    }
  });
});

describe('an uploaded listing', () => {
  const listing = `${hashPartOfPath(debugOutput.storePath)}.ls`;

  test('is taken before its path, if it is one', async () => {
    await using server = await uploadServer();
    expect((await server.put(listing, file(listing))).status).toBe(201);
    expect(await server.put(listing, '{"version":1}')).toMatchObject({
      status: 400,
      text: expect.stringContaining('LISTING_INVALID'),
    });
    expect((await server.ask('GET', listing)).status).toBe(404);
  });

  test('is compared with its path, once that is here', async () => {
    await using server = await uploadServer();
    await uploadDebugOutput(server);
    const text = Buffer.from(file(listing)).toString();
    const { root, version } = JSON.parse(text);
    // members in another order, as newer versions of Nix write them
    for (const same of [text, JSON.stringify({ root, version }, undefined, 2)]) {
      expect((await server.put(listing, same)).status).toBe(201);
    }
    for (const other of [
      text.replace(/"narOffset":\d+/, '"narOffset":8'),
      text.replace('.debug"', '.other"'),
      '{"version":1,"root":{"type":"directory","entries":{}}}',
    ]) {
      expect(other).not.toBe(text);
      expect(await server.put(listing, other)).toMatchObject({
        status: 409,
        text: expect.stringContaining('LISTING_MISMATCH'),
      });
    }
    expect((await server.ask('GET', listing)).text).toBe(text);
  });
});
