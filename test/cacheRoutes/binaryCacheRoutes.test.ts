import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  type BinaryCacheOptions,
  BinaryCacheRoutes,
} from '../../src/cacheRoutes/binaryCacheRoutes.ts';
import type { CacheResponse } from '../../src/cacheRoutes/http.ts';
import { parseNarInfo } from '../../src/narinfo/parse.ts';
import { collect } from '../render/collect.ts';
import { EncodedBlobService } from '../render/encodedBlobService.ts';
import { narOf, readCacheFiles } from '../support/cacheFiles.ts';
import { fixtureCache, hashPartOfPath } from '../support/fixtureCache.ts';
import { alterNarinfo } from '../support/narinfoText.ts';
import { type MemoryCache, memoryCache } from './memoryCache.ts';

const files = await readCacheFiles(fixtureCache.directory);
let cache: MemoryCache;
let encodedCache: MemoryCache;
let routes: BinaryCacheRoutes;

beforeAll(async () => {
  cache = await memoryCache(files);
  const blobService = new EncodedBlobService({ chunkBytes: 5000, compressed: (i) => i % 2 === 0 });
  encodedCache = await memoryCache(files, blobService);
  routes = new BinaryCacheRoutes(cache);
});

interface Ask {
  readonly routes?: BinaryCacheRoutes;
  readonly method?: string;
  readonly headers?: Record<string, string>;
}

function ask(target: string, options: Ask = {}): Promise<CacheResponse> {
  const [path = '', query = ''] = target.split('?');
  const { method = 'GET', headers = {} } = options;
  return (options.routes ?? routes).handle({
    method,
    path,
    query: new URLSearchParams(query),
    headers,
  });
}

async function bodyOf({ body }: CacheResponse): Promise<Buffer> {
  if (body === undefined) return Buffer.alloc(0);
  return body instanceof Uint8Array ? Buffer.from(body) : collect(body);
}

const textOf = async (response: CacheResponse) => (await bodyOf(response)).toString();
const narinfoFile = (storePath: string) => `${hashPartOfPath(storePath)}.narinfo`;
const original = (storePath: string) =>
  Buffer.from(files.get(narinfoFile(storePath)) ?? '').toString();

/** `nar/…` of the path's narinfo. */
async function narUrl(storePath: string, from = routes): Promise<string> {
  const narinfo = await bodyOf(await ask(`/${narinfoFile(storePath)}`, { routes: from }));
  return `/${parseNarInfo(narinfo).url}`;
}

const ODD_NAMES = fixtureCache.path('odd-names-1.0').storePath;

describe('nix-cache-info', () => {
  test('says where the store is and that this cache comes before cache.nixos.org', async () => {
    const response = await ask('/nix-cache-info');
    expect(response.status).toBe(200);
    expect(response.headers['content-type']).toBe('text/x-nix-cache-info');
    expect(await textOf(response)).toBe('StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 30\n');
  });

  test('says what it is told to', async () => {
    const other = new BinaryCacheRoutes({ ...cache, priority: 50, wantMassQuery: false });
    expect(await textOf(await ask('/nix-cache-info', { routes: other }))).toBe(
      'StoreDir: /nix/store\nWantMassQuery: 0\nPriority: 50\n',
    );
  });
});

describe('narinfo', () => {
  test.each(fixtureCache.closure)(
    '%s is what the upstream said, but for the file',
    async (path) => {
      const response = await ask(`/${narinfoFile(path)}`, { routes: new BinaryCacheRoutes(cache) });
      expect(response.status).toBe(200);
      expect(response.headers['content-type']).toBe('text/x-nix-narinfo');
      const text = await textOf(response);
      const { narHash } = parseNarInfo(Buffer.from(text));
      expect(text).toBe(
        alterNarinfo(original(path), {
          URL: `nar/${narHash.toString().slice('sha256:'.length)}.nar`,
          Compression: 'none',
          FileHash: undefined,
          FileSize: undefined,
        }),
      );
    },
  );

  test.each<[string, () => Partial<BinaryCacheOptions>, RegExp, string]>([
    [
      'zstd, when configured',
      () => ({ ...encodedCache, compression: 'zstd' }),
      /\.nar\.zst$/,
      'zstd',
    ],
    ['none, though it could', () => encodedCache, /\.nar$/, 'none'],
    ['none, since it cannot', () => ({ compression: 'zstd' }), /\.nar$/, 'none'],
    [
      'the store path, without an index',
      () => ({ narHashIndex: undefined }),
      /\.nar\?hash=/,
      'none',
    ],
  ])('points at %s', async (_, options, url, compression) => {
    const other = new BinaryCacheRoutes({ ...cache, ...options() });
    const response = await ask(`/${narinfoFile(ODD_NAMES)}`, { routes: other });
    const narinfo = parseNarInfo(await bodyOf(response));
    expect(narinfo.url).toMatch(url);
    expect(narinfo).toMatchObject({ compression, fileHash: undefined, fileSize: undefined });
  });

  test('HEAD gives the length alone', async () => {
    const got = await ask(`/${narinfoFile(ODD_NAMES)}`);
    const head = await ask(`/${narinfoFile(ODD_NAMES)}`, { method: 'HEAD' });
    expect(head).toEqual({ status: 200, headers: got.headers });
    expect(Number(head.headers['content-length'])).toBe((await bodyOf(got)).length);
  });
});

