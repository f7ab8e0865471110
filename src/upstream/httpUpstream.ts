/** A binary cache on the web. */
import type { Dispatcher } from 'undici';
import { checkLimit, DEFAULT_LIMITS, type Limits } from '../limits.ts';
import type { CacheInfo } from '../narinfo/cacheInfo.ts';
import { capped, checkMaxBytes, collect, ownedBody } from './body.ts';
import { upstreamFailed } from './failure.ts';
import { AddressGuard, type Resolve } from './http/addressGuard.ts';
import { BaseUrl } from './http/baseUrl.ts';
import {
  CONNECT_TIMEOUT_MS,
  contentLength,
  HEADER_BYTES,
  type HttpAnswer,
  HttpClient,
  type HttpTimeouts,
  SMALL_FILE_TIMEOUT_MS,
  statusError,
} from './http/client.ts';
import { contentEncodings, decodeContent } from './http/contentEncoding.ts';
import { NarOrigins } from './http/narOrigins.ts';
import { resumableBody } from './http/resumableBody.ts';
import type { RetryOptions } from './http/retry.ts';
import { Agent } from './http/undici.ts';
import { CACHE_INFO_FILE, KeptCacheInfo, narinfoFile } from './smallFiles.ts';
import type {
  Upstream,
  UpstreamFile,
  UpstreamFileRequest,
  UpstreamOptions,
  UpstreamRequest,
} from './upstream.ts';

/**
 * Connections to one origin at a time that narinfos are asked for on; further ones wait. Over HTTP/1.1 each has
 * one request at a time: at a round trip of 50 ms, 128 make 2,560 narinfos a second. Over HTTP/2 a few are enough.
 */
export const MAX_CONNECTIONS = 128;
/** The same for NARs, which have connections of their own, so that neither keeps the other waiting. */
const MAX_NAR_CONNECTIONS = 64;
/** Requests at a time on one HTTP/2 connection: what the large caches allow (Fastly, nginx: 100 to 128). */
const STREAMS_OF_CONNECTION = 100;

/** What a cache on the web is opened with, besides what every cache is. */
export interface HttpUpstreamOptions extends UpstreamOptions {
  /**
   * Makes the connections, in place of an agent of our own, and is not closed with the upstream.
   * Where host names lead is then for it to check: only addresses that stand in URLs are judged.
   */
  readonly dispatcher?: Dispatcher | undefined;
  /** The text of a netrc file, for an address without a password. */
  readonly netrc?: string | undefined;
  /**
   * Origins besides the cache's own at which a narinfo's `URL:` may be, such as
   * `https://nars.example`, or `any`. Redirects may lead anywhere in any case, but to addresses inside.
   */
  readonly narOrigins?: readonly string[] | undefined;
  readonly timeouts?: HttpTimeouts | undefined;
  readonly retry?: RetryOptions | undefined;
  /** See {@link REDIRECT_LIMIT}. */
  readonly redirectLimit?: number | undefined;
  /** {@link MAX_CONNECTIONS} for narinfos; NARs get no more either. Only without a dispatcher. */
  readonly maxConnections?: number | undefined;
  /** Whether narinfos are asked for over HTTP/2 where a cache speaks it; true by default. Only without a dispatcher. */
  readonly http2?: boolean | undefined;
  /** Resolves host names in place of the system; only without a dispatcher. */
  readonly resolve?: Resolve | undefined;
}

const OK = 200;
const NON_AUTHORITATIVE = 203;
const NOT_FOUND = 404;

/** S3 says 403 of what is absent to those who may not list; some delete with 410. */
const ABSENT = new Set([403, NOT_FOUND, 410]);
/** A cache that forbids its nix-cache-info is one all the same. */
const CACHE_INFO_ABSENT = new Set([NOT_FOUND]);

/** Whether there is content; a partial one was not asked for. */
function isOk({ status }: HttpAnswer): boolean {
  return status === OK || status === NON_AUTHORITATIVE;
}

/**
 * What makes the connections: for narinfos, which are small and many, and for NARs, which are few and large. Over
 * HTTP/2 a NAR would share its connection, and its pace would be that of windows.
 */
function agentsFor(
  options: HttpUpstreamOptions,
  guard: AddressGuard,
): { readonly small: Agent; readonly nar: Agent } {
  const { timeouts } = options;
  const connections = options.maxConnections ?? MAX_CONNECTIONS;
  const connect = {
    timeout: timeouts?.connectMs ?? CONNECT_TIMEOUT_MS,
    lookup: guard.lookup,
  };
  const common = { maxHeaderSize: HEADER_BYTES, connect };
  return {
    small: new Agent({
      ...common,
      connections,
      allowH2: options.http2 ?? true,
      h2Options: { maxConcurrentStreams: STREAMS_OF_CONNECTION },
    }),
    nar: new Agent({
      ...common,
      connections: Math.min(connections, MAX_NAR_CONNECTIONS),
      allowH2: false,
    }),
  };
}

