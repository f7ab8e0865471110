/**
 * The one error class of narthex, and the table of its codes.
 *
 * Match `code`, never the message. Absence is `undefined`, an abort stays the abort's own reason,
 * everything else that goes wrong is a {@link NarthexError}. `docs/errors.md` explains each code.
 */

/** Every code that a {@link NarthexError} can carry, with the sentence that says what it means. */
export const ERROR_CODES = {
  // formats
  NIXBASE32_INVALID: 'a text is not canonical nixbase32',
  HASH_INVALID: 'a text is not a hash in any of the four spellings',
  STORE_PATH_INVALID: 'a text is not a store path, base name or hash part',
  KEY_INVALID: 'a public or secret key is malformed',
  SIGNATURE_INVALID: 'a signature is malformed',
  CONTENT_ADDRESS_INVALID: 'a content address (CA) is malformed or not allowed for this path',
  NARINFO_INVALID: 'a narinfo is malformed',
  CACHE_INFO_INVALID: 'a nix-cache-info is malformed',
  NAR_INVALID: 'a NAR breaks its grammar',
  LISTING_INVALID: 'a NAR listing (.ls) is malformed',
  REALISATION_INVALID: 'a realisation (.doi) is malformed, or another than its name says',
  DEBUG_INFO_INVALID: 'a file of debuginfo/ is malformed',
  COMPRESSION_UNSUPPORTED: 'a compression that this version does not decode',
  COMPRESSION_INVALID: 'compressed data is corrupt',
  COMPRESSION_TRUNCATED: 'compressed data ends too early',
  COMPRESSION_TRAILING: 'bytes follow the end of compressed data',
  LIMIT_EXCEEDED: 'a length, depth, count or time passes a named limit',
  // castore
  NODE_INVALID: 'a castore node is malformed',
  DIRECTORY_INVALID: 'a castore directory is malformed',
  DIGEST_INVALID: 'a digest has the wrong length or spelling',
  DIGEST_MISMATCH: 'content does not hash to the digest it is stored or expected under',
  BLOB_MISSING: 'a blob that something refers to is not there',
  DIRECTORY_MISSING: 'a directory that something refers to is not there',
  FILE_NOT_FOUND: 'no such file inside a store path',
  NOT_A_DIRECTORY: 'a directory was needed inside a store path',
  NOT_A_FILE: 'a regular file was needed inside a store path',
  // path infos
  PATH_INFO_INVALID: 'a PathInfo breaks a rule of its construction',
  LOG_NOT_FOUND: 'no build log of a store path is kept',
  PATH_NOT_FOUND: 'a store path is not in the store or in any upstream',
  REFERENCE_MISSING: 'a PathInfo refers to content that is not stored',
  VARIANT_CONFLICT: 'another variant of the store path is stored and this service holds only one',
  PREFER_CONFLICT: 'a variant cannot become current without breaking the current view',
  READ_ONLY: 'this service takes no writes',
  UNSUPPORTED: 'this service cannot do what was asked',
  // what upstreams say
  UPSTREAM_DIFFERS: 'an upstream has other content for a store path than the one that is kept',
  STORE_DIR_MISMATCH: 'a binary cache is for another store directory',
  NOT_A_BINARY_CACHE: 'there is no nix-cache-info where a binary cache should be',
  STORE_PATH_MISMATCH:
    "a narinfo or a peer's answer is about another store path than was asked for",
  SIGNATURE_MISSING: 'no signature by a trusted key, and no content address instead',
  SIGNATURE_MISMATCH: 'a signature by a trusted key does not verify',
  LISTING_MISMATCH: 'a NAR listing (.ls) is not that of the path that it is about',
  NAR_HASH_MISMATCH: 'a NAR does not hash to the NarHash of its narinfo',
  NAR_SIZE_MISMATCH: 'a NAR is not as long as the NarSize of its narinfo',
  FILE_HASH_MISMATCH: 'a downloaded file does not hash to the FileHash of its narinfo',
  FILE_SIZE_MISMATCH: 'a downloaded file is not as long as the FileSize of its narinfo',
  CONTENT_ADDRESS_MISMATCH: 'content or store path does not agree with the content address (CA)',
  NAR_MISSING: 'an upstream has the narinfo but not its NAR',
  REFERENCE_FAILED: 'a reference could not be ingested, so its referrer was not either',
  FRANKENBUILD_REJECTED:
    'a path would refer to content that its upstream does not mean, and policy refuses that',
  REFERENCE_CYCLE: 'store paths refer to each other in a cycle',
  // I/O
  UPSTREAM_URL_INVALID: 'the address of an upstream is malformed or of an unknown kind',
  UPSTREAM_URL_FORBIDDEN: 'a URL leads where policy does not let it',
  UPSTREAM_FAILED: 'an upstream could not be asked',
  UPSTREAM_STATUS: 'an upstream answered with an error status',
  PEER_FAILED: 'a gRPC peer could not be asked, or failed',
  PROTO_INVALID: 'a message of a gRPC peer or client is malformed',
  UNAUTHENTICATED: 'a write without a token that is known here',
  CONFIG_INVALID: 'a configuration file or an address of a service is wrong',
  ZIP_INVALID: 'a zip file is malformed',
  STORE_INVALID: 'a store is damaged',
  STORE_VERSION: 'a store was written by an incompatible version',
  STORE_FAILED: 'the store could not be read or written',
  WORKER_FAILED: 'a worker thread ended while it had work',
  STORE_BUSY: 'another process does what only one can do at a time, or does not answer',
  RESTORE_FAILED: 'a path could not be written to the file system',
  LISTEN_FAILED: 'a server could not listen at an address or on a socket that was passed to it',
  OUTPUT_FAILED: 'standard output or standard error could not be written',
  USAGE: 'the command line is wrong',
} as const;

/** A stable name of a kind of error. */
export type ErrorCode = keyof typeof ERROR_CODES;

/** What is known about an error: only plain values, so that it prints as JSON. */
export type ErrorFacts = Readonly<
  Record<string, string | number | bigint | boolean | readonly string[] | undefined>
>;

/** Every error that narthex throws on purpose. */
export class NarthexError extends Error {
  override readonly name = 'NarthexError';
  /** The stable name to match. */
  readonly code: ErrorCode;
  /** What is known: `url`, `offset`, `expected`, `actual`, `storePath`, … */
  readonly facts: ErrorFacts;

  /**
   * @param code the stable name
   * @param message one sentence for people: what, where
   * @param facts what is known, as plain values
   * @param cause the error underneath, if there is one
   */
  constructor(code: ErrorCode, message: string, facts: ErrorFacts = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.facts = facts;
  }

  /** The same as data, for `--json`. Bigints become decimal strings. */
  toJSON(): { code: ErrorCode; message: string; facts: Record<string, unknown>; cause?: unknown } {
    const facts = Object.fromEntries(
      Object.entries(this.facts)
        .filter(([, value]) => value !== undefined)
        .map(([key, value]) => [key, typeof value === 'bigint' ? value.toString() : value]),
    );
    const { cause } = this;
    if (cause === undefined) return { code: this.code, message: this.message, facts };
    return {
      code: this.code,
      message: this.message,
      facts,
      cause: cause instanceof NarthexError ? cause.toJSON() : String(cause),
    };
  }
}

/** Whether `error` is a {@link NarthexError}, of `code` when one is given. */
export function isNarthexError(error: unknown, code?: ErrorCode): error is NarthexError {
  return error instanceof NarthexError && (code === undefined || error.code === code);
}
