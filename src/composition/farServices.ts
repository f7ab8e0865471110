/** What a store brings in on demand: upstreams as PathInfo services that are far, and path by path. */
import { join } from 'node:path';
import type { PendingPaths } from '../cacheRoutes/pendingPaths.ts';
import { CoolDown } from '../castore/combinators/coolDown.ts';
import type { Castore } from '../castore/copyNode.ts';
import { openChannel } from '../grpc/channel.ts';
import { GrpcPathInfoService } from '../grpc/store/grpcPathInfoService.ts';
import { NixHTTPPathInfoService } from '../httpService.ts';
import { openUpstreams } from '../ingest/openUpstreams.ts';
import { CachePathInfoService } from '../pathinfo/combinators/cachePathInfoService.ts';
import { PriorityPathInfoService } from '../pathinfo/combinators/priorityPathInfoService.ts';
import { TrustPolicy } from '../pathinfo/trustPolicy.ts';
import type { VariantService } from '../pathinfo/variantService.ts';
import { PullThrough } from '../pullThrough/pullThrough.ts';
import type { PathEvent, PullThroughFigures } from '../pullThrough/pullThroughOptions.ts';
import type { GrpcPathInfoConfig, NixSource, UpstreamConfig } from './config/serviceConfig.ts';
import type { Holdings } from './holdings.ts';
import { PathsOnDemand } from './pathsOnDemand.ts';
import { castoreOf, castoreOver, copyVerified } from './peerContent.ts';

/** Where what is not in a store comes from. */
export interface FarSettings {
  readonly upstreams: readonly UpstreamConfig[];
  /** Nothing is told of a path before its whole closure is kept. Default `false`. */
  readonly waitForClosure?: boolean | undefined;
  /** How long an absence is remembered, in milliseconds; 0 not at all. A failure never is. */
  readonly negativeTtlMs?: number | undefined;
  /** Told why a closure was not brought in that nobody waits for. MUST NOT throw. */
  readonly onFailure?: ((error: unknown) => void) | undefined;
  /** Told what became of each path of a binary cache. MUST NOT throw. */
  readonly onPath?: ((event: PathEvent) => void) | undefined;
}

/** A store that brings in what it lacks. Disposing leaves the store open. */
export interface FilledStore extends AsyncDisposable {
  /** Gives what it is asked for once its whole closure is in the store. */
  readonly pathInfoService: VariantService;
  /** Tells and gives paths while they are brought in. */
  readonly pending: PendingPaths;
  /** How much is under way of what binary caches have. */
  figures(): PullThroughFigures;
}

/** Spools of NARs lie in this folder of the store's. */
const SPOOL_DIRECTORY = 'spool';
const HTTP = /^https?:/i;

/**
 * `store` in front of its upstreams: binary caches first, those that are trusted alike in the order of their
 * priorities, then peers in the order given. What is asked for and not here is brought in with its closure.
 * @throws UPSTREAM_URL_INVALID | NOT_A_BINARY_CACHE | STORE_FAILED
 */
