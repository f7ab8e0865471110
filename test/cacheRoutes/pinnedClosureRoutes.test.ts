import { beforeAll, describe, expect, test } from 'vitest';
import { BinaryCacheRoutes } from '../../src/cacheRoutes/binaryCacheRoutes.ts';
import type { CacheResponse, HttpRoutes } from '../../src/cacheRoutes/http.ts';
import type { ClosureSource } from '../../src/cacheRoutes/pinnedClosure.ts';
import {
  PinnedClosureRoutes,
  pinnedClosurePath,
} from '../../src/cacheRoutes/pinnedClosureRoutes.ts';
import { routesByPrefix } from '../../src/cacheRoutes/routesByPrefix.ts';
import { Digest } from '../../src/castore/digest.ts';
import { DEFAULT_LIMITS } from '../../src/limits.ts';
import { parseNarInfo } from '../../src/narinfo/parse.ts';
import { Claim } from '../../src/pathinfo/claim.ts';
import { type Evidence, PathInfo, type ReferenceContent } from '../../src/pathinfo/pathInfo.ts';
import { parseHashPart } from '../../src/storePath.ts';
import { itemsOf } from '../contracts/collect.ts';
import { pathInfoOf, signatureBy } from '../contracts/pathInfos.ts';
import { collect } from '../render/collect.ts';
import { EncodedBlobService } from '../render/encodedBlobService.ts';
import { alterNarinfo } from '../support/narinfoText.ts';
import { CLOSURE_OF_TOP, type Frankenbuild, frankenbuild, type World } from './frankenbuild.ts';
import { type MemoryCache, memoryWorlds } from './memoryCache.ts';

const IMMUTABLE = 'public, max-age=31536000, immutable';
const WORLDS: readonly World[] = ['a', 'b'];

let worlds: Frankenbuild;
let cache: MemoryCache;
let routes: HttpRoutes;

beforeAll(async () => {
  worlds = await frankenbuild();
  cache = worlds.cache;
  routes = routesOf(cache);
});

function routesOf(
  services: MemoryCache,
  options: { source?: ClosureSource; pinnedClosurePaths?: number } = {},
): HttpRoutes {
  const { source = services.pathInfoService, ...limits } = options;
  const current = new BinaryCacheRoutes(services);
  const pinned = new PinnedClosureRoutes({
    pathInfoService: source,
    files: current.files,
    limits: { ...DEFAULT_LIMITS, ...limits },
  });
  return routesByPrefix([['/closure/', pinned]], current);
}

interface Ask {
  readonly routes?: HttpRoutes;
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly signal?: AbortSignal;
}

function ask(path: string, options: Ask = {}): Promise<CacheResponse> {
  const { method = 'GET', headers = {}, signal } = options;
  const request = { method, path, query: new URLSearchParams(), headers };
  return (options.routes ?? routes).handle(request, { signal });
}

async function bodyOf({ body }: CacheResponse): Promise<Buffer> {
  if (body === undefined) return Buffer.alloc(0);
  return body instanceof Uint8Array ? Buffer.from(body) : collect(body);
}

const textOf = async (response: CacheResponse) => (await bodyOf(response)).toString();

/** The variant of a name in a world: `a` is current, and `b` the other one. */
async function variant(world: World, name: string, services = cache): Promise<PathInfo> {
  const { hashPart, narHash } = worlds.caches[world].path(name);
  const variants = await itemsOf(services.pathInfoService.listVariants(parseHashPart(hashPart)));
  const found = world === 'a' ? variants[0] : variants.at(-1);
  if (found?.claim.narHash.toNixbase32() !== narHash) throw new Error(`${name} is not of ${world}`);
  return found;
}

const urlOf = async (world: World, name = 'top') =>
  pinnedClosurePath((await variant(world, name)).closureDigest);
const narUrl = ({ narHash }: { narHash: string }) => `nar/${narHash.slice('sha256:'.length)}.nar`;

