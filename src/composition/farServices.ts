/** What a store brings in on demand: addresses of upstreams as a PathInfo service that is far. */
import { join } from 'node:path';
import type { PendingPaths } from '../cacheRoutes/pendingPaths.ts';
import { CoolDown } from '../castore/combinators/coolDown.ts';
import { type Castore, copyNode } from '../castore/copyNode.ts';
import { NarthexError } from '../errors.ts';
import { excerpt } from '../excerpt.ts';
import { GrpcBlobService } from '../grpc/castore/grpcBlobService.ts';
import { GrpcDirectoryService } from '../grpc/castore/grpcDirectoryService.ts';
import { type GrpcChannel, openChannel } from '../grpc/channel.ts';
import { GrpcPathInfoService } from '../grpc/store/grpcPathInfoService.ts';
import { NixHTTPPathInfoService } from '../httpService.ts';
import { openUpstreams } from '../ingest/openUpstreams.ts';
import { CachePathInfoService } from '../pathinfo/combinators/cachePathInfoService.ts';
import { PriorityPathInfoService } from '../pathinfo/combinators/priorityPathInfoService.ts';
import type { PathInfo } from '../pathinfo/pathInfo.ts';
import { TrustPolicy } from '../pathinfo/trustPolicy.ts';
import type { VariantService } from '../pathinfo/variantService.ts';
import { PullThrough } from '../pullThrough/pullThrough.ts';
import { measureNar } from '../render/measureNar.ts';
import type { PublicKey } from '../signature.ts';
import type { Store } from '../store/store.ts';
import { PathsOnDemand } from './pathsOnDemand.ts';

/** Where what is not in a store comes from, and who is believed. */
export interface FarSettings {
  /**
   * `grpc+http://host:port` or `grpc+https://…` for peers; all others are binary caches: URLs,
   * directories or zip files.
   */
  readonly addresses: readonly string[];
  readonly trustedKeys: readonly PublicKey[];
  /** Nothing is told of a path before its whole closure is kept. Default `false`. */
  readonly waitForClosure?: boolean | undefined;
  /** How long an absence is remembered, in milliseconds; 0 not at all. A failure never is. */
  readonly negativeTtlMs?: number | undefined;
  /** Told why a closure was not brought in that nobody waits for. MUST NOT throw. */
  readonly onFailure?: ((error: unknown) => void) | undefined;
}

/** A store that brings in what it lacks. Disposing leaves the store open. */
export interface FilledStore extends AsyncDisposable {
  /** Gives what it is asked for once its whole closure is in the store. */
  readonly pathInfoService: VariantService;
  /** Tells and gives paths while they are brought in. */
  readonly pending: PendingPaths;
}

/** Spools of NARs lie in this folder of the store's. */
const SPOOL_DIRECTORY = 'spool';

const GRPC = /^grpc\+(?=https?:)/i;
const HTTP = /^https?:/i;

/**
 * `store` in front of its upstreams: binary caches first, in the order of their priorities, then peers
 * in the order given. What is asked for and not here is brought in with its closure.
 * @throws UPSTREAM_URL_INVALID | NOT_A_BINARY_CACHE | STORE_FAILED
 */
