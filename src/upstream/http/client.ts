/**
 * GET, as one wants it from a binary cache: redirects followed, credentials only where they belong,
 * tried again where that helps. What a final status means is for the caller to say.
 */
import type { Dispatcher } from 'undici';
import { abortable } from '../../abortable.ts';
import { NarthexError } from '../../errors.ts';
import { upstreamFailed } from '../failure.ts';
import type { AddressGuard } from './addressGuard.ts';
import { type BaseUrl, resolveUrl, shownUrl } from './baseUrl.ts';
import { Pace } from './pace.ts';
import {
  isRetriedS3Error,
  isRetriedStatus,
  mayBeRetriedS3Error,
  RetryBudget,
  type RetryOptions,
} from './retry.ts';
import { isTransient, transportFailure } from './transportFailure.ts';
import { Turns } from './turns.ts';
import { request } from './undici.ts';

/** How many redirects are followed; curl and browsers follow 20 to 50, real caches need 1 or 2. */
export const REDIRECT_LIMIT = 10;
/** How long the head of an answer may be. Real ones stay below 2 KiB; Node's own servers take as much. */
export const HEADER_BYTES = 16 * 1024;
/** How long a TCP and TLS handshake may take. TCP sends its first packet again after 1, 3, 7 s. */
export const CONNECT_TIMEOUT_MS = 10_000;
/** How long the head of an answer may take. */
export const HEADERS_TIMEOUT_MS = 30_000;
/** For how long a body may be silent. */
export const BODY_TIMEOUT_MS = 30_000;
/** For how long altogether the bytes of one file are waited for: a terabyte at 100 Mbit/s. */
export const TOTAL_TIMEOUT_MS = 24 * 60 * 60_000;
/** The same for a narinfo or nix-cache-info, which is small. */
export const SMALL_FILE_TIMEOUT_MS = 120_000;

/** How much of a body is read ahead of its consumer, so that the network does not wait for it. */
const READ_AHEAD_BYTES = 1024 * 1024;
/** Bodies of errors are read up to here to keep the connection, which longer ones lose. */
const DISCARD_BYTES = 64 * 1024;
/** S3's errors have some 300 bytes. */
const S3_ERROR_BYTES = 16 * 1024;

const USER_AGENT = 'narthex';

const REDIRECTS = new Set([301, 302, 303, 307, 308]);
/** 203 is a 200 that a proxy has touched; 206 is the answer to a `Range`. */
const WITH_CONTENT = new Set([200, 203, 206]);

/** How long to wait for what, in milliseconds. */
export interface HttpTimeouts {
  /** {@link CONNECT_TIMEOUT_MS} */
  readonly connectMs?: number | undefined;
  /** {@link HEADERS_TIMEOUT_MS} */
  readonly headersMs?: number | undefined;
  /** {@link BODY_TIMEOUT_MS} */
  readonly bodyMs?: number | undefined;
  /** {@link TOTAL_TIMEOUT_MS}, of a NAR; of a small file {@link SMALL_FILE_TIMEOUT_MS}, if that is less. */
  readonly totalMs?: number | undefined;
  /** What a body that is never silent must give at least; 0 for anything. See {@link Pace}. */
  readonly slowestBytesPerSecond?: number | undefined;
}

/** A final answer. */
export interface HttpAnswer {
  /** Where it came from, for messages. */
  readonly url: string;
  readonly status: number;
  /** The value of a header by its lower-case name. */
  header(name: string): string | undefined;
  /** To be read or destroyed if the status is one with content; gone for every other. */
  readonly body: Dispatcher.ResponseData['body'];
}

/** What a {@link HttpClient} is made of. */
export interface HttpClientOptions {
  readonly dispatcher: Dispatcher;
  readonly guard: AddressGuard;
  readonly timeouts?: HttpTimeouts | undefined;
  readonly retry?: RetryOptions | undefined;
  /** {@link REDIRECT_LIMIT} */
  readonly redirectLimit?: number | undefined;
  /**
   * All that is asked for is small: where nothing gets an answer for as long as a connection, a head and a silent
   * body may take together, what waits for its turn fails. NARs may have all connections for hours. Default `false`.
   */
  readonly isSmall?: boolean | undefined;
}

/** One GET. */
export interface HttpRequest {
  readonly signal: AbortSignal;
  readonly headers?: Readonly<Record<string, string>>;
  /** To go on with an earlier one's attempts. */
  readonly budget?: RetryBudget;
}

/** The error for a status that means nothing else. */
export function statusError({ url, status }: HttpAnswer, attempts: number): NarthexError {
  const facts = { url, status, attempts };
  return new NarthexError('UPSTREAM_STATUS', `${url} answered with status ${status}`, facts);
}

/** The `Content-Length` of an answer, if it has a sensible one. */
export function contentLength(answer: HttpAnswer): number | undefined {
  const text = answer.header('content-length');
  if (text === undefined || !/^\d+$/.test(text)) return undefined;
  const length = Number(text);
  return Number.isSafeInteger(length) ? length : undefined;
}

/** Asks one cache, and wherever that leads. */
export class HttpClient {
  readonly #base: BaseUrl;
  readonly #options: HttpClientOptions;
  readonly #turns: Turns | undefined;

