/** From where things are kept, as it is configured, to what is kept there. */
import { MemoryBlobService } from '../castore/memoryBlobService.ts';
import { MemoryDirectoryService } from '../castore/memoryDirectoryService.ts';
import { MemoryExtraFileService } from '../extraFiles/memoryExtraFileService.ts';
import { MemoryPathInfoService } from '../pathinfo/memoryPathInfoService.ts';
import { WorkerPool } from '../workers/workerPool.ts';
import { openCompressingStore, type StoreCompression } from './compressingStore.ts';
import type { HoldingsConfig } from './config/serveConfig.ts';
import type { LmdbConfig } from './config/serviceConfig.ts';
import { buildHierarchy } from './hierarchy/buildHierarchy.ts';
import { type Holdings, holdingsOf, NarMemory } from './holdings.ts';
import { openStore } from './openStore.ts';

/** Open holdings; disposing of them closes what was opened. */
export interface OpenHoldings extends AsyncDisposable {
  readonly holdings: Holdings;
}

/** How to open what is configured. */
export interface OpenOptions extends StoreCompression {
  /** Whether anything will be put there; a store that is not there is made then. */
  readonly mayWrite: boolean;
}

/**
 * Opens a store or builds a hierarchy.
 * @throws UPSTREAM_URL_INVALID | STORE_VERSION | STORE_INVALID | STORE_FAILED
 */
export async function openHoldings(
  config: HoldingsConfig,
  options: OpenOptions,
): Promise<OpenHoldings> {
  switch (config.type) {
    case 'lmdb':
      return await openEmbedded(config, options);
    case 'memory':
      return inMemory();
    case 'hierarchy':
      return await buildHierarchy(config.hierarchy, options);
  }
}

async function openEmbedded(
  { path, readOnly }: LmdbConfig,
  { mayWrite, ...compression }: OpenOptions,
): Promise<OpenHoldings> {
  if (readOnly || !mayWrite) {
    const holdings = await openStore(path, { readOnly: true });
    return { holdings, [Symbol.asyncDispose]: () => holdings[Symbol.asyncDispose]() };
  }
  await using opened = new AsyncDisposableStack();
  // the last to be closed: the store may still need them
  const workers = opened.use(new WorkerPool());
  const store = await openCompressingStore(path, workers, compression, opened);
  const owned = opened.move();
  return {
    holdings: { ...holdingsOf(store), narReader: workers.narReader },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function inMemory(): OpenHoldings {
  const workers = new WorkerPool();
  const { contentByNarHash, recordContent } = new NarMemory();
  const blobs = new MemoryBlobService();
  const holdings = {
    narReader: workers.narReader,
    blobs,
    directories: new MemoryDirectoryService(),
    pathInfos: new MemoryPathInfoService(),
    extraFiles: new MemoryExtraFileService(blobs),
    contentByNarHash,
    recordContent,
  };
  return { holdings, [Symbol.asyncDispose]: () => workers[Symbol.asyncDispose]() };
}
