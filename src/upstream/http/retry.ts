/**
 * What is tried again, how often and when.
 *
 * Tried again are failures that pass: 408, 429, 5xx but 501, 505 and 511, broken connections,
 * stalls, and two errors that S3 dresses up as 403 and 400. A connection that does not come about is
 * final: the resolver and TCP have tried again themselves by then. So a dead upstream fails
 *
 * - at once when it refuses connections or has no address,
 * - after the connect timeout when nothing comes back,
 * - after some seconds when it answers with errors (1.9 to 3.8 s of waiting by default),
 * - after the budget and one timeout more when it accepts connections and is silent.
 */
import { setTimeout as sleepFor } from 'node:timers/promises';
import { NarthexError } from '../../errors.ts';

/** How often something is asked for, the first time included. */
export const RETRY_ATTEMPTS = 5;
/** The wait after the first failure; it doubles with each further one. */
export const RETRY_BASE_DELAY_MS = 250;
/** The longest wait, unless the server asks for a longer one. */
export const RETRY_MAX_DELAY_MS = 8_000;
/** The longest `Retry-After` that is waited for; who asks for more gets no further attempt. */
export const RETRY_AFTER_MAX_MS = 30_000;
/** How long after the beginning a further attempt may start. */
export const RETRY_BUDGET_MS = 60_000;

/** Of how many failed attempts the last error tells; a body that makes progress has no fixed number. */
const FAILURES_TOLD = 10;

/** How patient to be, and by which clock. */
export interface RetryOptions {
  /** Attempts including the first, {@link RETRY_ATTEMPTS}; 1 for no retries. */
  readonly attempts?: number | undefined;
  /** {@link RETRY_BASE_DELAY_MS} */
  readonly baseDelayMs?: number | undefined;
  /** {@link RETRY_MAX_DELAY_MS} */
  readonly maxDelayMs?: number | undefined;
  /** {@link RETRY_AFTER_MAX_MS} */
  readonly retryAfterMaxMs?: number | undefined;
  /** {@link RETRY_BUDGET_MS} */
  readonly budgetMs?: number | undefined;
  /** Waits; rejects with the signal's reason. */
  readonly sleep?: ((delayMs: number, signal: AbortSignal) => Promise<void>) | undefined;
  /** Milliseconds since 1970. */
  readonly now?: (() => number) | undefined;
  /** From 0 up to 1, exclusive. */
  readonly random?: (() => number) | undefined;
}

async function sleepUntilAborted(delayMs: number, signal: AbortSignal): Promise<void> {
  try {
    await sleepFor(delayMs, undefined, { signal });
  } catch (error) {
    signal.throwIfAborted(); // with its own reason
    throw error;
  }
}

/** Counts the attempts at one thing, waits between them, and remembers how they failed. */
export class RetryBudget {
  readonly #options: RetryOptions;
  readonly #failures: string[] = [];
  #startedMs: number;
  #attempts = 1;
  #lastFailure: NarthexError | undefined;
  /** What the server asked for with it. */
  #retryAfterMs: number | undefined;

  constructor(options: RetryOptions = {}) {
    this.#options = options;
    this.#startedMs = this.#nowMs();
  }

  /** Attempts that have begun, since the last {@link renew}. */
  get attempts(): number {
    return this.#attempts;
  }

  /** The attempts count anew, after progress. What failed before is still told. */
  renew(): void {
    this.#attempts = 1;
    this.#startedMs = this.#nowMs();
  }

