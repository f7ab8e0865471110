/** Opens an embedded store that compresses what is brought in as it was told to. */
import { NO_COMPRESSION } from '../store/recordEncoding.ts';
import type { Store, StoreOptions } from '../store/store.ts';
import type { WorkerPool } from '../workers/workerPool.ts';
import { BackgroundCompression, type CompressionObserver } from './backgroundCompression.ts';
import { openStore } from './openStore.ts';
import type { RestCompression } from './restCompression.ts';

/** How a store compresses; the default level where nothing is said. */
export interface StoreCompression {
  readonly compression?: RestCompression | undefined;
  /** Told what comes of compressing later. */
  readonly compressionObserver?: CompressionObserver | undefined;
}

/** How a store is opened that compresses so on these threads; when it is later, somebody else has to see to it. */
export function compressingOptions(
  workers: WorkerPool,
  compression: RestCompression | undefined,
): Pick<StoreOptions, 'encoderOf' | 'compressionLevel'> {
  const encoderOf = (level: number) => workers.encoder(level);
  if (compression === undefined) return { encoderOf };
  const compressionLevel = typeof compression === 'number' ? compression : NO_COMPRESSION;
  return { encoderOf, compressionLevel };
}

/**
 * Opens a store for a process that goes on: later is then in its background.
 * @param opened closes it
 * @throws STORE_VERSION | STORE_INVALID | STORE_FAILED
 */
export async function openCompressingStore(
  path: string,
  workers: WorkerPool,
  { compression, compressionObserver }: StoreCompression,
  opened: AsyncDisposableStack,
): Promise<Store> {
  const store = opened.use(await openStore(path, compressingOptions(workers, compression)));
  if (compression === 'later') opened.use(new BackgroundCompression(store, compressionObserver));
  return store;
}
