/** A store, or services put together, on a port. */
import { type BinaryCacheOptions, BinaryCacheRoutes } from '../cacheRoutes/binaryCacheRoutes.ts';
import type { HttpRoutes } from '../cacheRoutes/http.ts';
import type { NarHashIndex } from '../cacheRoutes/narLookup.ts';
import type { PendingPaths } from '../cacheRoutes/pendingPaths.ts';
import { PINNED_CLOSURE_PREFIX, PinnedClosureRoutes } from '../cacheRoutes/pinnedClosureRoutes.ts';
import { routesByPrefix } from '../cacheRoutes/routesByPrefix.ts';
import {
  type ExtraFileTaker,
  type UploadOptions,
  UploadRoutes,
} from '../cacheRoutes/uploadRoutes.ts';
import { castoreServices } from '../grpc/castore/castoreServices.ts';
import { type GrpcCall, grpcHandler, isGrpcPath } from '../grpc/grpcHandler.ts';
import { healthService } from '../grpc/health.ts';
import { storeServices } from '../grpc/store/storeServices.ts';
import { checkListing } from '../ingest/listingCheck.ts';
import { UploadIntake } from '../ingest/uploadIntake.ts';
import { DEFAULT_LIMITS, type Limits } from '../limits.ts';
import { SigningPathInfoService } from '../pathinfo/combinators/signingPathInfoService.ts';
import type { TrustPolicy } from '../pathinfo/trustPolicy.ts';
import type { VariantService } from '../pathinfo/variantService.ts';
import { measureNar } from '../render/measureNar.ts';
import { type ListenOptions, listen, type RunningServer } from '../server/httpServer.ts';
import type { SecretKey } from '../signature.ts';
import type { UploadTokens } from '../uploadTokens.ts';
import { extraFileIntakeOf } from './extraFileIntakeOf.ts';
import type { Holdings } from './holdings.ts';
import { signing } from './pathsOnDemand.ts';
import { castoreOf } from './peerContent.ts';

/** The services that are offered over gRPC, by their full names. */
const GRPC_SERVICES = [
  'snix.castore.v1.BlobService',
  'snix.castore.v1.DirectoryService',
  'snix.store.v1.PathInfoService',
  'narthex.store.v1.VariantService',
];

/** How to serve. */
export type RouteSettings = Pick<
  BinaryCacheOptions,
  'compression' | 'priority' | 'limits' | 'narUrls'
> & {
  /** In place of its own PathInfos: a service that puts what it gives into the store first. */
  readonly pathInfoService?: VariantService | undefined;
  /**
   * Asked over HTTP for what is not in the store, in place of `pathInfoService`, which gives a path only once
   * its closure is there.
   */
  readonly pending?: PendingPaths | undefined;
  /** Signs what is given out and verified. */
  readonly secretKey?: SecretKey | undefined;
  /** Who may upload, and what an upload needs; without it nobody may. */
  readonly uploads?: UploadSettings | undefined;
  /** Told of uploads over HTTP. MUST NOT throw. */
  readonly onUpload?: UploadOptions['onUpload'];
};

/** Who may upload, and what an upload needs. */
export interface UploadSettings {
  readonly tokens: UploadTokens;
  /** With signatures checked, an uploader's word is not enough. */
  readonly trust: TrustPolicy;
  /** How many at once, over HTTP. */
  readonly maxUploads?: number | undefined;
}

/** Where and how to serve. */
export type ServeSettings = Omit<ListenOptions, 'routes' | 'grpc'> &
  RouteSettings & {
    /** Put around the routes. */
    readonly around?: ((routes: HttpRoutes) => HttpRoutes) | undefined;
    /** Aborts when the server is about to end, which gRPC's health then tells. */
    readonly draining?: AbortSignal | undefined;
    /** Told of calls of gRPC. MUST NOT throw. */
    readonly onGrpcCall?: ((call: GrpcCall) => void) | undefined;
  };

/** A service as it is offered. */
function offered(service: VariantService, { secretKey }: RouteSettings): VariantService {
  return secretKey === undefined
    ? service
    : new SigningPathInfoService(service, { secretKey, when: 'out' });
}

function narHashIndexOf(store: Holdings): NarHashIndex | undefined {
  if (store.nodeByNarHash === undefined) return undefined;
  return { nodeByNarHash: (narHash, options) => store.nodeByNarHash?.(narHash, options) };
}