export async function fillFrom(store: Store, settings: FarSettings): Promise<FilledStore> {
  const { addresses } = settings;
  await using opened = new AsyncDisposableStack();
  const peers = addresses
    .filter((address) => GRPC.test(address))
    .map((address) => peerBehind(store, address, settings, opened));
  const caches = addresses.filter((address) => !GRPC.test(address));
  const upstreams = caches.length > 0 ? await openCaches(store, caches, settings) : undefined;
  const members: VariantService[] = [...peers];
  if (upstreams !== undefined) {
    opened.use(upstreams);
    members.unshift(upstreams.pathInfoService);
  }
  const owned = opened.move();
  return {
    pathInfoService: inOrder(members) ?? store.pathInfos,
    pending: new PathsOnDemand(upstreams?.pullThrough, inOrder(peers)),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** The first that answers; one that fails is left alone for a while. */
function inOrder([first, ...others]: readonly VariantService[]): VariantService | undefined {
  if (first === undefined || others.length === 0) return first;
  const coolDown = new CoolDown<VariantService>({ now: Date.now, random: Math.random });
  return new PriorityPathInfoService([first, ...others], coolDown);
}

/** A peer, far of the store. */
function peerBehind(
  store: Store,
  address: string,
  { trustedKeys, negativeTtlMs }: FarSettings,
  opened: AsyncDisposableStack,
): VariantService {
  const channel = opened.use(openChannel(address.replace(GRPC, '')));
  const from = castoreOver(channel);
  const to = { blobService: store.blobs, directoryService: store.directories };
  return new CachePathInfoService({
    near: store.pathInfos,
    far: new GrpcPathInfoService(channel, { trust: new TrustPolicy(trustedKeys) }),
    negativeTtlMs,
    now: Date.now,
    async copyContent({ node, claim }, { signal }) {
      await copyNode(node, { from, to, signal, maxBytes: claim.narSize });
      const measured = await measureNar(node, { ...to, signal });
      checkNar(claim, measured, channel.url);
      store.recordContent(measured.narHash, { node, narSize: measured.narSize });
    },
  });
}

/** Binary caches behind the store: as a far service, and path by path on demand. */
interface OpenCaches extends AsyncDisposable {
  readonly pathInfoService: VariantService;
  readonly pullThrough: PullThrough;
}

async function openCaches(
  store: Store,
  addresses: readonly string[],
  { trustedKeys, waitForClosure, negativeTtlMs, onFailure }: FarSettings,
): Promise<OpenCaches> {
  await using opened = new AsyncDisposableStack();
  // opened when the first narinfo of an upstream names content
  const channels = opened.use(new DisposableStack());
  const castores = new Map<string, Castore>();
  const castoreOf = (url: string) => {
    if (!HTTP.test(url)) return undefined;
    const known = castores.get(url);
    if (known !== undefined) return known;
    const castore = castoreOver(channels.use(openChannel(url)));
    castores.set(url, castore);
    return castore;
  };
  const castore = { blobService: store.blobs, directoryService: store.directories };
  const far = opened.use(
    new NixHTTPPathInfoService({
      ...castore,
      castoreOf,
      baseUrl: await openUpstreams(addresses, {}),
      trustedKeys,
      pathInfoService: store.pathInfos,
      contentByNarHash: (narHash) => store.contentByNarHash(narHash),
      recordContent: (narHash, content) => store.recordContent(narHash, content),
    }),
  );
  const pullThrough = opened.use(
    await PullThrough.open({
      ingester: far,
      pathInfoService: store.pathInfos,
      castore,
      spoolDirectory: join(store.directory, SPOOL_DIRECTORY),
      waitForClosure,
      negativeTtlMs,
      onFailure,
      now: () => performance.now(),
    }),
  );
  const near = store.pathInfos;
  const owned = opened.move();
  return {
    pathInfoService: new CachePathInfoService({ near, far, negativeTtlMs, now: Date.now }),
    pullThrough,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** The castore services of a peer. */
function castoreOver(channel: GrpcChannel): Castore {
  return {
    blobService: new GrpcBlobService(channel),
    directoryService: new GrpcDirectoryService(channel),
  };
}

/** A signature speaks of a NAR; that a peer's content is that NAR is for us to see. */
function checkNar(
  { storePath, narHash, narSize }: PathInfo['claim'],
  measured: Awaited<ReturnType<typeof measureNar>>,
  url: string,
): void {
  if (measured.narHash.equals(narHash) && measured.narSize === narSize) return;
  throw new NarthexError(
    'NAR_HASH_MISMATCH',
    `${storePath.absolute}: the content from ${excerpt(url)} hashes to ${measured.narHash}, not to ${narHash}`,
    {
      storePath: storePath.absolute,
      url,
      expected: String(narHash),
      actual: String(measured.narHash),
    },
  );
}