export async function fillFrom(store: Holdings, settings: FarSettings): Promise<FilledStore> {
  const { upstreams } = settings;
  await using opened = new AsyncDisposableStack();
  const caches: OpenCaches[] = [];
  for (const source of mergeAlike(upstreams.filter((one) => one.type === 'nix'))) {
    caches.push(opened.use(await openCaches(store, source, settings)));
  }
  const peers = upstreams
    .filter((one) => one.type === 'grpc')
    .map((peer) => peerBehind(store, peer, settings, opened));
  const members = [...caches.map(({ pathInfoService }) => pathInfoService), ...peers];
  const owned = opened.move();
  return {
    pathInfoService: inOrder(members) ?? store.pathInfos,
    pending: new PathsOnDemand(
      caches.map(({ pullThrough }) => pullThrough),
      inOrder(peers),
    ),
    figures: () => sumOf(caches.map(({ pullThrough }) => pullThrough.figures())),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function sumOf(all: readonly PullThroughFigures[]): PullThroughFigures {
  const sum = (figure: keyof PullThroughFigures) =>
    all.reduce((total, one) => total + one[figure], 0);
  return {
    pendingPaths: sum('pendingPaths'),
    runningClosures: sum('runningClosures'),
    waitingClosures: sum('waitingClosures'),
    waitingNars: sum('waitingNars'),
    spoolBytes: sum('spoolBytes'),
  };
}

/** Binary caches about which the same is believed are one service, which goes by their priorities. */
function mergeAlike(sources: readonly NixSource[]): NixSource[] {
  const keyOf = ({ trustedKeys, checkSignatures, netrc, narOrigins }: NixSource) =>
    JSON.stringify([trustedKeys.map(String).sort(), checkSignatures, netrc?.path, narOrigins]);
  return [...Map.groupBy(sources, keyOf).values()].flatMap(([first, ...others]) =>
    first === undefined
      ? []
      : [{ ...first, baseUrls: [...first.baseUrls, ...others.flatMap((one) => one.baseUrls)] }],
  );
}

/** The first that answers; one that fails is left alone for a while. */
function inOrder([first, ...others]: readonly VariantService[]): VariantService | undefined {
  if (first === undefined || others.length === 0) return first;
  const coolDown = new CoolDown<VariantService>({ now: Date.now, random: Math.random });
  return new PriorityPathInfoService([first, ...others], coolDown);
}

/** A peer, far of the store. */
function peerBehind(
  store: Holdings,
  { url, token, trust }: GrpcPathInfoConfig,
  { negativeTtlMs }: FarSettings,
  opened: AsyncDisposableStack,
): VariantService {
  const channel = opened.use(openChannel(url, { token: token?.value }));
  return new CachePathInfoService({
    near: store.pathInfos,
    far: new GrpcPathInfoService(channel, {
      trust: trust === 'peer' ? trust : new TrustPolicy(trust),
    }),
    negativeTtlMs,
    now: Date.now,
    copyContent: copyVerified(castoreOver(channel), store, channel.url),
  });
}

/** Binary caches behind the store: as a far service, and path by path on demand. */
interface OpenCaches extends AsyncDisposable {
  readonly pathInfoService: VariantService;
  readonly pullThrough: PullThrough;
}

async function openCaches(
  store: Holdings,
  { baseUrls, trustedKeys, checkSignatures, netrc, narOrigins }: NixSource,
  { waitForClosure, negativeTtlMs, onFailure, onPath }: FarSettings,
): Promise<OpenCaches> {
  await using opened = new AsyncDisposableStack();
  // opened when the first narinfo of an upstream names content
  const channels = opened.use(new DisposableStack());
  const castores = new Map<string, Castore>();
  const castoreAt = (url: string) => {
    if (!HTTP.test(url)) return undefined;
    const known = castores.get(url);
    if (known !== undefined) return known;
    const castore = castoreOver(channels.use(openChannel(url)));
    castores.set(url, castore);
    return castore;
  };
  const access = { netrc: netrc?.value, narOrigins };
  const far = opened.use(
    new NixHTTPPathInfoService({
      ...access,
      ...castoreOf(store),
      castoreOf: castoreAt,
      baseUrl: await openUpstreams(baseUrls, access),
      trustedKeys,
      checkSignatures,
      narReader: store.narReader,
      pathInfoService: store.pathInfos,
      contentByNarHash: (narHash) => store.contentByNarHash(narHash),
      recordContent: (narHash, content) => store.recordContent(narHash, content),
      holdContent: () => store.hold?.(),
    }),
  );
  const pullThrough = opened.use(
    await PullThrough.open({
      ingester: far,
      pathInfoService: store.pathInfos,
      castore: castoreOf(store),
      spoolDirectory: store.directory && join(store.directory, SPOOL_DIRECTORY),
      waitForClosure,
      negativeTtlMs,
      onFailure,
      onPath,
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