  constructor(base: BaseUrl, options: HttpClientOptions) {
    this.#base = base;
    this.#options = options;
    const {
      connectMs = CONNECT_TIMEOUT_MS,
      headersMs = HEADERS_TIMEOUT_MS,
      bodyMs = BODY_TIMEOUT_MS,
    } = options.timeouts ?? {};
    this.#turns = options.isSmall ? new Turns(connectMs + headersMs + bodyMs) : undefined;
  }

  /** The attempts that one thing may take. */
  budget(): RetryBudget {
    return new RetryBudget(this.#options.retry);
  }

  /** Watches the time that one file may take. */
  pace(longestMs = Number.POSITIVE_INFINITY): Pace {
    const { timeouts = {}, retry = {} } = this.#options;
    const totalMs = Math.min(timeouts.totalMs ?? TOTAL_TIMEOUT_MS, longestMs);
    const { slowestBytesPerSecond } = timeouts;
    return new Pace({ totalMs, slowestBytesPerSecond, now: retry.now });
  }

  /**
   * Asks until there is a final answer and `use` could do with it what it wanted.
   * @param use when it fails in a way that passes (its reading of the body was cut off), all of it
   *   is tried again
   * @throws UPSTREAM_FAILED | UPSTREAM_STATUS after all attempts, with their number
   * @throws UPSTREAM_URL_FORBIDDEN a redirect leads where it may not
   */
  async get<T>(
    url: URL,
    { signal, headers = {}, budget = this.budget() }: HttpRequest,
    use: (answer: HttpAnswer) => Promise<T>,
  ): Promise<T> {
    for (;;) {
      let failure: NarthexError;
      let retryAfter: string | undefined;
      let body: HttpAnswer['body'] | undefined;
      try {
        const answer = await this.#follow(url, headers, signal);
        body = answer.body;
        if (!(await isRetried(answer))) {
          if (!WITH_CONTENT.has(answer.status)) discard(answer.body);
          return await use(answer);
        }
        failure = statusError(answer, budget.attempts);
        retryAfter = answer.header('retry-after');
        discard(answer.body);
      } catch (error) {
        body?.destroy();
        signal.throwIfAborted();
        failure = transportFailure(error, shownUrl(url), budget.attempts);
        if (!isTransient(failure)) throw budget.exhausted(failure);
      }
      if (!(await budget.next(signal, failure, retryAfter))) throw budget.exhausted(failure);
    }
  }

  async #follow(
    url: URL,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<HttpAnswer> {
    const { redirectLimit = REDIRECT_LIMIT } = this.#options;
    let target = url;
    for (let redirects = 0; ; redirects++) {
      const answer = await this.#ask(target, headers, signal);
      const location = answer.header('location');
      if (!REDIRECTS.has(answer.status) || location === undefined) return answer;
      discard(answer.body);
      if (redirects === redirectLimit) {
        const reason = `redirected more than ${redirectLimit} times`;
        throw upstreamFailed('redirects', shownUrl(url), reason, { expected: redirectLimit });
      }
      target = resolveUrl(location, target);
    }
  }

  async #ask(
    url: URL,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<HttpAnswer> {
    const { dispatcher, guard, timeouts = {} } = this.#options;
    guard.check(url);
    const authorization = this.#base.authorizationFor(url);
    const send = (watched: AbortSignal) => {
      const answered = request(dispatcher, url, {
        signal: watched,
        headers: {
          'user-agent': USER_AGENT,
          // an encoded body cannot be resumed, and NARs are compressed already
          'accept-encoding': 'identity',
          ...headers,
          ...(authorization === undefined ? {} : { authorization }),
        },
        headersTimeout: timeouts.headersMs ?? HEADERS_TIMEOUT_MS,
        bodyTimeout: timeouts.bodyMs ?? BODY_TIMEOUT_MS,
        highWaterMark: READ_AHEAD_BYTES,
      });
      // undici looks at the signal of a request no sooner than when its turn comes
      return abortable(answered, watched);
    };
    const stuck = () =>
      upstreamFailed('headersTimeout', shownUrl(url), 'no request got its turn in time', {});
    const response = await (this.#turns?.watch(signal, send, stuck) ?? send(signal));
    // a body may fail while nobody reads it; who does read it gets the error all the same
    response.body.on('error', () => {});
    return {
      url: shownUrl(url),
      status: response.statusCode,
      body: response.body,
      header(name) {
        const value = response.headers[name];
        return Array.isArray(value) ? value.join(', ') : value;
      },
    };
  }
}

/** Reads what is left of a body that is of no interest, so that its connection can be used again. */
function discard(body: HttpAnswer['body']): void {
  // not waited for; it ends by itself, at worst with the body's timeout
  body.dump({ limit: DISCARD_BYTES }).catch(() => {});
}

async function isRetried(answer: HttpAnswer): Promise<boolean> {
  const { status, body } = answer;
  if (isRetriedStatus(status)) return true;
  if (!mayBeRetriedS3Error(status)) return false;
  if (!/xml/i.test(answer.header('content-type') ?? '')) return false;
  if ((contentLength(answer) ?? 0) > S3_ERROR_BYTES) return false;
  return isRetriedS3Error(status, await firstText(body));
}

/** The beginning of a body as text. */
async function firstText(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let total = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    total += chunk.length;
    if (total >= S3_ERROR_BYTES) break;
  }
  return Buffer.concat(chunks).toString('latin1');
}
