/** Between protocols and routes: one request in, one answer out, with backpressure. */
import { abortable } from '../abortable.ts';
import {
  type CacheRequest,
  type CacheResponse,
  type HttpRoutes,
  NOT_REMEMBERED,
  RETRY_LATER,
  textResponse,
} from '../cacheRoutes/http.ts';
import { isNarthexError } from '../errors.ts';
import { AnswerDeadline } from './answerDeadline.ts';
import type { BodiesInFlight } from './bodiesInFlight.ts';
import type { Exchange } from './exchange.ts';
import { statusOfFailure } from './failureStatus.ts';

/** Is told about requests that failed by no fault of the client. */
export type ErrorReporter = (error: unknown, request: CacheRequest) => void;

/** What answers are made of. */
export interface RequestHandling {
  readonly routes: HttpRoutes;
  readonly bodies: BodiesInFlight;
  readonly reportError: ErrorReporter;
  /** Until an answer begins. */
  readonly answerTimeoutMs: number;
}

/**
 * Answers exchanges by `routes`.
 *
 * - A client that goes away aborts what is done for it.
 * - What fails before the first byte of a body, or does not come to it in time, is answered with the error's
 *   code, as 502 where an upstream is at fault, 503 where it passes by itself, and 500 else; what fails later
 *   breaks the answer off, short of the announced length.
 * - A body is streamed while there is room for it among all that are under way; else the answer is 503.
 */
export function requestHandler(handling: RequestHandling): (exchange: Exchange) => void {
  return (exchange) => {
    answer(handling, exchange).catch((error: unknown) => {
      if (!exchange.gone.aborted) handling.reportError(error, exchange.request);
      exchange.breakOff();
    });
  };
}

/** Rejects when an answer was begun and could not be completed, or when nobody waits for one. */
async function answer(
  { routes, bodies, reportError, answerTimeoutMs }: RequestHandling,
  exchange: Exchange,
): Promise<void> {
  const { request, gone } = exchange;
  using deadline = new AnswerDeadline(exchange, answerTimeoutMs);
  const { signal } = deadline;
  let response: CacheResponse;
  try {
    const lentPieces = exchange.takesLent;
    response = await abortable(routes.handle(request, { signal, lentPieces }), signal);
    const { body } = response;
    if (body !== undefined && !(body instanceof Uint8Array)) {
      using slot = bodies.admit(() => exchange.breakOff());
      if (slot !== undefined) {
        await stream(response, body, exchange, deadline, (taken) => slot.wait(taken));
        return;
      }
      response = textResponse(request, 503, 'busy', RETRY_LATER);
    }
  } catch (error) {
    if (exchange.hasBegun || gone.aborted) throw error;
    reportError(error, request);
    const code = isNarthexError(error) ? error.code : 'internal error';
    const status = statusOfFailure(error);
    const headers = status === 503 ? RETRY_LATER : NOT_REMEMBERED;
    response = textResponse(request, status, code, headers);
  }
  exchange.begin(response.status, response.headers);
  // a stream was sent above
  exchange.end(response.body instanceof Uint8Array ? response.body : undefined);
}

async function stream(
  { status, headers }: CacheResponse,
  body: AsyncIterable<Uint8Array>,
  exchange: Exchange,
  deadline: AnswerDeadline,
  wait: (taken: Promise<void>) => Promise<void>,
): Promise<void> {
  const iterator = body[Symbol.asyncIterator]();
  try {
    // before the head is sent, so that a failure here still has an answer
    let next = await iterator.next();
    deadline.met();
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
