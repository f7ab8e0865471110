/**
 * The metrics of a server. No label ever has text from outside as its value: kinds, codes, statuses, and the
 * upstreams that were named.
 */
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { UploadEvent } from '../cacheRoutes/uploadEvent.ts';
import type { PathEvent, PullThroughFigures } from '../pullThrough/pullThroughOptions.ts';
import type { ServerFigures } from '../server/httpServer.ts';
import type { ConnectionRefusal } from '../server/serverObserver.ts';
import type { StoreStats } from '../store/storeStats.ts';
import { ingestFigureMetrics, ingestMetrics } from './metrics/ingestMetrics.ts';
import { type RequestMetrics, requestMetrics } from './metrics/requestMetrics.ts';
import { serverFigureMetrics, serverMetrics } from './metrics/serverMetrics.ts';
import { storeMetrics } from './metrics/storeMetrics.ts';
import { uploadMetrics } from './metrics/uploadMetrics.ts';
import { upstreamMetrics } from './metrics/upstreamMetrics.ts';
import type { MetricsText } from './operationRoutes.ts';
import type { UpstreamListener } from './upstreamTraffic.ts';

/** Counts what it is told, and gives all of it as text. */
export class Metrics implements MetricsText {
  readonly requests: RequestMetrics;
  readonly connectionRefused: (reason: ConnectionRefusal) => void;
  readonly path: (event: PathEvent) => void;
  readonly upload: (event: UploadEvent) => void;
  readonly upstreams: UpstreamListener;
  readonly #registry = new Registry();

  constructor() {
    // of the process: memory, CPU time, file descriptors, lag of the event loop, garbage collection
    collectDefaultMetrics({ register: this.#registry });
    this.requests = requestMetrics(this.#registry);
    this.connectionRefused = serverMetrics(this.#registry);
    this.path = ingestMetrics(this.#registry);
    this.upload = uploadMetrics(this.#registry);
    this.upstreams = upstreamMetrics(this.#registry);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  async text(): Promise<string> {
    return await this.#registry.metrics();
  }

  /** Adds the figures of a server. */
  watchServer(look: () => ServerFigures): void {
    serverFigureMetrics(this.#registry, look);
  }

  /** Adds the figures of paths on demand. */
  watchIngest(look: () => PullThroughFigures): void {
    ingestFigureMetrics(this.#registry, look);
  }

  /** Adds the figures of a store, as far as they are known. */
  watchStore(look: () => Promise<StoreStats | undefined>): void {
    storeMetrics(this.#registry, look);
  }
}
