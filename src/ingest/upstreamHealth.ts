/**
 * Which upstreams are left alone for a while, so that not every question waits for one that is in
 * trouble. The while grows with each failure in a row, is never the same twice, and ends by itself.
 *
 * - *Down*: nothing answers there. It is not asked.
 * - *Failing*: it answers, but badly, several times in a row. It is asked after the others, and not
 *   left out: its trouble may be with a few files, and it may be the only one that has the others.
 */
import { CoolDown } from '../castore/combinators/coolDown.ts';
import { type ErrorFacts, NarthexError } from '../errors.ts';
import type { Upstream } from '../upstream/upstream.ts';

/** The first while, in milliseconds; it doubles up to a minute. */
export const UPSTREAM_COOL_DOWN_MS = 10_000;
/** How often in a row an upstream must answer badly to be *failing*. */
export const FAILURES_UNTIL_FAILING = 3;

/** The kinds of `UPSTREAM_FAILED` that tell that nothing answers. */
const DOWN_KINDS: ReadonlySet<unknown> = new Set([
  'unreachable',
  'dns',
  'connectTimeout',
  'tls',
  'headersTimeout',
]);

/** Those that are about how well it answers; others tell of one file. */
const FAILING_KINDS: ReadonlySet<unknown> = new Set(['reset', 'bodyTimeout', 'slow']);

/** How whiles are measured. */
export interface HealthOptions {
  /** Milliseconds since any moment. */
  readonly now?: (() => number) | undefined;
  /** From 0 to 1. */
  readonly random?: (() => number) | undefined;
}

/** What is known of several upstreams. */
export class UpstreamHealth {
  readonly #down: CoolDown<Upstream>;
  readonly #failing: CoolDown<Upstream>;
  readonly #badAnswersInRow = new WeakMap<Upstream, number>();

  constructor({ now = Date.now, random = Math.random }: HealthOptions = {}) {
    const options = { now, random, baseMs: UPSTREAM_COOL_DOWN_MS };
    this.#down = new CoolDown(options);
    this.#failing = new CoolDown(options);
  }

  /** The failure for which it is not asked at present. */
  downWith(upstream: Upstream): { readonly error: unknown } | undefined {
    return this.#down.failureOf(upstream);
  }

  /** Whether it is asked after the others at present. */
  isFailing(upstream: Upstream): boolean {
    return this.#failing.failureOf(upstream) !== undefined;
  }

  /** It answered, be it that there is nothing. */
  answered(upstream: Upstream): void {
    this.#down.succeeded(upstream);
    this.#failing.succeeded(upstream);
    this.#badAnswersInRow.delete(upstream);
  }

  /** Asking it failed. */
  failed(upstream: Upstream, error: unknown): void {
    if (!(error instanceof NarthexError)) return; // an abort, or a fault of ours
    const { code, facts } = error;
    if (code === 'UPSTREAM_FAILED' && DOWN_KINDS.has(facts['kind'])) {
      this.#down.failed(upstream, error);
    } else if (isBadAnswer(code, facts)) {
      const inRow = (this.#badAnswersInRow.get(upstream) ?? 0) + 1;
      this.#badAnswersInRow.set(upstream, inRow);
      // with a Retry-After it has said so itself
      const enough = inRow >= FAILURES_UNTIL_FAILING || facts['retryAfterMs'] !== undefined;
      if (enough) this.#failing.failed(upstream, error);
    }
  }
}

const TOO_MANY_REQUESTS = 429;
const SERVER_ERROR = 500;

function isBadAnswer(code: string, { kind, status }: ErrorFacts): boolean {
  if (code === 'UPSTREAM_FAILED') return FAILING_KINDS.has(kind);
  if (code !== 'UPSTREAM_STATUS' || typeof status !== 'number') return false;
  return status === TOO_MANY_REQUESTS || status >= SERVER_ERROR;
}
