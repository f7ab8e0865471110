/**
 * Errors over gRPC. A NarthexError becomes a status with its code and facts beside, so that a peer
 * that is narthex too throws the same error again; other peers see the status and the message.
 */
import { Code, ConnectError } from '@connectrpc/connect';
import {
  ERROR_CODES,
  type ErrorCode,
  type ErrorFacts,
  isNarthexError,
  NarthexError,
} from '../errors.ts';

/** Trailer with the code of a NarthexError. */
const CODE_TRAILER = 'narthex-code';
/** Trailer with the facts as JSON in base64: values may be any text. */
const FACTS_TRAILER = 'narthex-facts';
/** More is not sent along: trailers are headers, and those are short. */
const MAX_FACTS_BYTES = 4096;

/** The status of each code; what is in none of the lists is Internal. */
const CODES_OF_STATUS: readonly (readonly [Code, readonly ErrorCode[]])[] = [
  [
    Code.InvalidArgument,
    [
      'PROTO_INVALID',
      'PATH_INFO_INVALID',
      'NODE_INVALID',
      'DIRECTORY_INVALID',
      'DIGEST_INVALID',
      'DIGEST_MISMATCH',
      'STORE_PATH_INVALID',
      'STORE_PATH_MISMATCH',
      'SIGNATURE_INVALID',
      'CONTENT_ADDRESS_INVALID',
      'CONTENT_ADDRESS_MISMATCH',
      'NAR_HASH_MISMATCH',
      'NAR_SIZE_MISMATCH',
      'HASH_INVALID',
    ],
  ],
  [Code.ResourceExhausted, ['LIMIT_EXCEEDED']],
  [Code.NotFound, ['PATH_NOT_FOUND']],
  [
    Code.FailedPrecondition,
    [
      'BLOB_MISSING',
      'DIRECTORY_MISSING',
      'REFERENCE_MISSING',
      'REFERENCE_CYCLE',
      'VARIANT_CONFLICT',
      'PREFER_CONFLICT',
    ],
  ],
  [Code.PermissionDenied, ['READ_ONLY', 'SIGNATURE_MISSING', 'SIGNATURE_MISMATCH']],
  [Code.Unauthenticated, ['UNAUTHENTICATED']],
  [Code.Unimplemented, ['UNSUPPORTED']],
  [Code.Unavailable, ['UPSTREAM_FAILED', 'UPSTREAM_STATUS', 'PEER_FAILED']],
  [Code.DataLoss, ['STORE_INVALID']],
];

const STATUS_OF_CODE = new Map(
  CODES_OF_STATUS.flatMap(([status, codes]) => codes.map((code) => [code, status] as const)),
);

/** What a server answers instead of `error`. Of errors that are none of ours nothing is told. */
export function toConnectError(error: unknown, signal?: AbortSignal): ConnectError {
  if (error instanceof ConnectError) return error;
  if (signal?.aborted) return new ConnectError('the call was given up', Code.Canceled);
  if (!isNarthexError(error)) return new ConnectError('internal error', Code.Internal);
  const { facts } = error.toJSON();
  const text = Buffer.from(JSON.stringify(facts));
  return new ConnectError(
    error.message,
    STATUS_OF_CODE.get(error.code) ?? Code.Internal,
    {
      [CODE_TRAILER]: error.code,
      ...(text.length <= MAX_FACTS_BYTES ? { [FACTS_TRAILER]: text.toString('base64') } : {}),
    },
    undefined,
    error,
  );
}

/**
 * What a client throws instead of `error`: the reason of its own abort, the NarthexError of a peer
 * that is narthex too, else `PEER_FAILED`.
 */
export function fromConnectError(error: unknown, facts: ErrorFacts, signal?: AbortSignal): unknown {
  if (signal?.aborted) return signal.reason;
  if (isNarthexError(error)) return error;
  const status = ConnectError.from(error);
  const code = status.metadata.get(CODE_TRAILER);
  if (code !== null && isErrorCode(code)) {
    const told = factsOf(status.metadata.get(FACTS_TRAILER));
    return new NarthexError(code, status.rawMessage, { ...told, ...facts }, error);
  }
  const name = Code[status.code];
  return new NarthexError(
    'PEER_FAILED',
    `${facts['url']}: ${name}: ${status.rawMessage}`,
    { ...facts, status: name },
    error,
  );
}

/** Whether a peer says that something is not there. */
export function isNotFound(error: unknown): boolean {
  return ConnectError.from(error).code === Code.NotFound;
}

/** Whether a peer does not know a service or method. */
export function isUnimplemented(error: unknown): boolean {
  return ConnectError.from(error).code === Code.Unimplemented;
}

function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(ERROR_CODES, text);
}

/** Facts are for people and come from outside: what is not plain is left out. */
function factsOf(text: string | null): ErrorFacts {
  if (text === null) return {};
  try {
    const parsed: unknown = JSON.parse(Buffer.from(text, 'base64').toString());
    if (typeof parsed !== 'object' || parsed === null) return {};
    return Object.fromEntries(
      Object.entries(parsed).filter(([, value]) =>
        ['string', 'number', 'boolean'].includes(typeof value),
      ),
    );
  } catch {
    return {}; // the error itself is told all the same
  }
}
