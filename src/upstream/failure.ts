/** How an upstream fails: the kinds that `UPSTREAM_FAILED` carries in its facts. */
import { type ErrorFacts, NarthexError } from '../errors.ts';

/** What went wrong, in one word. */
export type FailureKind =
  /** Nothing answers at that address: refused, or no way there. */
  | 'unreachable'
  /** The host name has no address. */
  | 'dns'
  /** No connection in time. */
  | 'connectTimeout'
  /** TLS: certificate or handshake. */
  | 'tls'
  /** A connection, but no answer in time. */
  | 'headersTimeout'
  /** An answer, but its body stalled. */
  | 'bodyTimeout'
  /** A body that is never silent, but gives next to nothing. */
  | 'slow'
  /** A body that took too long altogether. */
  | 'totalTimeout'
  /** The connection broke. */
  | 'reset'
  /** The body is longer or shorter than announced. */
  | 'length'
  /** The file is another one than when its reading began. */
  | 'changed'
  /** Not HTTP as we know it. */
  | 'protocol'
  /** Redirected too often. */
  | 'redirects'
  /** The file system refused. */
  | 'io'
  /** The upstream was disposed of. */
  | 'closed'
  | 'other';

/** An `UPSTREAM_FAILED` of that kind. */
export function upstreamFailed(
  kind: FailureKind,
  url: string,
  reason: string,
  facts: ErrorFacts = {},
  cause?: unknown,
): NarthexError {
  return new NarthexError('UPSTREAM_FAILED', `${url}: ${reason}`, { ...facts, url, kind }, cause);
}

/** The `code` that Node's and undici's errors carry, such as `ENOENT`. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || error instanceof NarthexError) return undefined;
  if (!('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