/** `store` as routes: the current view at `/`, and each closure under its digest. */
export function storeRoutes(store: Holdings, settings: RouteSettings = {}): HttpRoutes {
  const { pending, secretKey } = settings;
  const pathInfoService = offered(settings.pathInfoService ?? store.pathInfos, settings);
  const current = new BinaryCacheRoutes({
    ...settings,
    pathInfoService: pending === undefined ? pathInfoService : offered(store.pathInfos, settings),
    pending: pending && secretKey ? signing(pending, secretKey) : pending,
    ...castoreOf(store),
    narHashIndex: narHashIndexOf(store),
    extraFiles: store.extraFiles,
  });
  const pinned = new PinnedClosureRoutes({
    pathInfoService,
    files: current.files,
    limits: settings.limits,
  });
  const reading = routesByPrefix([[PINNED_CLOSURE_PREFIX, pinned]], current);
  const { uploads, limits, onUpload } = settings;
  if (uploads === undefined) return reading;
  const listingSource = { pathInfoService: store.pathInfos, limits: limits ?? DEFAULT_LIMITS };
  return new UploadRoutes({
    taker: intakeOf(store, settings, uploads),
    extraFiles: extraFileTakerOf(store, uploads, limits),
    // what is only in an upstream was not sent to us, and is not to be fetched for a comparison
    checkListing: (digest, bytes, options) =>
      checkListing(digest, bytes, { ...castoreOf(store), ...listingSource }, options),
    authorize: (header) => uploads.tokens.uploaderOf(header),
    others: reading,
    limits,
    maxUploads: uploads.maxUploads,
    onUpload,
  });
}

function intakeOf(store: Holdings, settings: RouteSettings, uploads: UploadSettings): UploadIntake {
  return new UploadIntake({
    ...castoreOf(store),
    pathInfoService: settings.pathInfoService ?? store.pathInfos,
    contentByNarHash: (narHash) => store.contentByNarHash(narHash),
    recordContent: (narHash, content) => store.recordContent(narHash, content),
    reader: store.narReader,
    trust: uploads.trust,
    limits: settings.limits ?? DEFAULT_LIMITS,
  });
}

/** Keeps the extra files that are uploaded, and indexes the debug information of paths. */
function extraFileTakerOf(
  store: Holdings,
  { trust }: UploadSettings,
  limits: Limits = DEFAULT_LIMITS,
): ExtraFileTaker | undefined {
  const { extraFiles } = store;
  if (extraFiles === undefined) return undefined;
  const { debugInfo, intake } = extraFileIntakeOf(
    { ...castoreOf(store), extraFiles },
    {
      contentByNarHash: (narHash) => store.contentByNarHash(narHash),
      trust,
      limits,
    },
  );
  return {
    put: (...args) => intake.put(...args),
    async pathTaken(pathInfo, options) {
      await debugInfo.index(pathInfo, options);
    },
  };
}

/** `store` over gRPC: for reading, and for writing where there are uploads. */
function storeGrpc(store: Holdings, settings: ServeSettings): ListenOptions['grpc'] {
  const castore = castoreOf(store);
  const { limits, reportError, uploads, draining, onGrpcCall } = settings;
  const writing = uploads && {
    authorize: (header: string | undefined) => uploads.tokens.uploaderOf(header),
  };
  const intake = uploads && intakeOf(store, settings, uploads);
  const handler = grpcHandler({
    services: [
      castoreServices({ ...castore, ...writing }),
      storeServices({
        pathInfoService: offered(settings.pathInfoService ?? store.pathInfos, settings),
        measureNar: (node, { signal }) => measureNar(node, { ...castore, limits, signal }),
        ...writing,
        acceptPut: intake && ((...args) => intake.putPathInfos(...args)),
      }),
      healthService(GRPC_SERVICES, draining),
    ],
    onCall: onGrpcCall,
    reportError: (error, method) =>
      reportError?.(error, {
        method: 'POST',
        path: `/${method}`,
        query: new URLSearchParams(),
        headers: {},
      }),
  });
  return { handles: isGrpcPath, handler };
}

/**
 * Offers `store` as a binary cache, and over gRPC, until the server is closed.
 * @throws LISTEN_FAILED
 */
export async function serveStore(store: Holdings, settings: ServeSettings): Promise<RunningServer> {
  const { around = (routes: HttpRoutes) => routes } = settings;
  const routes = around(storeRoutes(store, settings));
  return await listen({ ...settings, routes, grpc: storeGrpc(store, settings) });
}

export type { RunningServer };
