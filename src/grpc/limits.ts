/** Limits of what goes over gRPC. */

/** One message. A directory of 4 million entries does not fit, one of 100,000 does. */
export const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;
/** Contents travel in pieces of this length. */
export const BLOB_PIECE_BYTES = 1024 * 1024;
/** A blob that is put. */
export const MAX_BLOB_BYTES = 1024 ** 4;
/** Directories of one put. */
export const MAX_DIRECTORIES_PER_PUT = 20_000_000;
/**
 * A call with one answer must be over after so long; streams go at the pace of their readers, and must not be silent
 * for longer while they are waited for.
 */
export const DEFAULT_TIMEOUT_MS = 60_000;
