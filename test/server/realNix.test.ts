/** Real Nix takes a closure out of castore, over HTTP, with signature checking on. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  type BinaryCacheOptions,
  BinaryCacheRoutes,
} from '../../src/cacheRoutes/binaryCacheRoutes.ts';
import { listen } from '../../src/server/httpServer.ts';
import { memoryCache } from '../cacheRoutes/memoryCache.ts';
import { EncodedBlobService } from '../render/encodedBlobService.ts';
import { readCacheFiles } from '../support/cacheFiles.ts';
import { readFileTree } from '../support/fileTree.ts';
import { fixtureCache } from '../support/fixtureCache.ts';
import { describeWithNix, isolatedNix } from '../support/realNix.ts';
import { testKey } from '../support/signingKey.ts';

type Options = Partial<BinaryCacheOptions>;

const FORMS: readonly (readonly [name: string, options: Options])[] = [
  ['none', { compression: 'none' }],
  ['zstd', { compression: 'zstd' }],
  ['none, found by store path', { narHashIndex: undefined }],
];

async function serveFixture(options: Options = {}) {
  const files = await readCacheFiles(fixtureCache.directory);
  // small chunks, so that NARs have many frames of both kinds
  const blobService = new EncodedBlobService({ chunkBytes: 3000, compressed: (i) => i % 3 !== 0 });
  const cache = await memoryCache(files, blobService);
  const routes = new BinaryCacheRoutes({ ...cache, ...options });
  const reported: unknown[] = [];
  const server = await listen({ routes, reportError: (error) => reported.push(error) });
  return { ...server, reported };
}

describeWithNix('real Nix substitutes', () => {
  test.each(FORMS)('a closure, NARs as %s', async (_, options) => {
    await using server = await serveFixture(options);
    await using nix = await isolatedNix();
    const publicKeys = [fixtureCache.publicKey];
    const to = nix.newStore();
    await nix.copy({ from: server.url, to, paths: [fixtureCache.root], publicKeys });
    await nix.verify(to, publicKeys);
    for (const { storePath, tree } of fixtureCache.paths) {
      expect(await readFileTree(join(to, storePath))).toEqual(tree);
    }
    expect(server.reported).toEqual([]);
  });

  test('nothing that is signed by another key', async () => {
    await using server = await serveFixture();
    await using nix = await isolatedNix();
    const refused = await nix.copy({
      from: server.url,
      to: nix.newStore(),
      paths: [fixtureCache.root],
      publicKeys: [testKey('somebody-else-1').publicKey],
      mayFail: true,
    });
    expect(refused.status).not.toBe(0);
    expect(refused.stderr).toMatch(/lacks a (?:valid )?signature|signature/);
  });

  test('and lists what it has not copied', async () => {
    await using server = await serveFixture();
    await using nix = await isolatedNix();
    const { storePath } = fixtureCache.path('single-file');
    const { stdout } = await nix.run(['store', 'ls', '--store', server.url, '--json', storePath]);
    expect(JSON.parse(stdout)).toMatchObject({ type: 'regular' });
  });
});
