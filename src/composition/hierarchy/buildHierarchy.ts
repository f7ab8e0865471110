/**
 * From a configured hierarchy to its services. Each is made once, when another one or a root needs it, so
 * that what nobody refers to costs nothing.
 */
import { CoolDown } from '../../castore/combinators/coolDown.ts';
import type { Castore } from '../../castore/copyNode.ts';
import { GrpcPathInfoService } from '../../grpc/store/grpcPathInfoService.ts';
import { NixHTTPPathInfoService } from '../../httpService.ts';
import { openUpstreams } from '../../ingest/openUpstreams.ts';
import { CachePathInfoService } from '../../pathinfo/combinators/cachePathInfoService.ts';
import { LruPathInfoService } from '../../pathinfo/combinators/lruPathInfoService.ts';
import { PriorityPathInfoService } from '../../pathinfo/combinators/priorityPathInfoService.ts';
import { ReadOnlyPathInfoService } from '../../pathinfo/combinators/readOnlyPathInfoService.ts';
import { SigningPathInfoService } from '../../pathinfo/combinators/signingPathInfoService.ts';
import { isVariantService } from '../../pathinfo/combinators/variantMethods.ts';
import { MemoryPathInfoService } from '../../pathinfo/memoryPathInfoService.ts';
import type { PathInfoService } from '../../pathinfo/pathInfoService.ts';
import { TrustPolicy } from '../../pathinfo/trustPolicy.ts';
import type { Store } from '../../store/store.ts';
import type { StoreCompression } from '../compressingStore.ts';
import {
  type CacheConfig,
  type HierarchyConfig,
  type NixConfig,
  type PathInfoConfig,
  type Reference,
  ROOT,
} from '../config/serviceConfig.ts';
import { type Holdings, NarMemory, type Nars, narsOf } from '../holdings.ts';
import { castoreOf, castoreOver, copyVerified } from '../peerContent.ts';
import { CastoreParts } from './castoreParts.ts';
import { LatePathInfoService } from './latePathInfoService.ts';
import { CLOCK, configOf, madeOnce, OpenParts, referred } from './openParts.ts';

/** The roots of a hierarchy; disposing of it closes all services. */
export interface BuiltHierarchy extends AsyncDisposable {
  readonly holdings: Holdings;
}

/**
 * Makes the three roots of a hierarchy and all that they refer to.
 * @throws UPSTREAM_URL_INVALID | STORE_VERSION | STORE_INVALID | STORE_FAILED after all that was made was closed
 */
