/** An embedded store on a port. */
import { type BinaryCacheOptions, BinaryCacheRoutes } from '../cacheRoutes/binaryCacheRoutes.ts';
import type { HttpRoutes } from '../cacheRoutes/http.ts';
import { PINNED_CLOSURE_PREFIX, PinnedClosureRoutes } from '../cacheRoutes/pinnedClosureRoutes.ts';
import { routesByPrefix } from '../cacheRoutes/routesByPrefix.ts';
import { type ListenOptions, listen, type RunningServer } from '../server/httpServer.ts';
import type { Store } from '../store/store.ts';

/** How to serve. */
export type RouteSettings = Pick<BinaryCacheOptions, 'compression' | 'priority' | 'limits'>;

/** Where and how to serve. */
export type ServeSettings = Omit<ListenOptions, 'routes'> & RouteSettings;

/** `store` as routes: the current view at `/`, and each closure under its digest. */
export function storeRoutes(store: Store, settings: RouteSettings = {}): HttpRoutes {
  const current = new BinaryCacheRoutes({
    ...settings,
    pathInfoService: store.pathInfos,
    blobService: store.blobs,
    directoryService: store.directories,
    narHashIndex: store,
  });
  const pinned = new PinnedClosureRoutes({
    pathInfoService: store.pathInfos,
    files: current.files,
    limits: settings.limits,
  });
  return routesByPrefix([[PINNED_CLOSURE_PREFIX, pinned]], current);
}

/**
 * Offers `store` as a binary cache until the server is closed.
 * @throws LISTEN_FAILED
 */
export async function serveStore(store: Store, settings: ServeSettings): Promise<RunningServer> {
  return await listen({ ...settings, routes: storeRoutes(store, settings) });
}

export type { RunningServer };
