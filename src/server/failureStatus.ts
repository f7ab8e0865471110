/** Which status tells that something failed. */
import { type ErrorCode, isNarthexError } from '../errors.ts';

/** Codes of what upstreams and peers do, or say: nothing is wrong here, and it is no absence either. */
const GATEWAY_CODES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'CACHE_INFO_INVALID',
  'COMPRESSION_INVALID',
  'COMPRESSION_TRAILING',
  'COMPRESSION_TRUNCATED',
  'COMPRESSION_UNSUPPORTED',
  'CONTENT_ADDRESS_MISMATCH',
  'FILE_HASH_MISMATCH',
  'FILE_SIZE_MISMATCH',
  'FRANKENBUILD_REJECTED',
  'NARINFO_INVALID',
  'NAR_HASH_MISMATCH',
  'NAR_INVALID',
  'NAR_MISSING',
  'NAR_SIZE_MISMATCH',
  'NOT_A_BINARY_CACHE',
  'PEER_FAILED',
  'PROTO_INVALID',
  'REFERENCE_CYCLE',
  'REFERENCE_FAILED',
  'SIGNATURE_MISMATCH',
  'SIGNATURE_MISSING',
  'STORE_DIR_MISMATCH',
  'STORE_PATH_MISMATCH',
  'UPSTREAM_FAILED',
  'UPSTREAM_STATUS',
  'UPSTREAM_URL_FORBIDDEN',
]);

/** Limits (`limit` of `LIMIT_EXCEEDED`) that hold for a moment only. */
const PASSING_LIMITS: ReadonlySet<unknown> = new Set(['waitingClosures', 'answerTimeoutMs']);

/** 502 for the fault of an upstream, 503 for what passes by itself, 500 for all others. */
export function statusOfFailure(error: unknown): 500 | 502 | 503 {
  if (!isNarthexError(error)) return 500;
  if (GATEWAY_CODES.has(error.code)) return 502;
  const isPassing = error.code === 'LIMIT_EXCEEDED' && PASSING_LIMITS.has(error.facts['limit']);
  return isPassing ? 503 : 500;
}