describe('NAR', () => {
  test.each(fixtureCache.closure)('%s', async (path) => {
    const response = await ask(await narUrl(path));
    const nar = await bodyOf(response);
    expect(response.status).toBe(200);
    expect(response.headers).toEqual({
      'accept-ranges': 'bytes',
      'cache-control': 'public, max-age=31536000, immutable',
      'content-length': String(nar.length),
      'content-type': 'application/x-nix-nar',
      etag: expect.stringMatching(/^"[0-9a-z]{52}"$/),
    });
    const { narHash } = parseNarInfo(Buffer.from(original(path)));
    expect(createHash('sha256').update(nar).digest().equals(narHash.digest)).toBe(true);
  });

  test('a store path in the query finds it without an index', async () => {
    const other = new BinaryCacheRoutes({ ...cache, narHashIndex: undefined });
    const url = await narUrl(ODD_NAMES, other);
    const expected = await narOf(files, original(ODD_NAMES));
    expect((await bodyOf(await ask(url, { routes: other }))).equals(expected)).toBe(true);
    const bare = await ask(url.split('?')[0] ?? '', { routes: other });
    expect(bare.status).toBe(404);
  });

  test('a store path with another NAR finds nothing', async () => {
    const other = new BinaryCacheRoutes({ ...cache, narHashIndex: undefined });
    const [url] = (await narUrl(ODD_NAMES, other)).split('?');
    const hash = hashPartOfPath(fixtureCache.path('text').storePath);
    expect((await ask(`${url}?hash=${hash}`, { routes: other })).status).toBe(404);
  });

  test('a missing blob is an error, no empty answer', async () => {
    const { blobService } = await memoryCache(new Map());
    const other = new BinaryCacheRoutes({ ...cache, blobService });
    const response = await ask(await narUrl(ODD_NAMES), { routes: other });
    await expect(bodyOf(response)).rejects.toMatchObject({ code: 'BLOB_MISSING' });
  });
});

describe.each([
  ['identity', ''],
  ['zstd', '.zst'],
])('ranges and conditions, %s', (_, suffix) => {
  let url: string;
  let whole: Buffer;
  let etag: string;
  let answer: (options: Ask) => Promise<CacheResponse>;

  beforeAll(async () => {
    const other = new BinaryCacheRoutes(encodedCache);
    url = (await narUrl(ODD_NAMES)) + suffix;
    answer = (options) => ask(url, { ...options, routes: other });
    const response = await answer({});
    whole = await bodyOf(response);
    etag = response.headers['etag'] ?? '';
    expect(etag).not.toBe('');
  });

  test('HEAD has the headers of GET', async () => {
    const { status, headers } = await answer({});
    expect(await answer({ method: 'HEAD' })).toEqual({ status, headers });
  });

  test.each([
    ['from and to', () => 'bytes=100-199', () => [100, 200] as const],
    ['to the end', () => 'bytes=100-', () => [100, whole.length] as const],
    ['the last', () => 'bytes=-7', () => [whole.length - 7, whole.length] as const],
  ])('a range, %s', async (_, range, expected) => {
    const response = await answer({ headers: { range: range(), 'if-range': etag } });
    const [start, end] = expected();
    expect(response.status).toBe(206);
    expect(response.headers).toMatchObject({
      'content-length': String(end - start),
      'content-range': `bytes ${start}-${end - 1}/${whole.length}`,
      etag,
    });
    expect((await bodyOf(response)).equals(whole.subarray(start, end))).toBe(true);
  });

  test('a range beyond the end', async () => {
    const response = await answer({ headers: { range: `bytes=${whole.length}-` } });
    expect(response.status).toBe(416);
    expect(response.headers['content-range']).toBe(`bytes */${whole.length}`);
  });

  test('a range of another version is answered with the whole of this one', async () => {
    const response = await answer({ headers: { range: 'bytes=5-', 'if-range': '"other"' } });
    expect(response.status).toBe(200);
    expect((await bodyOf(response)).equals(whole)).toBe(true);
  });

  test('what the client has is not sent again', async () => {
    const response = await answer({ headers: { 'if-none-match': etag } });
    expect(response).toMatchObject({ status: 304, headers: { etag } });
    expect(response.body).toBeUndefined();
  });
});

