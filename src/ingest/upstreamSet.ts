/** Several upstreams in the order in which they are asked. */
import { setTimeout as sleepFor } from 'node:timers/promises';
import { abortable } from '../abortable.ts';
import { NarthexError } from '../errors.ts';
import { STORE_DIR } from '../storePath.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { type HealthOptions, UpstreamHealth } from './upstreamHealth.ts';

/** Priority of a cache whose nix-cache-info names none. Source: Nix `store-api.hh`. */
const DEFAULT_PRIORITY = 50;
/**
 * For how long the first question waits for the priorities of all upstreams, in milliseconds. Those
 * that have not told theirs by then are asked after the others.
 */
export const UPSTREAM_PATIENCE_MS = 3_000;

interface Member {
  readonly upstream: Upstream;
  /** `undefined` as long as it is not known. */
  priority: number | undefined;
}

/** How {@link UpstreamSet.first} asks. */
export interface AskOptions {
  /** Ends the waiting for priorities; what is asked must heed it by itself. */
  readonly signal?: AbortSignal | undefined;
  /** Those that are not asked. */
  readonly except?: ReadonlySet<Upstream> | undefined;
}

/**
 * Upstreams sorted by the priority that their nix-cache-info names, lower first, and otherwise in
 * the order given. One that is in trouble does not stop the others and is left alone for a while
 * (`upstreamHealth.ts`).
 */
export class UpstreamSet implements AsyncDisposable {
  readonly #members: readonly Member[];
  readonly #health: UpstreamHealth;
  readonly #patienceMs: number;
  #priorities: Promise<void> | undefined;

  constructor(
    upstreams: readonly Upstream[],
    options: HealthOptions & { readonly patienceMs?: number } = {},
  ) {
    this.#members = upstreams.map((upstream) => ({
      upstream,
      priority: undefined,
    }));
    this.#health = new UpstreamHealth(options);
    this.#patienceMs = options.patienceMs ?? UPSTREAM_PATIENCE_MS;
  }

  /**
   * Asks one upstream after the other until one has an answer.
   * @returns the first answer; `undefined` when all of them could be asked and none has one
   * @throws what the first one threw that could not be asked or answered badly, when none of the
   *   others has an answer: a failure is never absence
   */
  async first<T>(
    ask: (upstream: Upstream) => Promise<T | undefined>,
    { signal, except }: AskOptions = {},
  ): Promise<T | undefined> {
    const failures: unknown[] = [];
    for (const member of await this.#ordered(signal)) {
      if (except?.has(member.upstream)) continue;
      try {
        const answer = await this.#ask(member, ask);
        if (answer !== undefined) return answer;
      } catch (error) {
        // what is no NarthexError is an abort, or a fault of ours
        if (!(error instanceof NarthexError)) throw error;
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
    return undefined;
  }

  /**
   * Asks this one.
   * @throws what it throws; what it threw last, while it is left alone
   */
  async one<T>(upstream: Upstream, ask: (upstream: Upstream) => Promise<T>): Promise<T> {
    const member = this.#members.find((one) => one.upstream === upstream);
    return member === undefined ? await ask(upstream) : await this.#ask(member, ask);
  }

  /** Whether there are others than these. */
  hasOthers(except: ReadonlySet<Upstream>): boolean {
    return this.#members.some(({ upstream }) => !except.has(upstream));
  }

  async #ask<T>(member: Member, ask: (upstream: Upstream) => Promise<T>): Promise<T> {
    const { upstream } = member;
    const down = this.#health.downWith(upstream);
    if (down !== undefined) throw down.error;
    try {
      const answer = await ask(upstream);
      this.#health.answered(upstream);
      return answer;
    } catch (error) {
      this.#health.failed(upstream, error);
      throw error;
    }
  }

  /** The upstreams in order, as far as it is known after a moment of patience. */
  async #ordered(signal: AbortSignal | undefined): Promise<readonly Member[]> {
    if (this.#members.length > 1) {
      this.#priorities ??= this.#askPriorities();
      await abortable(this.#priorities, signal);
    }
    const rank = ({ priority }: Member) => priority ?? Number.POSITIVE_INFINITY;
    // not a difference: of two that are not known it would be NaN
    const sorted = this.#members.toSorted((a, b) =>
      rank(a) < rank(b) ? -1 : rank(a) > rank(b) ? 1 : 0,
    );
    const isFailing = ({ upstream }: Member) => this.#health.isFailing(upstream);
    return [...sorted.filter((one) => !isFailing(one)), ...sorted.filter(isFailing)];
  }

  /** Asks every upstream for its priority once, all at the same time. */
  async #askPriorities(): Promise<void> {
    const answered = new AbortController();
    const all = Promise.all(this.#members.map((member) => this.#askPriority(member)));
    const patience = sleepFor(this.#patienceMs, undefined, { signal: answered.signal });
    await Promise.race([all, patience.catch(() => {})]);
    answered.abort();
  }

  async #askPriority(member: Member): Promise<void> {
    let priority: number | undefined;
    try {
      ({ priority } = await member.upstream.cacheInfo());
    } catch (error) {
      // asked again, and complained about, when it is its turn
      this.#health.failed(member.upstream, error);
    }
    member.priority = priority ?? DEFAULT_PRIORITY;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#members.map(({ upstream }) => upstream[Symbol.asyncDispose]()));
  }
}

/**
 * Passes an upstream that is a binary cache for our store directory.
 * @throws NOT_A_BINARY_CACHE | STORE_DIR_MISMATCH
 */
export async function requireCache(upstream: Upstream, signal?: AbortSignal): Promise<void> {
  const { storeDir } = await upstream.cacheInfo({ signal });
  if (storeDir !== STORE_DIR) {
    throw new NarthexError(
      'STORE_DIR_MISMATCH',
      `${upstream.url} is a cache for ${storeDir}, not for ${STORE_DIR}`,
      { url: upstream.url, expected: STORE_DIR, actual: storeDir },
    );
  }
}