export async function buildHierarchy(
  config: HierarchyConfig,
  compression: StoreCompression = {},
): Promise<BuiltHierarchy> {
  await using opened = new AsyncDisposableStack();
  const parts = new OpenParts(config, opened, compression);
  const castore = new CastoreParts(config, parts);
  const pathInfos = new PathInfoParts(config, { parts, castore, opened });
  const root = await pathInfos.service(ROOT);
  const holdings: Holdings = {
    blobs: await castore.blobs(ROOT),
    directories: await castore.directories(ROOT),
    // one that knows no variants takes no writes either
    pathInfos: isVariantService(root) ? root : new ReadOnlyPathInfoService(root),
    ...(await castore.nars(ROOT, ROOT)),
    narReader: parts.workers.narReader,
  };
  await pathInfos.makeLate();
  const owned = opened.move();
  return { holdings, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Where the content of PathInfos lies. */
interface ContentPlace {
  readonly castore: Castore;
  /** The embedded store that it is, or that is written to behind it. */
  readonly store: Store | undefined;
  readonly nars: Pick<Nars, 'recordContent'>;
  /** For errors. */
  readonly source: string;
}

/** What PathInfo services are made with. */
interface Workshop {
  readonly parts: OpenParts;
  readonly castore: CastoreParts;
  readonly opened: AsyncDisposableStack;
}

/** Makes PathInfo services, each once. */
class PathInfoParts {
  readonly #config: HierarchyConfig;
  readonly #workshop: Workshop;
  readonly #services = new Map<string, Promise<PathInfoService>>();
  /** Services that others ask for only when they are asked themselves. */
  readonly #late = new Set<string>();
  readonly #coolDown = new CoolDown<PathInfoService>(CLOCK);

  constructor(config: HierarchyConfig, workshop: Workshop) {
    this.#config = config;
    this.#workshop = workshop;
  }

  service(name: string): Promise<PathInfoService> {
    return madeOnce(this.#services, name, () => this.#make(this.#configOf(name)));
  }

  /** Makes what is asked for late, as long as there is somebody to close it. */
  async makeLate(): Promise<void> {
    // making one may add others, which the loop comes to as well
    for (const name of this.#late) await this.service(name);
  }

  async #make(config: PathInfoConfig): Promise<PathInfoService> {
    const { parts } = this.#workshop;
    const other = ({ name }: Reference) => this.service(name);
    switch (config.type) {
      case 'memory':
        return new MemoryPathInfoService();
      case 'lmdb': {
        const { pathInfos } = await parts.store(config);
        return config.readOnly ? new ReadOnlyPathInfoService(pathInfos) : pathInfos;
      }
      case 'grpc': {
        const { trust } = config;
        return new GrpcPathInfoService(parts.channel(config), {
          trust: trust === 'peer' ? trust : new TrustPolicy(trust),
        });
      }
      case 'cache':
        return await this.#makeCache(config);
      case 'lru':
        return new LruPathInfoService(await other(config.inner), {
          maxEntries: config.maximum,
          now: Date.now,
        });
      case 'priority':
        return new PriorityPathInfoService(await referred(config.members, other), this.#coolDown);
      case 'readonly':
        return new ReadOnlyPathInfoService(await other(config.inner));
      case 'signing':
        return new SigningPathInfoService(await other(config.inner), {
          secretKey: config.secretKey.value,
          when: config.when,
        });
      case 'nix':
        return await this.#makeNix(config);
    }
  }

  /** Near needs the content of what comes from far, and far may have it somewhere else. */
  async #makeCache({ near, far, negativeTtlMs }: CacheConfig): Promise<PathInfoService> {
    const from = await this.#contentOf(far.name);
    const to = await this.#contentOf(near.name);
    const { blobService: blobs, directoryService: directories } = to.castore;
    const target = { blobs, directories, recordContent: to.nars.recordContent };
    return new CachePathInfoService({
      near: await this.service(near.name),
      far: await this.service(far.name),
      copyContent: isSamePlace(from, to)
        ? undefined
        : copyVerified(from.castore, target, from.source),
      negativeTtlMs,
      now: Date.now,
    });
  }

  async #makeNix(config: NixConfig): Promise<PathInfoService> {
    const {
      baseUrls,
      netrc,
      narOrigins,
      trustedKeys,
      checkSignatures,
      frankenbuild,
      allowUnknown,
    } = config;
    const { parts, castore, opened } = this.#workshop;
    const { blobService, directoryService, pathInfoService } = config;
    const access = { netrc: netrc?.value, narOrigins };
    const castoreNames = [blobService.name, directoryService.name] as const;
    const { contentByNarHash, recordContent, hold } = await castore.nars(...castoreNames);
    const target = await castore.castore(...castoreNames);
    const store = await parts.storeBehind('pathinfoservices', pathInfoService.name);
    this.#late.add(pathInfoService.name);
    const baseUrl = await openUpstreams(baseUrls, access);
    return opened.use(
      new NixHTTPPathInfoService({
        ...access,
        ...target,
        narReader: parts.workers.narReader,
        baseUrl,
        trustedKeys,
        checkSignatures,
        frankenbuild,
        allowUnknown,
        // it may be made of this very service
        pathInfoService: new LatePathInfoService(() => this.service(pathInfoService.name)),
        findings: store?.findings,
        contentByNarHash,
        recordContent,
        holdContent: hold,
      }),
    );
  }

  async #contentOf(name: string): Promise<ContentPlace> {
    const { parts, castore } = this.#workshop;
    const config = this.#configOf(name);
    switch (config.type) {
      case 'memory':
        return await this.#placeOf(ROOT, ROOT, name);
      case 'lmdb': {
        const store = await parts.store(config);
        return { castore: castoreOf(store), store, nars: narsOf(store), source: name };
      }
      case 'grpc': {
        const channel = parts.channel(config);
        const { url: source } = channel;
        return { castore: castoreOver(channel), store: undefined, nars: new NarMemory(), source };
      }
      case 'cache':
        return await this.#contentOf(config.near.name);
      case 'lru':
      case 'readonly':
      case 'signing':
        return await this.#contentOf(config.inner.name);
      case 'nix':
        return await this.#placeOf(config.blobService.name, config.directoryService.name, name);
      case 'priority': {
        const places = await referred(config.members, (one) => this.#contentOf(one.name));
        const [first, ...others] = places;
        if (others.every((one) => isSamePlace(one, first))) return first;
        const all = castore.firstOf([first.castore, ...others.map((one) => one.castore)]);
        return { castore: all, store: undefined, nars: new NarMemory(), source: name };
      }
    }
  }

  async #placeOf(blobs: string, directories: string, source: string): Promise<ContentPlace> {
    const { castore } = this.#workshop;
    return {
      castore: await castore.castore(blobs, directories),
      store: await castore.storeBehind(blobs, directories),
      nars: await castore.nars(blobs, directories),
      source,
    };
  }

  #configOf(name: string): PathInfoConfig {
    return configOf(this.#config, 'pathinfoservices', name);
  }
}

function isSamePlace(one: ContentPlace, other: ContentPlace): boolean {
  if (one.castore === other.castore) return true;
  return one.store !== undefined && one.store === other.store;
}
