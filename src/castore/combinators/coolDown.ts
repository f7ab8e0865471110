/**
 * Members of a group that failed are left alone for a while, so that not every question waits for
 * one that is down. The while grows with each failure in a row and is never the same twice, so that
 * many clients do not come back at once.
 */
import { isNarthexError } from '../../errors.ts';

/** The first pause. */
const BASE_MS = 1_000;
/** The longest one. */
const MAX_MS = 60_000;
/** How much a pause may be longer or shorter by chance. */
const JITTER = 0.25;

/** Codes of errors which tell that a service cannot be asked, and not that one thing in it is bad. */
const OUTAGES = ['UPSTREAM_FAILED', 'UPSTREAM_STATUS', 'STORE_FAILED', 'PEER_FAILED'] as const;

/** Whether an error is about the service as a whole. */
export function isOutage(error: unknown): boolean {
  return !isNarthexError(error) || OUTAGES.some((code) => error.code === code);
}

/** How pauses are measured. */
export interface CoolDownOptions {
  /** Milliseconds since any moment. */
  readonly now: () => number;
  /** From 0 to 1. */
  readonly random: () => number;
  /** The first pause in milliseconds. */
  readonly baseMs?: number | undefined;
}

/** Remembers which members failed, and until when they are left alone. */
export class CoolDown<Member extends object> {
  readonly #now: () => number;
  readonly #random: () => number;
  readonly #baseMs: number;
  readonly #failures = new WeakMap<Member, { error: unknown; inRow: number; until: number }>();

  constructor({ now, random, baseMs = BASE_MS }: CoolDownOptions) {
    this.#now = now;
    this.#random = random;
    this.#baseMs = baseMs;
  }

  /** The failure for which `member` is left alone at present. */
  failureOf(member: Member): { readonly error: unknown } | undefined {
    const failure = this.#failures.get(member);
    return failure !== undefined && this.#now() < failure.until ? failure : undefined;
  }

  /**
   * It could not be asked. One that is left alone already is so no longer for it: the question was under
   * way before, and many that fail together are one outage.
   */
  failed(member: Member, error: unknown): void {
    if (this.failureOf(member) !== undefined) return;
    const inRow = (this.#failures.get(member)?.inRow ?? 0) + 1;
    const pause = Math.min(MAX_MS, this.#baseMs * 2 ** (inRow - 1));
    const jittered = pause * (1 + JITTER * (2 * this.#random() - 1));
    this.#failures.set(member, { error, inRow, until: this.#now() + jittered });
  }

  /** It answered. */
  succeeded(member: Member): void {
    this.#failures.delete(member);
  }
}
