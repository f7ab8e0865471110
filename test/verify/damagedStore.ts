/** A store that was mirrored from a cache on loopback, and ways to damage it. */
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openMirrorStore } from '../../src/composition/mirrorStore.ts';
import { repairSources } from '../../src/composition/openRepairSources.ts';
import { renderNar } from '../../src/render/renderNar.ts';
import { PublicKey } from '../../src/signature.ts';
import { indexPath, packsPath } from '../../src/store/layout.ts';
import { Store } from '../../src/store/store.ts';
import { StoreIndex, type Tables } from '../../src/store/storeIndex.ts';
import { parseStorePathQuery } from '../../src/storePath.ts';
import { type RepairReport, repairStore } from '../../src/verify/repairStore.ts';
import {
  type VerifyOptions,
  type VerifyReport,
  verifyStore,
} from '../../src/verify/verifyStore.ts';
import { noise, prose } from '../contracts/sampleBytes.ts';
import { type StaticServer, serveStatic } from '../support/staticCache.ts';
import {
  type SyntheticCache,
  type SyntheticPath,
  syntheticCache,
  TEST_KEY,
} from '../support/syntheticCache.ts';
import { directory, executable, file, symlink } from '../support/syntheticTree.ts';
import { temporaryDirectory } from '../support/temporaryDirectory.ts';

const LARGE_FILE = noise(400_000, 7);

/** Two libraries and two programs; a large file and a directory are in several of them. */
const PATHS: readonly SyntheticPath[] = [
  { name: 'base', tree: directory({ lib: directory({ 'base.so': file(noise(30_000, 1)) }) }) },
  {
    name: 'shared',
    tree: directory({ lib: directory({ large: file(LARGE_FILE), text: file(prose(20_000, 2)) }) }),
    references: ['base', 'shared'],
  },
  {
    name: 'tool',
    tree: directory({
      bin: directory({ tool: executable(noise(90_000, 3)), link: symlink('tool') }),
      copy: directory({ large: file(LARGE_FILE) }),
      empty: file(''),
    }),
    references: ['shared', 'base'],
  },
  {
    name: 'app',
    tree: directory({ app: executable(prose(50_000, 4)), data: file(noise(200_000, 5)) }),
    references: ['tool', 'shared'],
  },
];

/** A store that can be damaged. */
export interface DamagedStore extends AsyncDisposable {
  readonly directory: string;
  readonly cache: SyntheticCache;
  /** Where it came from. */
  readonly server: StaticServer;
  /** Changes rows of the index, behind the back of everything that keeps them right. */
  alterIndex(change: (tables: Tables) => void): Promise<void>;
  verify(options?: VerifyOptions): Promise<VerifyReport>;
  repair(options?: VerifyOptions & { readonly from?: readonly string[] }): Promise<RepairReport>;
  /** The paths by name whose NAR comes out of the store as the cache has it. */
  wholePaths(): Promise<string[]>;
  /** NAR files that were asked for since the last call, by name of the path. */
  fetched(): string[];
  packs(): Promise<string[]>;
}

/** Names of all paths, sorted. */
export const ALL_PATHS = PATHS.map(({ name }) => name).sort();

/** Mirrors the cache into a new store. */
export async function damagedStore(specs: readonly SyntheticPath[] = PATHS): Promise<DamagedStore> {
  await using cleanup = new AsyncDisposableStack();
  const place = cleanup.use(await temporaryDirectory('verify'));
  const storeDirectory = join(place.path, 'store');
  const cache = await syntheticCache(specs, { compression: 'zstd' });
  const server = cleanup.use(await serveStatic(cache.files));
  const trustedKeys = [PublicKey.parse(TEST_KEY.publicKey)];
  {
    await using mirror = await openMirrorStore({
      storeDirectory,
      from: [server.url],
      trustedKeys,
      threads: 0,
    });
    const wanted = cache.paths.map(({ storePath }) => parseStorePathQuery(storePath));
    const results = await mirror.upstreams.ingest(wanted);
    if (results.some(({ outcome }) => outcome !== 'kept')) throw new Error('not all was mirrored');
  }
  let seen = server.requests.length;
  const owned = cleanup.move();
  return {
    directory: storeDirectory,
    cache,
    server,
    async alterIndex(change) {
      await using index = await StoreIndex.open(indexPath(storeDirectory), {
        readOnly: false,
        create: false,
      });
      await index.transaction(() => change(index.tables));
    },
    async verify(options) {
      await using store = await Store.open(storeDirectory, { readOnly: true });
      return await verifyStore(store, options);
    },
    async repair({ from = [], ...options } = {}) {
      await using store = await Store.open(storeDirectory);
      const openSources = repairSources({ addresses: from, trustedKeys });
      return await repairStore(store, { ...options, openSources });
    },
    async wholePaths() {
      await using store = await Store.open(storeDirectory, { readOnly: true });
      const whole: string[] = [];
      for (const path of cache.paths) if (await isWhole(store, path)) whole.push(path.name);
      return whole.sort();
    },
    fetched() {
      const requests = server.requests.slice(seen);
      seen = server.requests.length;
      return cache.paths
        .filter(({ narFile }) => requests.some(({ path }) => path === narFile))
        .map(({ name }) => name);
    },
    async packs() {
      const names = await readdir(packsPath(storeDirectory));
      return names.sort().map((name) => join(packsPath(storeDirectory), name));
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Inverts some bits of one byte. */
export async function flip(path: string, offset: number, mask = 0x10): Promise<void> {
  const handle = await open(path, 'r+');
  const byte = new Uint8Array(1);
  await handle.read(byte, 0, 1, offset);
  byte[0] = (byte[0] ?? 0) ^ mask;
  await handle.write(byte, 0, 1, offset);
  await handle.close();
}

async function isWhole(store: Store, path: SyntheticCache['paths'][number]): Promise<boolean> {
  const pathInfo = await store.pathInfos
    .get(parseStorePathQuery(path.storePath).digest)
    .catch(() => undefined);
  if (pathInfo === undefined) return false;
  const pieces: Uint8Array[] = [];
  try {
    const services = { blobService: store.blobs, directoryService: store.directories };
    for await (const piece of renderNar(pathInfo.node, services)) pieces.push(piece);
  } catch {
    return false; // whatever it is: the path cannot be had
  }
  return Buffer.compare(Buffer.concat(pieces), path.nar) === 0;
}
