/** Every castore combinator is a castore service. */

import type { BlobService } from '../../../src/castore/blobService.ts';
import { CacheBlobService } from '../../../src/castore/combinators/cacheBlobService.ts';
import { CacheDirectoryService } from '../../../src/castore/combinators/cacheDirectoryService.ts';
import { CoolDown } from '../../../src/castore/combinators/coolDown.ts';
import {
  LruBlobService,
  LruDirectoryService,
} from '../../../src/castore/combinators/lruServices.ts';
import { PriorityBlobService } from '../../../src/castore/combinators/priorityBlobService.ts';
import { PriorityDirectoryService } from '../../../src/castore/combinators/priorityDirectoryService.ts';
import {
  ReadOnlyBlobService,
  ReadOnlyDirectoryService,
} from '../../../src/castore/combinators/readOnlyServices.ts';
import type { DirectoryService } from '../../../src/castore/directoryService.ts';
import { MemoryBlobService } from '../../../src/castore/memoryBlobService.ts';
import { MemoryDirectoryService } from '../../../src/castore/memoryDirectoryService.ts';
import { blobServiceContract } from '../../contracts/blobServiceContract.ts';
import { directoryServiceContract } from '../../contracts/directoryServiceContract.ts';
import { temporaryStore } from '../../store/temporaryStore.ts';
import { ProbedBlobService } from './members.ts';

const CLOCK = { now: () => 0, random: () => 0.5 };

const nothing = { async [Symbol.asyncDispose]() {} };
const blobs = () => new MemoryBlobService();
const directories = () => new MemoryDirectoryService();

/** What is written goes to one service, and is read through another. */
const readThrough = (inner: BlobService, reader: BlobService): BlobService => ({
  has: reader.has.bind(reader),
  stat: reader.stat.bind(reader),
  read: reader.read.bind(reader),
  openWrite: inner.openWrite.bind(inner),
});
const getThrough = (inner: DirectoryService, reader: DirectoryService): DirectoryService => ({
  get: reader.get.bind(reader),
  getRecursive: reader.getRecursive.bind(reader),
  openPut: inner.openPut.bind(inner),
});
/** Writes every blob to both. */
const tee = (first: BlobService, second: BlobService): BlobService => ({
  has: second.has.bind(second),
  stat: second.stat.bind(second),
  read: second.read.bind(second),
  openWrite(options) {
    const writers = [first.openWrite(options), second.openWrite(options)] as const;
    return {
      async write(bytes) {
        for (const writer of writers) await writer.write(bytes);
      },
      async close() {
        await writers[0].close();
        return await writers[1].close();
      },
      async [Symbol.asyncDispose]() {
        for (const writer of writers) await writer[Symbol.asyncDispose]();
      },
    };
  },
});

const BLOBS = {
  cache: () => new CacheBlobService({ near: blobs(), far: blobs() }),
  lru: () => new LruBlobService(blobs(), { maxBytes: 1024 * 1024 }),
  priority: () => new PriorityBlobService([blobs(), blobs()], new CoolDown(CLOCK)),
  'priority beyond a member that breaks off before the first byte': () => {
    const broken = new ProbedBlobService();
    broken.readFailsAfter = 0;
    const whole = blobs();
    const members = [broken, whole] as const;
    const reader = new PriorityBlobService(members, new CoolDown(CLOCK));
    return readThrough(tee(broken, whole), reader);
  },
  'what is read from far': () => {
    const far = blobs();
    return readThrough(far, new CacheBlobService({ near: blobs(), far }));
  },
  'read-only': () => {
    const inner = blobs();
    return readThrough(inner, new ReadOnlyBlobService(inner));
  },
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
  'what is read from far': () => {
    const far = directories();
    return getThrough(far, new CacheDirectoryService({ near: directories(), far }));
  },
  'read-only': () => {
    const inner = directories();
    return getThrough(inner, new ReadOnlyDirectoryService(inner));
  },
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
