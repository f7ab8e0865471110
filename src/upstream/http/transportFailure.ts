/** Errors of undici, sockets and TLS as failures of an upstream. */
import { isNarthexError, type NarthexError } from '../../errors.ts';
import { codeOf, type FailureKind, upstreamFailed } from '../failure.ts';

const KINDS: Readonly<Record<string, FailureKind>> = {
  ECONNREFUSED: 'unreachable',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  EADDRNOTAVAIL: 'unreachable',
  ENOTFOUND: 'dns',
  EAI_AGAIN: 'dns',
  ENODATA: 'dns',
  UND_ERR_CONNECT_TIMEOUT: 'connectTimeout',
  UND_ERR_HEADERS_TIMEOUT: 'headersTimeout',
  UND_ERR_BODY_TIMEOUT: 'bodyTimeout',
  ETIMEDOUT: 'bodyTimeout', // of an open connection; see below for others
  ECONNRESET: 'reset',
  ECONNABORTED: 'reset',
  EPIPE: 'reset',
  UND_ERR_SOCKET: 'reset',
  // the end of an HTTP/2 connection, told to the requests on it
  UND_ERR_INFO: 'reset',
  UND_ERR_HEADERS_OVERFLOW: 'protocol',
  // what undici says when a connection that it would not have used again ends too early
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'reset',
  UND_ERR_DESTROYED: 'closed',
  UND_ERR_CLOSED: 'closed',
};

/** Texts by kind; what has none is told in the error's own words. */
const REASONS: Readonly<Partial<Record<FailureKind, string>>> = {
  unreachable: 'nothing answers there',
  dns: 'the host has no address',
  connectTimeout: 'no connection in time',
  headersTimeout: 'no answer in time',
  bodyTimeout: 'the answer stalled',
  reset: 'the connection broke',
  closed: 'closed already',
};

/** What HTTP/2 connections and the streams on them fail with. */
const HTTP2_CODE = /^ERR_HTTP2_/;
const TLS_CODE = /CERT|TLS|SSL|SIGNATURE|ISSUER|SELF_SIGNED/;
/** The name of the error of undici's parser, which has no code in undici 8. */
const PARSER_ERROR = 'HTTPParserError';
/** Its only sign of a chunked body that ends too early together with its connection. */
const EARLY_END = /\(Invalid EOF state\)/;

function kindOf(error: unknown): FailureKind {
  const code = codeOf(error) ?? '';
  if (code === 'ETIMEDOUT' && error instanceof Error && 'syscall' in error) {
    return error.syscall === 'connect' ? 'connectTimeout' : 'bodyTimeout';
  }
  const kind = KINDS[code];
  if (kind !== undefined) return kind;
  if (error instanceof Error && error.name === PARSER_ERROR) {
    return EARLY_END.test(error.message) ? 'reset' : 'protocol';
  }
  if (HTTP2_CODE.test(code)) return 'reset';
  return TLS_CODE.test(code) ? 'tls' : 'other';
}

/** Of several addresses that were tried, the first one's error tells most. */
function essential(error: unknown): unknown {
  if (error instanceof AggregateError && codeOf(error) === undefined) return error.errors[0];
  return error;
}

/** What the transport threw, as an `UPSTREAM_FAILED`; errors of ours pass unchanged. */
export function transportFailure(error: unknown, url: string, attempts: number): NarthexError {
  if (isNarthexError(error)) return error;
  const kind = kindOf(essential(error));
  const reason = REASONS[kind] ?? (error instanceof Error ? error.message : String(error));
  return upstreamFailed(kind, url, reason, { attempts }, error);
}

const TRANSIENT = new Set<unknown>(['headersTimeout', 'bodyTimeout', 'slow', 'reset']);

/** Whether it may go well the next time. */
export function isTransient(failure: NarthexError): boolean {
  return failure.code === 'UPSTREAM_FAILED' && TRANSIENT.has(failure.facts['kind']);
}
