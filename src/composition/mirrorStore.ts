/** An embedded store with binary caches above it. */
import { NixHTTPPathInfoService, type NixHTTPPathInfoServiceOptions } from '../httpService.ts';
import { ExtraFileMirror } from '../ingest/extraFileMirror.ts';
import { openUpstreams } from '../ingest/openUpstreams.ts';
import { UpstreamSet } from '../ingest/upstreamSet.ts';
import { DEFAULT_LIMITS } from '../limits.ts';
import { TrustPolicy } from '../pathinfo/trustPolicy.ts';
import type { Store } from '../store/store.ts';
import { WorkerPool } from '../workers/workerPool.ts';
import { compressingOptions } from './compressingStore.ts';
import { DEFAULT_SUBSTITUTER } from './defaults.ts';
import { extraFileIntakeOf } from './extraFileIntakeOf.ts';
import { openStore } from './openStore.ts';
import type { RestCompression } from './restCompression.ts';

/** Where to keep what, and what may be said about the upstreams. */
export type MirrorSettings = Pick<
  NixHTTPPathInfoServiceOptions,
  | 'trustedKeys'
  | 'checkSignatures'
  | 'frankenbuild'
  | 'allowUnknown'
  | 'walkLimits'
  | 'limits'
  | 'netrc'
  | 'narOrigins'
  | 'maxConnections'
> & {
  /** Made if it is not there. */
  readonly storeDirectory: string;
  /** URLs, directories or zip files; the default substituter when there is none. */
  readonly from: readonly string[];
  /** Threads that read NARs and compress; as many as there are processors by default. */
  readonly threads?: number | undefined;
  /** How content is compressed; `later` is when {@link Store.compress} is called. */
  readonly compression?: RestCompression | undefined;
};

/** What is open; disposing of it closes the store, too. */
export interface MirrorStore extends AsyncDisposable {
  readonly store: Store;
  /** Brings what it is asked for into the store. */
  readonly upstreams: NixHTTPPathInfoService;
  /** Brings in what binary caches have besides. */
  readonly extraFiles: ExtraFileMirror;
}

/**
 * Opens the upstreams and the store.
 * @throws UPSTREAM_URL_INVALID before a store is made; one that is only not there now is no error
 * @throws STORE_VERSION | STORE_INVALID | STORE_FAILED
 */
export async function openMirrorStore(settings: MirrorSettings): Promise<MirrorStore> {
  const { storeDirectory, from, threads, compression, ...others } = settings;
  await using opened = new AsyncDisposableStack();
  const addresses = from.length > 0 ? from : [DEFAULT_SUBSTITUTER];
  const baseUrl = await openUpstreams(addresses, others);
  // the service closes those that it has used, and closing them twice does no harm
  for (const upstream of baseUrl) opened.use(upstream);
  // the last to be closed: what is open may still need them
  const workers = opened.use(new WorkerPool({ threads }));
  const store = opened.use(
    await openStore(storeDirectory, compressingOptions(workers, compression)),
  );
  const upstreams = opened.use(
    new NixHTTPPathInfoService({
      ...others,
      baseUrl,
      blobService: store.blobs,
      directoryService: store.directories,
      narReader: workers.narReader,
      pathInfoService: store.pathInfos,
      findings: store.findings,
      contentByNarHash: (narHash) => store.contentByNarHash(narHash),
      recordContent: (narHash, content) => store.recordContent(narHash, content),
      holdContent: () => store.hold(),
    }),
  );
  const { trustedKeys, checkSignatures = true, limits = DEFAULT_LIMITS } = settings;
  const services = {
    blobService: store.blobs,
    directoryService: store.directories,
    extraFiles: store.extraFiles,
  };
  const extraFiles = new ExtraFileMirror({
    ...services,
    ...extraFileIntakeOf(services, {
      contentByNarHash: (narHash) => store.contentByNarHash(narHash),
      trust: new TrustPolicy(trustedKeys, { checkSignatures }),
      limits,
    }),
    upstreams: new UpstreamSet(baseUrl),
    pathInfoService: store.pathInfos,
    limits,
  });
  const owned = opened.move();
  return { store, upstreams, extraFiles, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