  /**
   * Waits until the next attempt is due: exponentially longer, by chance between half and whole,
   * so that many clients do not come back at the same moment.
   * @param failure of the attempt before
   * @param retryAfter the server's `Retry-After`, which makes the wait longer but never shorter
   * @returns `false`, at once, if there is to be no further attempt
   */
  async next(signal: AbortSignal, failure: NarthexError, retryAfter?: string): Promise<boolean> {
    const {
      attempts = RETRY_ATTEMPTS,
      baseDelayMs = RETRY_BASE_DELAY_MS,
      maxDelayMs = RETRY_MAX_DELAY_MS,
      retryAfterMaxMs = RETRY_AFTER_MAX_MS,
      budgetMs = RETRY_BUDGET_MS,
      sleep = sleepUntilAborted,
      random = Math.random,
    } = this.#options;
    const nowMs = this.#nowMs();
    const askedMs = retryAfterMs(retryAfter, nowMs);
    this.#note(failure, askedMs);
    if (this.#attempts >= attempts) return false;
    if (askedMs !== undefined && askedMs > retryAfterMaxMs) return false;
    const fullMs = Math.min(baseDelayMs * 2 ** (this.#attempts - 1), maxDelayMs);
    const backoffMs = fullMs * (0.5 + random() / 2);
    const delayMs = askedMs === undefined ? backoffMs : Math.max(backoffMs, askedMs);
    if (nowMs + delayMs - this.#startedMs > budgetMs) return false;
    await sleep(delayMs, signal);
    this.#attempts++;
    return true;
  }

  /**
   * The last failure as the error of all attempts, with `attempts`, `failures` (each in a word, oldest
   * first) and the `retryAfterMs` that the server asked for last. What is not about the upstream passes
   * unchanged.
   */
  exhausted(failure: NarthexError): NarthexError {
    const { code, message, facts, cause } = failure;
    if (code !== 'UPSTREAM_FAILED' && code !== 'UPSTREAM_STATUS') return failure;
    if (failure !== this.#lastFailure) this.#note(failure, undefined);
    const several = this.#failures.length > 1;
    const told = several ? `${message} (${this.#attempts} attempts)` : message;
    const more = {
      attempts: this.#attempts,
      ...(several ? { failures: [...this.#failures] } : {}),
      ...(this.#retryAfterMs === undefined ? {} : { retryAfterMs: this.#retryAfterMs }),
    };
    return new NarthexError(code, told, { ...facts, ...more }, cause);
  }

  #note(failure: NarthexError, askedMs: number | undefined): void {
    this.#lastFailure = failure;
    this.#retryAfterMs = askedMs;
    this.#failures.push(inAWord(failure, askedMs));
    if (this.#failures.length > FAILURES_TOLD) this.#failures.shift();
  }

  #nowMs(): number {
    return (this.#options.now ?? Date.now)();
  }
}

/** `status 503, Retry-After 7 s`, `reset`, `bodyTimeout at byte 1000`. */
function inAWord({ facts }: NarthexError, askedMs: number | undefined): string {
  const { status, kind, offset } = facts;
  const what = status === undefined ? String(kind) : `status ${status}`;
  const where = offset === undefined || offset === 0 ? '' : ` at byte ${offset}`;
  return `${what}${where}${askedMs === undefined ? '' : `, Retry-After ${askedMs / 1000} s`}`;
}

/** The day of the week with which all three forms of an HTTP date begin (RFC 9110, 5.6.7). */
const HTTP_DATE = /^\s*(Mon|Tue|Wed|Thu|Fri|Sat|Sun)/;

/** The wait that a `Retry-After` asks for: seconds, or an HTTP date. */
export function retryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\s*\d+\s*$/.test(header)) return Number(header) * 1000;
  if (!HTTP_DATE.test(header)) return undefined; // Date.parse makes something of `-1` too
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}

const RETRIED_CLIENT_ERRORS = new Set([408, 429]);
/** Not implemented, HTTP version not supported, network authentication required. */
const FINAL_SERVER_ERRORS = new Set([501, 505, 511]);

/** Whether a status is of the kind that passes. */
export function isRetriedStatus(status: number): boolean {
  if (RETRIED_CLIENT_ERRORS.has(status)) return true;
  return status >= 500 && status < 600 && !FINAL_SERVER_ERRORS.has(status);
}

/** S3's codes for a clock that is off and for a request that came in too slowly, by status. */
const RETRIED_S3_CODES: Readonly<Record<number, string>> = {
  400: 'RequestTimeout',
  403: 'RequestTimeTooSkewed',
};

/** Whether only the body can tell if an answer of this status is retried. */
export function mayBeRetriedS3Error(status: number): boolean {
  return status in RETRIED_S3_CODES;
}

/** Whether the XML body of an S3 error of that status has a code that is retried. */
export function isRetriedS3Error(status: number, body: string): boolean {
  return /<Code>\s*([A-Za-z]+)\s*<\/Code>/.exec(body)?.[1] === RETRIED_S3_CODES[status];
}