describe.each(WORLDS)('the closure of top in world %s', (world) => {
  let url: string;

  beforeAll(async () => {
    url = await urlOf(world);
  });

  test.each(CLOSURE_OF_TOP)(
    '%s: narinfo, NAR and listing are those of this world',
    async (name) => {
      const path = worlds.caches[world].path(name);
      const narinfo = await ask(`${url}/${path.narinfoFile}`);
      expect(narinfo).toMatchObject({ status: 200, headers: { 'cache-control': IMMUTABLE } });
      expect(await textOf(narinfo)).toBe(
        alterNarinfo(path.narinfo, {
          URL: narUrl(path),
          Compression: 'none',
          FileHash: undefined,
          FileSize: undefined,
        }),
      );

      const nar = await ask(`${url}/${narUrl(path)}`);
      expect(nar).toMatchObject({ status: 200, headers: { 'cache-control': IMMUTABLE } });
      expect((await bodyOf(nar)).equals(path.nar)).toBe(true);

      const listing = await ask(`${url}/${path.hashPart}.ls`);
      expect(listing).toMatchObject({ status: 200, headers: { 'cache-control': IMMUTABLE } });
      const alone = new BinaryCacheRoutes(await memoryWorlds([worlds.caches[world].files]));
      const expected = await ask(`/${path.hashPart}.ls`, { routes: alone });
      expect(await textOf(listing)).toBe(await textOf(expected));
    },
  );

  test('has nothing of the other world', async () => {
    const other = worlds.caches[world === 'a' ? 'b' : 'a'].path('dep');
    expect((await ask(`${url}/${narUrl(other)}`)).status).toBe(404);
    expect((await ask(`/${narUrl(other)}`)).status, 'at / a NarHash is enough').toBe(200);
  });

  test('has nothing beside the closure', async () => {
    const apart = worlds.caches[world].path('apart');
    for (const file of [apart.narinfoFile, `${apart.hashPart}.ls`, narUrl(apart)]) {
      const response = await ask(`${url}/${file}`);
      expect(response).toMatchObject({ status: 404, headers: { 'cache-control': 'no-store' } });
    }
  });

  test('introduces itself', async () => {
    const response = await ask(`${url}/nix-cache-info`);
    expect(response).toMatchObject({ status: 200, headers: { 'cache-control': 'no-cache' } });
    expect(await textOf(response)).toBe(
      `${[
        'StoreDir: /nix/store',
        'WantMassQuery: 1',
        'Priority: 30',
        `ClosureDigest: ${url.slice('/closure/'.length)}`,
        `ClosureRoot: ${worlds.caches[world].path('top').baseName}`,
        'ClosurePaths: 4',
        'ClosureReferences: 0 same, 0 mixed, 4 unchecked',
      ].join('\n')}\n`,
    );
  });

  test('what the client has is not sent again', async () => {
    const { narinfoFile, hashPart } = worlds.caches[world].path('top');
    for (const file of ['nix-cache-info', narinfoFile, `${hashPart}.ls`]) {
      const { headers } = await ask(`${url}/${file}`);
      const etag = headers['etag'] ?? '';
      expect(etag).toMatch(/^".+"$/);
      const again = await ask(`${url}/${file}`, { headers: { 'if-none-match': etag } });
      expect(again).toMatchObject({ status: 304, headers: { etag } });
      expect(again.headers['cache-control']).toBe(headers['cache-control']);
      expect(again.body).toBeUndefined();
    }
  });

  test('HEAD has the headers of GET', async () => {
    const { narinfoFile, hashPart } = worlds.caches[world].path('top');
    for (const file of ['nix-cache-info', narinfoFile, `${hashPart}.ls`]) {
      const { status, headers } = await ask(`${url}/${file}`);
      expect(await ask(`${url}/${file}`, { method: 'HEAD' })).toEqual({ status, headers });
    }
  });
});

test('the two worlds have different tags for the paths that differ, and one for those that do not', async () => {
  const tags = async (file: string) => {
    const [a, b] = [
      await ask(`${await urlOf('a')}/${file}`),
      await ask(`${await urlOf('b')}/${file}`),
    ];
    return [a.headers['etag'], b.headers['etag']] as const;
  };
  const [a, b] = await tags(`${worlds.caches.a.path('dep').hashPart}.narinfo`);
  expect(a).not.toBe(b);
  const [topOfA, topOfB] = await tags(`${worlds.caches.a.path('top').hashPart}.narinfo`);
  expect(topOfA).toBe(topOfB);
});

test('at / is the current world, whatever is pinned', async () => {
  for (const name of CLOSURE_OF_TOP) {
    const { hashPart, narHash } = worlds.caches.a.path(name);
    const narinfo = parseNarInfo(await bodyOf(await ask(`/${hashPart}.narinfo`)));
    expect(narinfo.narHash.toNixbase32()).toBe(narHash);
  }
});

test('compressed NARs, where the blob service has them', async () => {
  const blobs = new EncodedBlobService({ chunkBytes: 5000, compressed: (i) => i % 2 === 0 });
  const services = await memoryWorlds([worlds.caches.a.files, worlds.caches.b.files], blobs);
  const zstd = new BinaryCacheRoutes({ ...services, compression: 'zstd' });
  const { pathInfoService } = services;
  const pinned = new PinnedClosureRoutes({ pathInfoService, files: zstd.files });
  const { hashPart } = worlds.caches.b.path('dep');
  const url = await urlOf('b');
  const narinfo = await ask(`${url}/${hashPart}.narinfo`, { routes: pinned });
  const { url: nar, compression } = parseNarInfo(await bodyOf(narinfo));
  expect(compression).toBe('zstd');
  const response = await ask(`${url}/${nar}`, { routes: pinned });
  expect(response).toMatchObject({ status: 200, headers: { 'cache-control': IMMUTABLE } });
  expect((await bodyOf(response)).readUInt32LE()).toBe(0xfd2fb528); // a zstd frame
});

