/**
 * How a server is, over HTTP:
 *
 *     /healthz   200 as long as the process answers
 *     /readyz    200 if it is to be sent requests, else 503; how all stands where `details` are told
 *     /metrics   in Prometheus' text format, where there are metrics
 *
 * No file of a binary cache has such a path. Everything else is passed on.
 */
import {
  bytesResponse,
  type CacheRequest,
  type CacheResponse,
  type HandleOptions,
  type HttpRoutes,
  methodRefusal,
  NOT_REMEMBERED,
  textResponse,
} from '../cacheRoutes/http.ts';
import type { Readiness } from './readiness.ts';
import { OPERATION_PATHS } from './requestKind.ts';

/** Metrics as text. */
export interface MetricsText {
  readonly contentType: string;
  text(): Promise<string>;
}

/** What is told. */
export interface OperationRoutesOptions {
  readonly readiness: Pick<Readiness, 'report'>;
  readonly metrics?: MetricsText | undefined;
  /** Names what it is that is ready, and upstreams: not for everybody. Default `false`. */
  readonly details?: boolean | undefined;
  /** Answers all other paths. */
  readonly others: HttpRoutes;
}

/** The routes. */
export class OperationRoutes implements HttpRoutes {
  readonly #options: OperationRoutesOptions;

  constructor(options: OperationRoutesOptions) {
    this.#options = options;
  }

  async handle(request: CacheRequest, options?: HandleOptions): Promise<CacheResponse> {
    const { metrics, others } = this.#options;
    switch (request.path) {
      case OPERATION_PATHS.health:
        return methodRefusal(request) ?? textResponse(request, 200, 'ok', NOT_REMEMBERED);
      case OPERATION_PATHS.readiness:
        return methodRefusal(request) ?? (await this.#readiness(request));
      case OPERATION_PATHS.metrics:
        if (metrics === undefined) break;
        return methodRefusal(request) ?? (await metricsResponse(request, metrics));
    }
    return await others.handle(request, options);
  }

  async #readiness(request: CacheRequest): Promise<CacheResponse> {
    const { readiness, details = false } = this.#options;
    const { isReady, lines } = await readiness.report();
    const text = [isReady ? 'ready' : 'not ready', ...(details ? lines : [])].join('\n');
    return textResponse(request, isReady ? 200 : 503, text, NOT_REMEMBERED);
  }
}

async function metricsResponse(
  request: CacheRequest,
  metrics: MetricsText,
): Promise<CacheResponse> {
  return bytesResponse(request, 200, Buffer.from(await metrics.text()), {
    ...NOT_REMEMBERED,
    'content-type': metrics.contentType,
  });
}
