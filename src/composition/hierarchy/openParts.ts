/** What services of a hierarchy share: embedded stores, connections to peers and worker threads, each opened once. */
import { NarthexError } from '../../errors.ts';
import { excerpt } from '../../excerpt.ts';
import { type GrpcChannel, openChannel } from '../../grpc/channel.ts';
import type { Store } from '../../store/store.ts';
import { WorkerPool } from '../../workers/workerPool.ts';
import { openCompressingStore, type StoreCompression } from '../compressingStore.ts';
import type {
  CastoreConfig,
  GrpcConfig,
  HierarchyConfig,
  LmdbConfig,
  PathInfoConfig,
  Placed,
  Reference,
  ServiceKind,
} from '../config/serviceConfig.ts';
import { writePlaceOf } from '../config/writePlaces.ts';
import { openStore } from '../openStore.ts';

/** Opens stores and connections, which are closed with `opened`. */
export class OpenParts {
  readonly workers: WorkerPool;
  readonly #config: HierarchyConfig;
  readonly #opened: AsyncDisposableStack;
  readonly #compression: StoreCompression;
  readonly #stores = new Map<string, Promise<Store>>();
  readonly #channels = new Map<string, GrpcChannel>();

  constructor(
    config: HierarchyConfig,
    opened: AsyncDisposableStack,
    compression: StoreCompression,
  ) {
    this.#config = config;
    this.#opened = opened;
    this.#compression = compression;
    // the last to be closed: stores may still need them
    this.workers = opened.use(new WorkerPool());
  }

  /**
   * Services with the same path are one store. It is opened for reading only where all of them only read.
   * @throws STORE_VERSION | STORE_INVALID | STORE_FAILED
   */
  store({ path }: LmdbConfig): Promise<Store> {
    return madeOnce(this.#stores, path, async () => {
      const readOnly = Object.values(this.#config)
        .flatMap((services) => [...services.values()])
        .every(({ config }) => config.type !== 'lmdb' || config.path !== path || config.readOnly);
      if (readOnly) return this.#opened.use(await openStore(path, { readOnly }));
      return await openCompressingStore(path, this.workers, this.#compression, this.#opened);
    });
  }

  /** The embedded store that a service writes to, if it is one. */
  async storeBehind(kind: ServiceKind, name: string): Promise<Store | undefined> {
    const config = writePlaceOf(this.#config, kind, name)?.config;
    return config?.type === 'lmdb' && !config.readOnly ? await this.store(config) : undefined;
  }

  /** @throws UPSTREAM_URL_INVALID */
  channel({ url, token }: GrpcConfig): GrpcChannel {
    const key = JSON.stringify([url, token?.path]);
    const known = this.#channels.get(key);
    if (known !== undefined) return known;
    const channel = this.#opened.use(openChannel(url, { token: token?.value }));
    this.#channels.set(key, channel);
    return channel;
  }
}

/** What was made under a name, made the first time that it is asked for. */
export function madeOnce<T>(
  made: Map<string, Promise<T>>,
  name: string,
  make: () => Promise<T>,
): Promise<T> {
  const known = made.get(name);
  if (known !== undefined) return known;
  const making = make();
  made.set(name, making);
  return making;
}

/** What the references of a list lead to. */
export async function referred<T>(
  [first, ...others]: readonly [Reference, ...Reference[]],
  follow: (reference: Reference) => Promise<T>,
): Promise<[T, ...T[]]> {
  return [await follow(first), ...(await Promise.all(others.map(follow)))];
}

/** How a service is configured. References of a hierarchy that was read lead somewhere. */
export function configOf<Kind extends ServiceKind>(
  hierarchy: HierarchyConfig,
  kind: Kind,
  name: string,
): ConfigOf<Kind> {
  // the table of a kind holds services of that kind
  const services = hierarchy[kind] as ReadonlyMap<string, Placed<ConfigOf<Kind>>>;
  const found = services.get(name);
  if (found !== undefined) return found.config;
  throw new NarthexError('CONFIG_INVALID', `there is no ${kind}.${excerpt(name)}`, { key: kind });
}

type ConfigOf<Kind extends ServiceKind> = Kind extends 'pathinfoservices'
  ? PathInfoConfig
  : CastoreConfig;

/** What waits and jitters go by. */
export const CLOCK = { now: Date.now, random: Math.random };