test('a range of a NAR', async () => {
  const path = worlds.caches.b.path('top');
  const response = await ask(`${await urlOf('b')}/${narUrl(path)}`, {
    headers: { range: 'bytes=8-20' },
  });
  expect(response.status).toBe(206);
  expect((await bodyOf(response)).equals(path.nar.subarray(8, 21))).toBe(true);
});

describe('the digest', () => {
  test('may be urlsafe base64', async () => {
    const { closureDigest } = await variant('b', 'top');
    const base64url = Buffer.from(closureDigest.bytes).toString('base64url');
    const response = await ask(`/closure/${base64url}/nix-cache-info`);
    expect(response.status).toBe(200);
    expect(await textOf(response)).toContain(closureDigest.hex);
  });

  const UNKNOWN = '0'.repeat(64);
  test.each([
    ['nix-cache-info', 'nix-cache-info'],
    ['a narinfo', `${'0'.repeat(32)}.narinfo`],
  ])('that nobody knows: 404 for %s', async (_, file) => {
    const response = await ask(`/closure/${UNKNOWN}/${file}`);
    expect(response).toMatchObject({ status: 404, headers: { 'cache-control': 'no-store' } });
  });

  test.each([
    ['no digest', '/closure/nix-cache-info'],
    ['an empty one', '/closure//nix-cache-info'],
    ['no file', `/closure/${UNKNOWN}`],
    ['an empty file', `/closure/${UNKNOWN}/`],
    ['63 digits', `/closure/${UNKNOWN.slice(1)}/nix-cache-info`],
    ['capitals', `/closure/${'A'.repeat(64)}/nix-cache-info`],
    ['base64 whose spare bits are not zero', `/closure/${'A'.repeat(42)}B/nix-cache-info`],
    ['base64 with padding', `/closure/${'A'.repeat(43)}=/nix-cache-info`],
    ['a line feed after', `/closure/${UNKNOWN}/nix-cache-info\n`],
    ['a path out of it', `/closure/${UNKNOWN}/../nix-cache-info`],
    ['a file that no cache has', `/closure/${UNKNOWN}/index.html`],
    ['the prefix alone', '/closure/'],
  ])('%s: 404, without asking a service', async (_, path) => {
    const untouchable = new Proxy(cache.pathInfoService, {
      get(_target, name) {
        throw new Error(`pathInfoService.${String(name)} was touched`);
      },
    });
    const other = routesOf({ ...cache, pathInfoService: untouchable });
    expect((await ask(path, { routes: other })).status).toBe(404);
  });

  test.each(['PUT', 'POST', 'DELETE'])('%s is refused', async (method) => {
    const response = await ask(`/closure/${UNKNOWN}/nix-cache-info`, { method });
    expect(response).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD' } });
  });
});

