/** What a cache answers about paths that are on their way, as those tell it. */
import { describe, expect, test } from 'vitest';
import {
  type BinaryCacheOptions,
  BinaryCacheRoutes,
} from '../../src/cacheRoutes/binaryCacheRoutes.ts';
import type { CacheResponse } from '../../src/cacheRoutes/http.ts';
import type { PendingNar, PendingPaths } from '../../src/cacheRoutes/pendingPaths.ts';
import { NarthexError } from '../../src/errors.ts';
import { parseNarInfo } from '../../src/narinfo/parse.ts';
import { Claim } from '../../src/pathinfo/claim.ts';
import { collect } from '../render/collect.ts';
import { EncodedBlobService } from '../render/encodedBlobService.ts';
import { type BuiltPath, syntheticCache } from '../support/syntheticCache.ts';
import { memoryCache } from './memoryCache.ts';

const cache = await syntheticCache([{ name: 'one' }]);
const one = cache.path('one');
const narFile = `/nar/${one.narHash.slice('sha256:'.length)}.nar`;

/** One path on its way, and what was asked about it. */
function pendingOne({ narinfo, nar }: BuiltPath = one) {
  const asked: string[] = [];
  const claim = new Claim({
    ...parseNarInfo(Buffer.from(narinfo)),
    origin: undefined,
    verification: { by: 'nobody' },
  });
  const pending: PendingPaths = {
    async claim(digest, { ingest }) {
      asked.push(`claim ${ingest}`);
      return Buffer.from(digest).equals(claim.storePath.digest) ? claim : undefined;
    },
    async nar(narHash, { ingest }): Promise<PendingNar | undefined> {
      asked.push(`nar ${ingest}`);
      if (!narHash.equals(claim.narHash)) return undefined;
      return {
        narSize: claim.narSize,
        async *read({ start, end }) {
          yield nar.subarray(start, end);
        },
      };
    },
  };
  return { pending, asked };
}

async function routesWith(options: Partial<BinaryCacheOptions>, files = new Map()) {
  const blobService = new EncodedBlobService({ chunkBytes: 5000, compressed: () => true });
  return new BinaryCacheRoutes({ ...(await memoryCache(files, blobService)), ...options });
}

function ask(
  routes: BinaryCacheRoutes,
  path: string,
  method = 'GET',
  headers = {},
): Promise<CacheResponse> {
  return routes.handle({ method, path, query: new URLSearchParams(), headers });
}

async function bodyOf({ body }: CacheResponse): Promise<Buffer> {
  if (body === undefined) return Buffer.alloc(0);
  return body instanceof Uint8Array ? Buffer.from(body) : collect(body);
}

describe('a path on its way', () => {
  test.each<[string, Partial<BinaryCacheOptions>]>([
    ['where NARs are not compressed', {}],
    ['where they are', { compression: 'zstd' }],
    ['where they go by their content', { narUrls: 'infused' }],
  ])('its narinfo names the NAR as it comes, %s', async (_, options) => {
    const routes = await routesWith({ ...options, ...pendingOne() });
    const response = await ask(routes, `/${one.narinfoFile}`);
    expect(response.status).toBe(200);
    expect(response.headers['cache-control']).toBe('no-store');
    const told = parseNarInfo(await bodyOf(response));
    expect([`/${told.url}`, told.compression]).toEqual([narFile, 'none']);
    expect(told.storePath.absolute).toBe(one.storePath);
  });

  test('its NAR, and ranges of it', async () => {
    const routes = await routesWith(pendingOne());
    const all = await ask(routes, narFile);
    expect(all.headers['content-length']).toBe(String(one.nar.length));
    expect((await bodyOf(all)).equals(one.nar)).toBe(true);
    // its bytes were not compared with anything when they were given
    expect(all.headers['cache-control']).toBe('no-store');
    const some = await ask(routes, narFile, 'GET', { range: 'bytes=8-15' });
    expect(some.status).toBe(206);
    expect(some.headers['cache-control']).toBe('no-store');
    expect((await bodyOf(some)).equals(one.nar.subarray(8, 16))).toBe(true);
    const known = await ask(routes, narFile, 'GET', { 'if-none-match': all.headers['etag'] });
    expect(known.status).toBe(304);
  });

  test('HEAD brings nothing in', async () => {
    const { pending, asked } = pendingOne();
    const routes = await routesWith({ pending });
    for (const method of ['HEAD', 'GET']) {
      for (const path of [`/${one.narinfoFile}`, narFile]) {
        expect((await ask(routes, path, method)).status).toBe(200);
      }
    }
    expect(asked).toEqual(['claim false', 'nar false', 'claim true', 'nar true']);
  });

  test('has neither a listing nor another form of its NAR', async () => {
    const { pending, asked } = pendingOne();
    const routes = await routesWith({ pending });
    expect((await ask(routes, `/${one.hashPart}.ls`)).status).toBe(404);
    expect((await ask(routes, `${narFile}.zst`)).status).toBe(404);
    expect(asked).toEqual([]);
  });
});

test('what is kept is not asked for', async () => {
  const { pending, asked } = pendingOne();
  const routes = await routesWith({ pending }, cache.files);
  for (const path of [`/${one.narinfoFile}`, narFile, `/${one.hashPart}.ls`]) {
    expect((await ask(routes, path)).status).toBe(200);
  }
  expect(asked).toEqual([]);
});

test('a NAR that is kept between two looks is found', async () => {
  const kept = await memoryCache(cache.files);
  const { nodeByNarHash } = kept.narHashIndex;
  let isKept = false;
  const pending: PendingPaths = {
    claim: async () => undefined,
    async nar() {
      isKept = true;
      return undefined;
    },
  };
  const narHashIndex: typeof kept.narHashIndex = {
    nodeByNarHash: (narHash) => (isKept ? nodeByNarHash(narHash) : undefined),
  };
  const routes = new BinaryCacheRoutes({ ...kept, narHashIndex, pending });
  expect((await bodyOf(await ask(routes, narFile))).equals(one.nar)).toBe(true);
});

test('what goes wrong is no absence', async () => {
  const fail = async () => {
    throw new NarthexError('UPSTREAM_FAILED', 'down');
  };
  const routes = await routesWith({ pending: { claim: fail, nar: fail } });
  for (const path of [`/${one.narinfoFile}`, narFile]) {
    await expect(ask(routes, path)).rejects.toMatchObject({ code: 'UPSTREAM_FAILED' });
  }
});
