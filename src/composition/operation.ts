/** Whoever watches a server over a store: what its parts tell becomes logs, metrics and health. */
import { type HttpRoutes, notFoundResponse } from '../cacheRoutes/http.ts';
import type { UploadEvent } from '../cacheRoutes/uploadEvent.ts';
import type { GrpcCall } from '../grpc/grpcHandler.ts';
import type { Log } from '../operation/log.ts';
import { Metrics } from '../operation/metrics.ts';
import { OperationRoutes } from '../operation/operationRoutes.ts';
import { RareFigures } from '../operation/rareFigures.ts';
import { Readiness } from '../operation/readiness.ts';
import { requestKind } from '../operation/requestKind.ts';
import { UpstreamTraffic } from '../operation/upstreamTraffic.ts';
import type { PathEvent, PullThroughFigures } from '../pullThrough/pullThroughOptions.ts';
import { statusOfFailure } from '../server/failureStatus.ts';
import { listen, type RunningServer, type ServerFigures } from '../server/httpServer.ts';
import type { ListenPlace } from '../server/listenPlace.ts';
import type { ErrorReporter } from '../server/requestHandler.ts';
import type { ServerObserver } from '../server/serverObserver.ts';
import type { StoreStats } from '../store/storeStats.ts';
import type { UpstreamConfig } from './config/serviceConfig.ts';
import type { Holdings } from './holdings.ts';

/** Those who watch are few. */
const OPERATOR_CONNECTIONS = 64;

/** What is watched, and who is told. */
export interface OperationSettings {
  readonly log: Log;
  readonly holdings: Pick<Holdings, 'check' | 'stats'>;
  /** The traffic of binary caches among them is counted. */
  readonly upstreams: readonly UpstreamConfig[];
}

/** Takes what the parts of a server tell. Disposing of it comes before the store's end. */
export class Operation implements AsyncDisposable {
  readonly #log: Log;
  readonly #metrics = new Metrics();
  readonly #readiness: Readiness;
  readonly #traffic: UpstreamTraffic;
  readonly #storeFigures: RareFigures<StoreStats> | undefined;

  constructor({ log, holdings, upstreams }: OperationSettings) {
    this.#log = log;
    const addresses = upstreams.flatMap((one) => (one.type === 'nix' ? one.baseUrls : []));
    this.#traffic = new UpstreamTraffic(addresses, this.#metrics.upstreams);
    const gather = holdings.stats?.bind(holdings);
    if (gather !== undefined) {
      const onFailure = (error: unknown) => log.error('store not measured', {}, error);
      const figures = new RareFigures({ gather, onFailure });
      this.#metrics.watchStore(() => figures.latest());
      this.#storeFigures = figures;
    }
    const check = holdings.check?.bind(holdings);
    this.#readiness = new Readiness({
      checks: check === undefined ? [] : [{ name: 'store', check }],
      notes: () => this.#traffic.lines(),
      onFailure: (name, error) => log.error('not ready', { check: name }, error),
    });
  }

  /** What a server takes to be watched. */
  serverHooks(options: { readonly metrics: boolean }) {
    return {
      around: (routes: HttpRoutes) => this.#publicRoutes(routes, options.metrics),
      draining: this.#readiness.draining,
      observer: this.#observer,
      reportError: this.#reportError,
      onUpload: this.#onUpload,
      onGrpcCall: (call: GrpcCall) => this.#metrics.requests.grpcCall(call),
    };
  }

  /** What upstreams behind a store take to be watched. */
  get ingestHooks() {
    return { onPath: this.#onPath, onFailure: this.#onIngestFailure };
  }

  readonly #observer: ServerObserver = {
    requestEnded: (record) => {
      this.#metrics.requests.request(record);
      const { method, path, status, sentBytes, durationMs, client, protocol, outcome } = record;
      // those who ask how a server is do so all the time
      this.#log.write(requestKind(record) === 'operation' ? 'debug' : 'info', 'request', {
        method,
        path,
        status,
        bytes: sentBytes,
        ms: Number(durationMs.toFixed(1)),
        client,
        protocol,
        outcome: outcome === 'complete' ? undefined : outcome,
      });
    },
    connectionRefused: (limit) => {
      this.#metrics.connectionRefused(limit);
      this.#log.debug('connection refused', { limit });
    },
  };

  readonly #reportError: ErrorReporter = (error, { method, path }) => {
    const level = statusOfFailure(error) === 500 ? 'error' : 'warn';
    this.#log.write(level, 'request failed', { method, path }, error);
  };

  readonly #onUpload = (event: UploadEvent): void => {
    this.#metrics.upload(event);
    if (event.type === 'taken') {
      const { file, name, uploader } = event;
      this.#log.info('upload taken', { file, name, uploader });
    } else if (event.type === 'refused') {
      const { file, code, uploader } = event;
      this.#log.info('upload refused', { file, code, uploader });
    }
  };

  readonly #onPath = (event: PathEvent): void => {
    this.#metrics.path(event);
    if (event.type === 'failed') {
      // why a closure failed is told once, by what follows
      this.#log.debug('path failed', { path: event.baseName }, event.error);
    } else {
      const { claim } = event.pathInfo;
      this.#log.info('path brought in', {
        path: claim.storePath.baseName,
        narBytes: claim.narSize,
        from: claim.origin,
      });
    }
  };

  readonly #onIngestFailure = (error: unknown): void => {
    this.#log.warn('not brought in', {}, error);
  };

  /** From now on the server is not ready. */
  drain(): void {
    this.#readiness.drain();
  }

  /**
   * Answers how the server is at an address of its own, for those who run it.
   * @throws LISTEN_FAILED
   */
  async listen(place: ListenPlace): Promise<RunningServer> {
    const routes = new OperationRoutes({
      readiness: this.#readiness,
      metrics: this.#metrics,
      details: true,
      others: { handle: async (request) => notFoundResponse(request) },
    });
    const maxConnections = OPERATOR_CONNECTIONS;
    return await listen({ ...place, routes, maxConnections, reportError: this.#reportError });
  }

  /** Adds the figures of a server that listens. To be called once. */
  watchServer(look: () => ServerFigures): void {
    this.#metrics.watchServer(look);
  }

  /** Adds the figures of paths on demand. To be called once. */
  watchIngest(look: () => PullThroughFigures): void {
    this.#metrics.watchIngest(look);
  }

  /** Health is for everybody. */
  #publicRoutes(others: HttpRoutes, withMetrics: boolean): HttpRoutes {
    const metrics = withMetrics ? this.#metrics : undefined;
    return new OperationRoutes({ readiness: this.#readiness, metrics, others });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#traffic[Symbol.dispose]();
    await this.#storeFigures?.[Symbol.asyncDispose]();
  }
}