class HttpUpstream implements Upstream {
  readonly url: string;
  readonly #base: BaseUrl;
  /** Asks for narinfos and the like. */
  readonly #smallClient: HttpClient;
  readonly #narClient: HttpClient;
  /** Ours, to be ended with this. */
  readonly #agents: readonly Agent[];
  readonly #narOrigins: NarOrigins;
  readonly #limits: Limits;
  readonly #info: KeptCacheInfo;
  readonly #closed = new AbortController();

  constructor(base: BaseUrl, options: HttpUpstreamOptions) {
    const { limits = DEFAULT_LIMITS, timeouts } = options;
    const guard = new AddressGuard(base.host, options.resolve);
    this.url = base.shown;
    this.#base = base;
    const agents = options.dispatcher === undefined ? agentsFor(options, guard) : undefined;
    this.#agents = agents === undefined ? [] : [agents.small, agents.nar];
    const { retry, redirectLimit, dispatcher } = options;
    const clientOf = (own: Agent | undefined, isSmall: boolean) => {
      const chosen = dispatcher ?? own;
      if (chosen === undefined) throw new Error('no dispatcher'); // one of the two is there
      const common = { guard, timeouts, retry, redirectLimit };
      return new HttpClient(base, { ...common, dispatcher: chosen, isSmall });
    };
    this.#smallClient = clientOf(agents?.small, true);
    this.#narClient = clientOf(agents?.nar, false);
    this.#narOrigins = new NarOrigins(base, options.narOrigins);
    this.#limits = limits;
    this.#info = new KeptCacheInfo(this.url, options);
  }

  cacheInfo({ signal }: UpstreamRequest = {}): Promise<CacheInfo> {
    return this.#info.get(signal, (shared) =>
      this.#small(CACHE_INFO_FILE, 'cacheInfoBytes', CACHE_INFO_ABSENT, shared),
    );
  }

  async narinfo(
    hashPart: string,
    { signal }: UpstreamRequest = {},
  ): Promise<Uint8Array | undefined> {
    return this.#small(narinfoFile(hashPart), 'narinfoBytes', ABSENT, signal);
  }

  async file(url: string, request: UpstreamFileRequest = {}): Promise<UpstreamFile | undefined> {
    const { maxBytes } = request;
    const target = this.#base.resolve(url);
    this.#narOrigins.check(target);
    const left = new AbortController();
    const signal = this.#signal(request.signal, left.signal);
    const client = this.#narClient;
    const budget = client.budget();
    const answer = await client.get(target, { signal, budget }, async (got) => got);
    if (ABSENT.has(answer.status)) return undefined;
    try {
      if (!isOk(answer)) throw statusError(answer, budget.attempts);
      const encodings = contentEncodings(answer.header('content-encoding'), answer.url);
      const sizeBytes = encodings.length === 0 ? contentLength(answer) : undefined;
      checkMaxBytes(answer.url, sizeBytes, maxBytes);
      let chunks = resumableBody(answer, { client, url: target, signal, budget });
      if (encodings.length > 0) {
        chunks = decodeContent(chunks, encodings, answer.url, { limits: this.#limits, signal });
      }
      if (maxBytes !== undefined) chunks = capped(chunks, answer.url, maxBytes);
      return { sizeBytes, body: ownedBody(chunks, { interrupt: () => left.abort() }) };
    } catch (error) {
      answer.body.destroy();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort(upstreamFailed('closed', this.url, 'closed already'));
    await Promise.all(this.#agents.map((agent) => agent.destroy()));
  }

  async #small(
    name: string,
    limit: 'cacheInfoBytes' | 'narinfoBytes',
    absent: ReadonlySet<number>,
    requestSignal: AbortSignal | undefined,
  ): Promise<Uint8Array | undefined> {
    const limits = this.#limits;
    const signal = this.#signal(requestSignal);
    const client = this.#smallClient;
    const budget = client.budget();
    return client.get(this.#base.resolve(name), { signal, budget }, async (answer) => {
      const { url } = answer;
      if (absent.has(answer.status)) return undefined;
      if (!isOk(answer)) throw statusError(answer, budget.attempts);
      const encodings = contentEncodings(answer.header('content-encoding'), url);
      checkLimit(limits, limit, contentLength(answer) ?? 0, { url });
      const paced = client.pace(SMALL_FILE_TIMEOUT_MS).through(answer.body, url);
      const body =
        encodings.length === 0 ? paced : decodeContent(paced, encodings, url, { limits, signal });
      return collect(body, limits, limit, url);
    });
  }

  /** Aborts with any of `signals`, and when the upstream is disposed of. */
  #signal(...signals: readonly (AbortSignal | undefined)[]): AbortSignal {
    const given = signals.filter((signal) => signal !== undefined);
    const signal = AbortSignal.any([this.#closed.signal, ...given]);
    signal.throwIfAborted();
    return signal;
  }
}

/**
 * Opens the binary cache at an address on the web. Nothing is asked yet.
 * @throws UPSTREAM_URL_INVALID it is not an http or https URL, or one of `narOrigins` is not an origin
 */
export function openHttpUpstream(
  address: string | URL,
  options: HttpUpstreamOptions = {},
): Upstream {
  return new HttpUpstream(new BaseUrl(address, options.netrc), options);
}
