/** Between protocols and routes: one request in, one answer out, with backpressure. */
import {
  type CacheRequest,
  type CacheResponse,
  type HttpRoutes,
  NOT_REMEMBERED,
  textResponse,
} from '../cacheRoutes/http.ts';
import { isNarthexError } from '../errors.ts';
import type { BodiesInFlight } from './bodiesInFlight.ts';
import type { Exchange } from './exchange.ts';
import { statusOfFailure } from './failureStatus.ts';

/** Is told about requests that failed by no fault of the client. */
export type ErrorReporter = (error: unknown, request: CacheRequest) => void;

/** What a client that finds no room is told to wait. */
const RETRY_AFTER_SECONDS = '10';

/**
 * Answers exchanges by `routes`.
 *
 * - A client that goes away aborts what is done for it.
 * - What fails before the first byte of a body is answered with the error's code, as 502 where an upstream
 *   is at fault and 500 else; what fails later breaks the answer off, short of the announced length.
 * - A body is streamed while there is room for it among all that are under way; else the answer is 503.
 */
export function requestHandler(
  routes: HttpRoutes,
  bodies: BodiesInFlight,
  reportError: ErrorReporter,
): (exchange: Exchange) => void {
  return (exchange) => {
    answer(routes, bodies, exchange, reportError).catch((error: unknown) => {
      if (!exchange.gone.aborted) reportError(error, exchange.request);
      exchange.breakOff();
    });
  };
}

/** Rejects when an answer was begun and could not be completed, or when nobody waits for one. */
async function answer(
  routes: HttpRoutes,
  bodies: BodiesInFlight,
  exchange: Exchange,
  reportError: ErrorReporter,
): Promise<void> {
  const { request, gone } = exchange;
  let response: CacheResponse;
  try {
    response = await routes.handle(request, { signal: gone, lentPieces: true });
    const { body } = response;
    if (body !== undefined && !(body instanceof Uint8Array)) {
      using slot = bodies.admit(() => exchange.breakOff());
      if (slot !== undefined) {
        await stream(response, body, exchange, (taken) => slot.wait(taken));
        return;
      }
      response = busyResponse(request);
    }
  } catch (error) {
    if (exchange.hasBegun || gone.aborted) throw error;
    reportError(error, request);
    const code = isNarthexError(error) ? error.code : 'internal error';
    response = textResponse(request, statusOfFailure(error), code, NOT_REMEMBERED);
  }
  exchange.begin(response.status, response.headers);
  // a stream was sent above
  exchange.end(response.body instanceof Uint8Array ? response.body : undefined);
}

async function stream(
  { status, headers }: CacheResponse,
  body: AsyncIterable<Uint8Array>,
  exchange: Exchange,
  wait: (taken: Promise<void>) => Promise<void>,
): Promise<void> {
  const iterator = body[Symbol.asyncIterator]();
  try {
    // before the head is sent, so that a failure here still has an answer
    let next = await iterator.next();
    exchange.begin(status, headers);
    while (next.done !== true) {
      await wait(exchange.write(next.value));
      next = await iterator.next();
    }
    exchange.end();
  } finally {
    await iterator.return?.();
  }
}

/** 503: a client that comes again later finds room. */
function busyResponse(request: CacheRequest): CacheResponse {
  return textResponse(request, 503, 'busy', {
    ...NOT_REMEMBERED,
    'retry-after': RETRY_AFTER_SECONDS,
  });
}