describe('an incoherent closure', () => {
  test('is no binary cache: 409 for every file, naming the path', async () => {
    const services = await memoryWorlds([worlds.caches.a.files, worlds.caches.b.files]);
    const dep = await variant('a', 'dep', services);
    const refers = await variant('b', 'refers', services);
    const mixed = await services.pathInfoService.put(
      pathInfoOf({ name: 'mixed', references: [dep, refers], evidence: 'mixed' }),
    );
    const url = pinnedClosurePath(mixed.closureDigest);
    const other = routesOf(services);
    const depInB = await variant('b', 'dep', services);
    for (const file of ['nix-cache-info', `${mixed.storePath.hashPart}.narinfo`]) {
      const response = await ask(`${url}/${file}`, { routes: other });
      expect(response).toMatchObject({
        status: 409,
        headers: { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' },
      });
      expect(await textOf(response)).toBe(
        `this closure is incoherent: it holds ${dep.storePath.absolute} twice, with other content, ` +
          `as ${dep.closureDigest.hex} and as ${depInB.closureDigest.hex}; ` +
          'a binary cache can hold it once\n',
      );
    }
  });
});

/** The same variant with other evidence on its references, and a signature more. */
function knownBetter(pathInfo: PathInfo, evidence: Evidence, keyName: string): PathInfo {
  const { claim, node, references } = pathInfo;
  const signatures = [...claim.signatures, signatureBy(keyName)];
  const changed = Array.from(references, ([name, content]): [string, ReferenceContent] => [
    name,
    name === claim.storePath.baseName ? content : { ...content, evidence },
  ]);
  return new PathInfo(new Claim({ ...claim, signatures }), node, new Map(changed));
}

test('what becomes known later is told, though the closure is remembered', async () => {
  const services = await memoryWorlds([worlds.caches.a.files]);
  const other = routesOf(services);
  const top = await variant('a', 'top', services);
  const url = pinnedClosurePath(top.closureDigest);
  const narinfo = async () =>
    textOf(await ask(`${url}/${top.storePath.hashPart}.narinfo`, { routes: other }));
  const cacheInfo = async () => textOf(await ask(`${url}/nix-cache-info`, { routes: other }));
  expect(await narinfo()).not.toContain('Sig: late-1:');
  expect(await cacheInfo()).toContain('ClosureReferences: 0 same, 0 mixed, 4 unchecked\n');
  await services.pathInfoService.put(knownBetter(top, 'mixed', 'late-1'));
  expect(await narinfo()).toContain('Sig: late-1:');
  expect(await cacheInfo()).toContain('ClosureReferences: 0 same, 2 mixed, 2 unchecked\n');
});

describe('memory and work', () => {
  /** Counts closures that are read. */
  function counting(services: MemoryCache) {
    const { pathInfoService } = services;
    const loads: string[] = [];
    const source: ClosureSource = {
      getVariant: (...args) => pathInfoService.getVariant(...args),
      getByClosureDigest(closureDigest, options) {
        loads.push(closureDigest.hex);
        return pathInfoService.getByClosureDigest(closureDigest, options);
      },
    };
    return { source, loads };
  }

  test('many clients at once read a closure once, and so do those that come later', async () => {
    const { source, loads } = counting(cache);
    const other = routesOf(cache, { source });
    const url = await urlOf('b');
    const files = CLOSURE_OF_TOP.map((name) => worlds.caches.b.path(name).narinfoFile);
    const responses = await Promise.all(files.map((f) => ask(`${url}/${f}`, { routes: other })));
    expect(responses.map(({ status }) => status)).toEqual(files.map(() => 200));
    await ask(`${url}/${files[0]}`, { routes: other });
    expect(loads).toHaveLength(1);
  });

  test('the closure that was not used for longest is forgotten first', async () => {
    const { source, loads } = counting(cache);
    const other = routesOf(cache, { source, pinnedClosurePaths: 5 });
    const { narinfoFile } = worlds.caches.a.path('base');
    for (const name of ['dep', 'refers', 'dep', 'base', 'refers']) {
      const response = await ask(`${await urlOf('a', name)}/${narinfoFile}`, { routes: other });
      expect(response.status).toBe(200);
    }
    const [dep, refers, base] = await Promise.all(
      ['dep', 'refers', 'base'].map(async (name) => (await variant('a', name)).closureDigest.hex),
    );
    // dep (2) and refers (3) fit; base (1) drives refers out, dep having been used since
    expect(loads).toEqual([dep, refers, base, refers]);
  });

  test('a closure that is larger than the limit is refused by its name', async () => {
    const url = await urlOf('a');
    const fitting = routesOf(cache, { pinnedClosurePaths: 4 });
    expect((await ask(`${url}/nix-cache-info`, { routes: fitting })).status).toBe(200);
    const tooSmall = routesOf(cache, { pinnedClosurePaths: 3 });
    await expect(ask(`${url}/nix-cache-info`, { routes: tooSmall })).rejects.toMatchObject({
      code: 'LIMIT_EXCEEDED',
      facts: { limit: 'pinnedClosurePaths', expected: 3 },
    });
  });

  test('an aborted request ends with its reason', async () => {
    const reason = new Error('gone');
    const signal = AbortSignal.abort(reason);
    await expect(ask(`${await urlOf('a')}/nix-cache-info`, { signal })).rejects.toBe(reason);
  });

  test('a part that is gone is an error, no absence', async () => {
    const { pathInfoService } = cache;
    const source: ClosureSource = {
      getVariant: async () => undefined,
      getByClosureDigest: (...args) => pathInfoService.getByClosureDigest(...args),
    };
    const other = routesOf(cache, { source });
    const asked = ask(`${await urlOf('a')}/nix-cache-info`, { routes: other });
    await expect(asked).rejects.toMatchObject({ code: 'REFERENCE_MISSING' });
  });

  test('a closure that is not there yet is found once it is', async () => {
    const services = await memoryWorlds([]);
    const other = routesOf(services);
    const pathInfo = pathInfoOf({ name: 'late' });
    const file = `${pinnedClosurePath(pathInfo.closureDigest)}/nix-cache-info`;
    expect((await ask(file, { routes: other })).status).toBe(404);
    await services.pathInfoService.put(pathInfo);
    expect((await ask(file, { routes: other })).status).toBe(200);
  });
});

test('its path', () => {
  const digest = Digest.of(Buffer.of());
  expect(pinnedClosurePath(digest)).toBe(`/closure/${digest.hex}`);
});
