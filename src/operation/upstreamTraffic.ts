/**
 * What is asked of binary caches over HTTP, as undici tells it to the whole process
 * (`node:diagnostics_channel`): each attempt counts, redirects and repetitions included.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';

/** How an attempt ended: by the class of its status, or without one. */
export type UpstreamOutcome = '1xx' | '2xx' | '3xx' | '4xx' | '5xx' | 'failed';

/** What is told of traffic. MUST NOT throw. */
export interface UpstreamListener {
  /** @param upstream an origin that was named, or `other` */
  attempt(upstream: string, outcome: UpstreamOutcome): void;
  received(upstream: string, bytes: number): void;
}

/** Origins that upstreams lead to and nobody has named: there may be any number of them. */
const OTHER = 'other';

/** The part of undici's messages that is needed. */
interface RequestMessage {
  readonly request: { readonly origin?: string | URL | undefined };
  readonly response?: { readonly statusCode: number };
  readonly chunk?: Uint8Array;
}

/** The last attempt at an upstream. */
interface LastAttempt {
  readonly outcome: UpstreamOutcome;
  readonly atMs: number;
}

/** Listens until it is disposed of. */
export class UpstreamTraffic implements Disposable {
  readonly #last = new Map<string, LastAttempt | undefined>();
  readonly #listener: UpstreamListener;
  readonly #handlers: readonly (readonly [channel: string, handler: (message: unknown) => void])[];

  /** @param addresses of upstreams; those that are no HTTP URLs have no traffic here */
  constructor(addresses: readonly string[], listener: UpstreamListener) {
    this.#listener = listener;
    for (const address of addresses) {
      const url = URL.parse(address);
      if (url !== null && /^https?:$/.test(url.protocol)) this.#last.set(url.origin, undefined);
    }
    this.#handlers = [
      ['undici:request:headers', (message) => this.#onHeaders(message as RequestMessage)],
      ['undici:request:error', (message) => this.#onEnd(message as RequestMessage, 'failed')],
      ['undici:request:bodyChunkReceived', (message) => this.#onChunk(message as RequestMessage)],
    ];
    for (const [channel, handler] of this.#handlers) subscribe(channel, handler);
  }

  /** How the last attempt at each upstream that was named ended, for people. */
  lines(): string[] {
    const now = performance.now();
    return [...this.#last].map(([upstream, last]) =>
      last === undefined
        ? `upstream ${upstream}: not asked yet`
        : `upstream ${upstream}: ${last.outcome}, ${Math.round((now - last.atMs) / 1000)} s ago`,
    );
  }

  [Symbol.dispose](): void {
    for (const [channel, handler] of this.#handlers) unsubscribe(channel, handler);
  }

  #onHeaders(message: RequestMessage): void {
    const status = message.response?.statusCode ?? 0;
    const outcome = OUTCOMES[Math.floor(status / 100)];
    if (outcome !== undefined) this.#onEnd(message, outcome);
  }

  #onEnd(message: RequestMessage, outcome: UpstreamOutcome): void {
    const upstream = this.#upstreamOf(message);
    if (upstream !== OTHER) this.#last.set(upstream, { outcome, atMs: performance.now() });
    this.#listener.attempt(upstream, outcome);
  }

  #onChunk(message: RequestMessage): void {
    this.#listener.received(this.#upstreamOf(message), message.chunk?.length ?? 0);
  }

  #upstreamOf({ request }: RequestMessage): string {
    const origin = String(request.origin).replace(/\/$/, '');
    return this.#last.has(origin) ? origin : OTHER;
  }
}

const OUTCOMES: Readonly<Record<number, UpstreamOutcome>> = {
  1: '1xx',
  2: '2xx',
  3: '3xx',
  4: '4xx',
  5: '5xx',
};