describe('listing', () => {
  test.each(fixtureCache.closure)('%s is what Nix wrote', async (path) => {
    const response = await ask(`/${hashPartOfPath(path)}.ls`);
    expect(response).toMatchObject({
      status: 200,
      headers: { 'content-type': 'application/json' },
    });
    const expected = files.get(`${hashPartOfPath(path)}.ls`) ?? Buffer.alloc(0);
    expect((await bodyOf(response)).equals(expected)).toBe(true);
  });

  test('HEAD has no body', async () => {
    const response = await ask(`/${hashPartOfPath(ODD_NAMES)}.ls`, { method: 'HEAD' });
    expect(response.status).toBe(200);
    expect(response.body).toBeUndefined();
  });
});

describe('what is not here', () => {
  const nobodys = '0'.repeat(32);

  test.each([
    ['a path nobody knows', `/${nobodys}.narinfo`],
    ['a listing nobody knows', `/${nobodys}.ls`],
    ['a NAR nobody knows', `/nar/${'0'.repeat(52)}.nar`],
    ['a NAR nobody knows, with a store path', `/nar/${'0'.repeat(52)}.nar?hash=${nobodys}`],
    ['a form that is not offered', `/nar/${'0'.repeat(52)}.nar.zst`],
  ])('%s', async (_, target) => {
    const response = await ask(target);
    expect(response).toMatchObject({ status: 404, headers: { 'cache-control': 'no-store' } });
    expect(await textOf(response)).toBe('not found\n');
  });

  test.each([
    ['the root', '/'],
    ['nothing', ''],
    ['an asterisk', '*'],
    ['a hash part that is too short', `/${'0'.repeat(31)}.narinfo`],
    ['a letter outside nixbase32', `/${'e'.repeat(32)}.narinfo`],
    ['capitals', `/${'A'.repeat(32)}.narinfo`],
    ['a folder before', `/x/${nobodys}.narinfo`],
    ['a slash after', `/${nobodys}.narinfo/`],
    ['a line feed after', `/${nobodys}.narinfo\n`],
    ['an encoded name', `/${nobodys}%2enarinfo`],
    ['a NarHash that is not canonical', `/nar/${'z'.repeat(52)}.nar`],
    ['a compression of nobody', `/nar/${'0'.repeat(52)}.nar.xz`],
    ['a build log', '/log/0000-x.drv'],
    ['the folder above', '/nar/../nix-cache-info'],
  ])('%s, without asking a service', async (_, target) => {
    const untouchable = new Proxy(cache.pathInfoService, {
      get(_, name) {
        throw new Error(`pathInfoService.${String(name)} was touched`);
      },
    });
    const other = new BinaryCacheRoutes({
      ...cache,
      pathInfoService: untouchable,
      narHashIndex: {
        nodeByNarHash() {
          throw new Error('the index was touched');
        },
      },
    });
    expect((await ask(target, { routes: other })).status).toBe(404);
  });

  test('a store path that is none', async () => {
    const response = await ask(`/nar/${'0'.repeat(52)}.nar?hash=x`);
    expect(response.status).toBe(400);
  });

  test.each(['PUT', 'POST', 'DELETE', 'OPTIONS'])('%s', async (method) => {
    const response = await ask(`/${nobodys}.narinfo`, { method });
    expect(response).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD' } });
  });
});
