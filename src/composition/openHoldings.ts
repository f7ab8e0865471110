/** From where things are kept, as it is configured, to what is kept there. */
import { MemoryBlobService } from '../castore/memoryBlobService.ts';
import { MemoryDirectoryService } from '../castore/memoryDirectoryService.ts';
import { MemoryPathInfoService } from '../pathinfo/memoryPathInfoService.ts';
import type { HoldingsConfig } from './config/serveConfig.ts';
import { buildHierarchy } from './hierarchy/buildHierarchy.ts';
import { type Holdings, NarMemory } from './holdings.ts';
import { openStore } from './openStore.ts';

/** Open holdings; disposing of them closes what was opened. */
export interface OpenHoldings extends AsyncDisposable {
  readonly holdings: Holdings;
}

/**
 * Opens a store or builds a hierarchy.
 * @param mayWrite whether anything will be put there; a store that is not there is made then
 * @throws UPSTREAM_URL_INVALID | STORE_VERSION | STORE_INVALID | STORE_FAILED
 */
export async function openHoldings(
  config: HoldingsConfig,
  { mayWrite }: { readonly mayWrite: boolean },
): Promise<OpenHoldings> {
  switch (config.type) {
    case 'lmdb': {
      const store = await openStore(config.path, { readOnly: config.readOnly || !mayWrite });
      return { holdings: store, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
    }
    case 'memory':
      return { holdings: inMemory(), async [Symbol.asyncDispose]() {} };
    case 'hierarchy':
      return await buildHierarchy(config.hierarchy);
  }
}

function inMemory(): Holdings {
  const { contentByNarHash, recordContent } = new NarMemory();
  return {
    blobs: new MemoryBlobService(),
    directories: new MemoryDirectoryService(),
    pathInfos: new MemoryPathInfoService(),
    contentByNarHash,
    recordContent,
  };
}
