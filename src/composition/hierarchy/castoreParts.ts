/** The blob and directory services of a hierarchy. */
import type { BlobService } from '../../castore/blobService.ts';
import { CacheBlobService } from '../../castore/combinators/cacheBlobService.ts';
import { CacheDirectoryService } from '../../castore/combinators/cacheDirectoryService.ts';
import { CoolDown } from '../../castore/combinators/coolDown.ts';
import { LruBlobService, LruDirectoryService } from '../../castore/combinators/lruServices.ts';
import { PriorityBlobService } from '../../castore/combinators/priorityBlobService.ts';
import { PriorityDirectoryService } from '../../castore/combinators/priorityDirectoryService.ts';
import {
  ReadOnlyBlobService,
  ReadOnlyDirectoryService,
} from '../../castore/combinators/readOnlyServices.ts';
import type { Castore } from '../../castore/copyNode.ts';
import type { DirectoryService } from '../../castore/directoryService.ts';
import { MemoryBlobService } from '../../castore/memoryBlobService.ts';
import { MemoryDirectoryService } from '../../castore/memoryDirectoryService.ts';
import { GrpcBlobService } from '../../grpc/castore/grpcBlobService.ts';
import { GrpcDirectoryService } from '../../grpc/castore/grpcDirectoryService.ts';
import type { Store } from '../../store/store.ts';
import type { CastoreConfig, HierarchyConfig, Reference } from '../config/serviceConfig.ts';
import { NarMemory, type Nars, narsOf } from '../holdings.ts';
import { CLOCK, configOf, madeOnce, type OpenParts, referred } from './openParts.ts';

/** Makes blob and directory services, each once. */
export class CastoreParts {
  readonly #config: HierarchyConfig;
  readonly #parts: OpenParts;
  readonly #blobs = new Map<string, Promise<BlobService>>();
  readonly #directories = new Map<string, Promise<DirectoryService>>();
  readonly #castores = new Map<string, Promise<Castore>>();
  readonly #nars = new Map<string, Promise<Nars>>();
  readonly #blobCoolDown = new CoolDown<BlobService>(CLOCK);
  readonly #directoryCoolDown = new CoolDown<DirectoryService>(CLOCK);

  constructor(config: HierarchyConfig, parts: OpenParts) {
    this.#config = config;
    this.#parts = parts;
  }

  blobs(name: string): Promise<BlobService> {
    return madeOnce(this.#blobs, name, () => this.#makeBlobs(this.#blobConfig(name)));
  }

  directories(name: string): Promise<DirectoryService> {
    const config = configOf(this.#config, 'directoryservices', name);
    return madeOnce(this.#directories, name, () => this.#makeDirectories(config));
  }

  /** A blob service and a directory service together; for the same two always the same object. */
  castore(blobs: string, directories: string): Promise<Castore> {
    return madeOnce(this.#castores, JSON.stringify([blobs, directories]), async () => ({
      blobService: await this.blobs(blobs),
      directoryService: await this.directories(directories),
    }));
  }

  /** The first of several that has something. */
  firstOf([first, ...others]: readonly [Castore, ...Castore[]]): Castore {
    return {
      blobService: new PriorityBlobService(
        [first.blobService, ...others.map(({ blobService }) => blobService)],
        this.#blobCoolDown,
      ),
      directoryService: new PriorityDirectoryService(
        [first.directoryService, ...others.map(({ directoryService }) => directoryService)],
        this.#directoryCoolDown,
      ),
    };
  }

  /** The embedded store that both services write to, if it is the same one. */
  async storeBehind(blobs: string, directories: string): Promise<Store | undefined> {
    const store = await this.#parts.storeBehind('blobservices', blobs);
    const other = await this.#parts.storeBehind('directoryservices', directories);
    return store === other ? store : undefined;
  }

  /** Which NARs lie in two services: the store behind them remembers them, or memory does. */
  nars(blobs: string, directories: string): Promise<Nars> {
    return madeOnce(this.#nars, JSON.stringify([blobs, directories]), async () => {
      const store = await this.storeBehind(blobs, directories);
      return store === undefined ? new NarMemory() : narsOf(store);
    });
  }

  async #makeBlobs(config: CastoreConfig): Promise<BlobService> {
    const other = ({ name }: Reference) => this.blobs(name);
    switch (config.type) {
      case 'memory':
        return new MemoryBlobService();
      case 'lmdb': {
        const { blobs } = await this.#parts.store(config);
        return config.readOnly ? new ReadOnlyBlobService(blobs) : blobs;
      }
      case 'grpc':
        return new GrpcBlobService(this.#parts.channel(config));
      case 'cache':
        return new CacheBlobService({
          near: await other(config.near),
          far: await other(config.far),
        });
      case 'lru':
        return new LruBlobService(await other(config.inner), { maxBytes: config.maximum });
      case 'priority':
        return new PriorityBlobService(await referred(config.members, other), this.#blobCoolDown);
      case 'readonly':
        return new ReadOnlyBlobService(await other(config.inner));
    }
  }

  async #makeDirectories(config: CastoreConfig): Promise<DirectoryService> {
    const other = ({ name }: Reference) => this.directories(name);
    switch (config.type) {
      case 'memory':
        return new MemoryDirectoryService();
      case 'lmdb': {
        const { directories } = await this.#parts.store(config);
        return config.readOnly ? new ReadOnlyDirectoryService(directories) : directories;
      }
      case 'grpc':
        return new GrpcDirectoryService(this.#parts.channel(config));
      case 'cache':
        return new CacheDirectoryService({
          near: await other(config.near),
          far: await other(config.far),
        });
      case 'lru':
        return new LruDirectoryService(await other(config.inner), { maxEntries: config.maximum });
      case 'priority':
        return new PriorityDirectoryService(
          await referred(config.members, other),
          this.#directoryCoolDown,
        );
      case 'readonly':
        return new ReadOnlyDirectoryService(await other(config.inner));
    }
  }

  #blobConfig(name: string): CastoreConfig {
    return configOf(this.#config, 'blobservices', name);
  }
}
