/** The two worlds of the shared caches `franken-a` and `franken-b`. */

import { MemoryPathInfoService } from '../../src/pathinfo/memoryPathInfoService.ts';
import type { PathInfo } from '../../src/pathinfo/pathInfo.ts';
import type { PathInfoService } from '../../src/pathinfo/pathInfoService.ts';
import type { Store } from '../../src/store/store.ts';
import { digestOf, ingestAll, serviceOver } from '../ingest/serviceHarness.ts';
import { unpackSharedCache } from '../support/sharedCaches.ts';

/** For `describeWithShared`. */
export const FRANKEN_FILES = [
  'caches/franken-a-xz.tar.zst',
  'caches/franken-b-xz.tar.zst',
  'caches/public',
] as const;

/** A path with references above all others of its world. */
const TOP = '/nix/store/sc364172yxyfvqi00i8ci2lr90ybsyq9-top';

/** One world: its PathInfos alone, and the variant of `top` in it. */
export interface FrankenWorld {
  readonly pathInfos: PathInfoService;
  readonly top: PathInfo;
}

/** Brings a world's contents into `store`, and its PathInfos into a service of its own. */
export async function frankenWorld(store: Store, name: 'a' | 'b'): Promise<FrankenWorld> {
  await using cache = await unpackSharedCache(`franken-${name}-xz`);
  const pathInfos = new MemoryPathInfoService();
  await using services = {
    blobService: store.blobs,
    directoryService: store.directories,
    pathInfoService: pathInfos,
    async [Symbol.asyncDispose]() {},
  };
  const settings = { baseUrl: cache.directory, publicKeys: [cache.publicKey] };
  await using service = serviceOver(services, settings);
  const outcomes = await ingestAll(service, [TOP]);
  const top = await pathInfos.get(digestOf(TOP));
  if (top === undefined) throw new Error(`franken-${name} was not brought in: ${outcomes}`);
  return { pathInfos, top };
}

/** Puts a world's PathInfos beside those that are in the store. */
export async function putWorld(store: Store, { pathInfos }: FrankenWorld): Promise<void> {
  let left = await Array.fromAsync(pathInfos.list());
  const kept = new Set<string>();
  while (left.length > 0) {
    const ready = left.filter(({ storePath, references }) =>
      references.keys().every((name) => name === storePath.baseName || kept.has(name)),
    );
    if (ready.length === 0) throw new Error('references in a cycle');
    await store.pathInfos.putAll(ready);
    for (const { storePath } of ready) kept.add(storePath.baseName);
    left = left.filter((pathInfo) => !ready.includes(pathInfo));
  }
}
