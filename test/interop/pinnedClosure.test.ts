/**
 * Real Nix substitutes either world of a real Frankenbuild out of one store: `dep` and `embeds` have
 * other bytes in the two caches, `refers` and `top` the same bytes above different ones.
 */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { pinnedClosurePath } from '../../src/cacheRoutes/pinnedClosureRoutes.ts';
import { serveStore } from '../../src/composition/serveStore.ts';
import { NixHTTPPathInfoService } from '../../src/httpService.ts';
import type { PathInfo } from '../../src/pathinfo/pathInfo.ts';
import { parsePublicKeys } from '../../src/signature.ts';
import type { Store } from '../../src/store/store.ts';
import { StorePath } from '../../src/storePath.ts';
import { itemsOf } from '../contracts/collect.ts';
import { temporaryStore } from '../store/temporaryStore.ts';
import { type FileTree, readFileTree } from '../support/fileTree.ts';
import { describeWithNix, type IsolatedNix, isolatedNix } from '../support/realNix.ts';
import {
  describeWithShared,
  type SharedCache,
  unpackSharedCache,
} from '../support/sharedCaches.ts';
import { copyClosure } from './copyClosure.ts';

const CACHES = ['franken-a-xz', 'franken-b-xz'] as const;
/** Names of the store paths whose bytes differ between the two. */
const DIFFERING = ['dep', 'embeds'];

/** Brings the closure of a cache's root in. */
async function mirror(cache: SharedCache, root: StorePath, store: Store): Promise<PathInfo> {
  await using service = new NixHTTPPathInfoService({
    baseUrl: cache.directory,
    trustedKeys: parsePublicKeys(cache.publicKey),
    blobService: store.blobs,
    directoryService: store.directories,
    pathInfoService: store.pathInfos,
  });
  const pathInfo = await service.get(root.digest);
  if (pathInfo === undefined) throw new Error(`${cache.directory} has no ${root}`);
  return pathInfo;
}

/** The trees of store paths after real Nix has copied them into a new store. */
async function substituted(
  nix: IsolatedNix,
  from: string,
  { publicKey, info }: SharedCache,
): Promise<Record<string, FileTree>> {
  const { roots, closure } = info ?? { roots: [], closure: [] };
  const to = nix.newStore();
  await nix.copy({ from, to, paths: roots, publicKeys: [publicKey] });
  await nix.verify(to, [publicKey]);
  const { stdout } = await nix.run(['path-info', '--store', to, '--all']);
  expect(stdout.trim().split('\n').sort()).toEqual([...closure].sort());
  const trees = closure.map(async (path) => [path, await readFileTree(join(to, path))] as const);
  return Object.fromEntries(await Promise.all(trees));
}

describeWithShared(
  'a real Frankenbuild',
  CACHES.map((name) => `caches/${name}.tar.zst`),
  () => {
    describeWithNix('both worlds out of one store', () => {
      const resources = new AsyncDisposableStack();
      let nix: IsolatedNix;
      let a: SharedCache;
      let b: SharedCache;
      let root: StorePath;
      /** Of the variants of `root` in both worlds. */
      let pinnedA: string;
      let pinnedB: string;
      let serverUrl: string;

      beforeAll(async () => {
        nix = resources.use(await isolatedNix());
        a = resources.use(await unpackSharedCache(CACHES[0]));
        b = resources.use(await unpackSharedCache(CACHES[1]));
        root = StorePath.parse(a.info?.roots[0] ?? '');
        const { store } = resources.use(await temporaryStore());
        const rootOfA = await mirror(a, root, store);
        await using other = await temporaryStore();
        const rootOfB = await mirror(b, root, other.store);
        await copyClosure(other.store, store, rootOfB);
        expect(await itemsOf(store.pathInfos.listVariants(root.digest))).toHaveLength(2);
        const server = resources.use(await serveStore(store, { compression: 'zstd' }));
        serverUrl = server.url;
        pinnedA = serverUrl + pinnedClosurePath(rootOfA.closureDigest);
        pinnedB = serverUrl + pinnedClosurePath(rootOfB.closureDigest);
      });

      afterAll(() => resources.disposeAsync());

      test('each world under its closure digest is that of its own cache, file by file', async () => {
        const ownA = await substituted(nix, `file://${a.directory}`, a);
        const ownB = await substituted(nix, `file://${b.directory}`, b);
        const differing = Object.keys(ownA).filter(
          (path) => JSON.stringify(ownA[path]) !== JSON.stringify(ownB[path]),
        );
        expect(differing.map((path) => StorePath.parse(path).name).sort()).toEqual(DIFFERING);
        expect(await substituted(nix, pinnedA, a)).toEqual(ownA);
        expect(await substituted(nix, pinnedB, b)).toEqual(ownB);
      });

      test('at / is the world that came first, whole', async () => {
        const ownA = await substituted(nix, `file://${a.directory}`, a);
        expect(await substituted(nix, serverUrl, a)).toEqual(ownA);
      });

      test('Nix takes the address for a binary cache, and finds nothing outside of the closure', async () => {
        const { stdout } = await nix.run(['path-info', '--store', pinnedB, root.absolute]);
        expect(stdout.trim()).toBe(root.absolute);
        const outside = StorePath.of(root.digest.toReversed(), 'outside').absolute;
        const missing = await nix.run(['path-info', '--store', pinnedB, outside], {
          mayFail: true,
        });
        expect(missing.stderr).toContain('is not valid');
        const unknown = `${serverUrl}/closure/${'0'.repeat(64)}`;
        const noCache = await nix.run(['path-info', '--store', unknown, root.absolute], {
          mayFail: true,
        });
        expect(noCache.stderr).toContain('does not appear to be a binary cache');
      });
    });
  },
);
