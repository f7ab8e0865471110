/** Every castore combinator is a castore service. */
import { CacheBlobService } from '../../../src/castore/combinators/cacheBlobService.ts';
import { CacheDirectoryService } from '../../../src/castore/combinators/cacheDirectoryService.ts';
import { CoolDown } from '../../../src/castore/combinators/coolDown.ts';
import {
  LruBlobService,
  LruDirectoryService,
} from '../../../src/castore/combinators/lruServices.ts';
import { PriorityBlobService } from '../../../src/castore/combinators/priorityBlobService.ts';
import { PriorityDirectoryService } from '../../../src/castore/combinators/priorityDirectoryService.ts';
import { MemoryBlobService } from '../../../src/castore/memoryBlobService.ts';
import { MemoryDirectoryService } from '../../../src/castore/memoryDirectoryService.ts';
import { blobServiceContract } from '../../contracts/blobServiceContract.ts';
import { directoryServiceContract } from '../../contracts/directoryServiceContract.ts';
import { temporaryStore } from '../../store/temporaryStore.ts';

const CLOCK = { now: () => 0, random: () => 0.5 };

const nothing = { async [Symbol.asyncDispose]() {} };
const blobs = () => new MemoryBlobService();
const directories = () => new MemoryDirectoryService();

const BLOBS = {
  cache: () => new CacheBlobService({ near: blobs(), far: blobs() }),
  lru: () => new LruBlobService(blobs(), { maxBytes: 1024 * 1024 }),
  priority: () => new PriorityBlobService([blobs(), blobs()], new CoolDown(CLOCK)),
  'cache of lru and priority': () =>
    new CacheBlobService({
      near: new LruBlobService(blobs(), { maxBytes: 100_000 }),
      far: new PriorityBlobService([blobs(), blobs()], new CoolDown(CLOCK)),
    }),
};
for (const [name, make] of Object.entries(BLOBS)) {
  blobServiceContract(name, async () => ({ service: make(), ...nothing }));
}

const DIRECTORIES = {
  cache: () => new CacheDirectoryService({ near: directories(), far: directories() }),
  lru: () => new LruDirectoryService(directories(), { maxEntries: 10 }),
  priority: () => new PriorityDirectoryService([directories(), directories()], new CoolDown(CLOCK)),
  'cache of lru and priority': () =>
    new CacheDirectoryService({
      near: new LruDirectoryService(directories(), { maxEntries: 3 }),
      far: new PriorityDirectoryService([directories(), directories()], new CoolDown(CLOCK)),
    }),
};
for (const [name, make] of Object.entries(DIRECTORIES)) {
  directoryServiceContract(name, async () => ({ service: make(), ...nothing }));
}

blobServiceContract('cache before the embedded store', async () => {
  const opened = await temporaryStore();
  const service = new CacheBlobService({ near: opened.store.blobs, far: blobs() });
  return { service, [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose]() };
});
directoryServiceContract('cache before the embedded store', async () => {
  const opened = await temporaryStore();
  const service = new CacheDirectoryService({ near: opened.store.directories, far: directories() });
  return { service, [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose]() };
});
