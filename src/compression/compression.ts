/**
 * Strict streaming decompression: every byte of the input belongs to a whole stream of its format,
 * or there is an error. Most decoders let one of truncation, trailing bytes and further streams
 * pass; a NAR must not depend on which.
 */
import { setImmediate } from 'node:timers/promises';
import { NarthexError } from '../errors.ts';
import { DEFAULT_LIMITS, type Limits } from '../limits.ts';
import { COMPRESSIONS, type Compression, DECODERS, type DecoderTable } from './decoders.ts';
import { CompressedInput } from './input.ts';

/** Some decoders work on this thread: after so much output they let timers and sockets be heard. */
const BREATHE_BYTES = 1024 * 1024;

export { COMPRESSIONS, type Compression, type DecoderTable, decoderNames } from './decoders.ts';

/**
 * The compression that a narinfo names, to be asked before anything is downloaded.
 * @throws COMPRESSION_UNSUPPORTED with `compression` and `supported`
 */
export function parseCompression(name: string): Compression {
  const compression = COMPRESSIONS.find((known) => known === name);
  if (compression !== undefined) return compression;
  throw new NarthexError(
    'COMPRESSION_UNSUPPORTED',
    `compression ${JSON.stringify(name)} is not supported, only ${COMPRESSIONS.join(', ')}`,
    { compression: name, supported: COMPRESSIONS },
  );
}

export interface DecompressOptions {
  /** What may come out. The first byte above ends it, whatever the input would still expand to. */
  readonly maxOutputBytes: number;
  /** Its `decoderMemoryBytes` bounds the decoder's dictionary or window. */
  readonly limits?: Limits | undefined;
  /** Ends it with the signal's own reason, also while the source is silent. */
  readonly signal?: AbortSignal | undefined;
  /** Whether a piece is good only until the next is asked for: less memory comes and goes. */
  readonly lent?: boolean | undefined;
  /** Decoders in place of the usual ones. */
  readonly decoders?: DecoderTable | undefined;
}

/**
 * Yields what `source` decodes to. Concatenated streams, members and frames are one; an input of no
 * bytes is truncated, except with `none`. The bytes are good only once the iteration has ended
 * without an error.
 *
 * `source` is read on demand, a little ahead of the consumer. It is closed (`return()`) when the
 * consumer leaves, when its bytes are refused and on abort; its own errors pass unchanged.
 *
 * @throws COMPRESSION_TRUNCATED, COMPRESSION_TRAILING, COMPRESSION_INVALID with `compression` and
 *   `offset` in the input; the offset of corruption is where the decoder had got to
 * @throws LIMIT_EXCEEDED with `limit`: `maxOutputBytes` or `decoderMemoryBytes`
 */
export async function* decompress(
  compression: Compression,
  source: AsyncIterable<Uint8Array>,
  options: DecompressOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { maxOutputBytes, limits = DEFAULT_LIMITS, signal, lent = false } = options;
  const { decoders = DECODERS } = options;
  signal?.throwIfAborted();
  const input = new CompressedInput(compression, source, signal);
  try {
    if (compression !== 'none' && (await input.atEnd())) throw input.truncated();
    let outputBytes = 0;
    let breatheAt = BREATHE_BYTES;
    for await (const piece of decoders[compression].decode(input, limits, lent)) {
      signal?.throwIfAborted();
      outputBytes += piece.length;
      if (outputBytes > maxOutputBytes) {
        // what is wrong before the limit is for the consumer to see first, whatever pieces there are
        const allowed = piece.subarray(0, piece.length - (outputBytes - maxOutputBytes));
        if (allowed.length > 0) yield allowed;
        throw outputLimitExceeded(input, maxOutputBytes);
      }
      if (piece.length > 0) yield piece;
      if (outputBytes >= breatheAt) {
        breatheAt = outputBytes + BREATHE_BYTES;
        await setImmediate();
      }
    }
    signal?.throwIfAborted();
    if (!(await input.atEnd())) throw input.trailing();
  } catch (error) {
    // of two errors, the one that made us leave is the one to tell
    await input.close().catch(() => {});
    throw error;
  } finally {
    await input.close();
  }
}

function outputLimitExceeded(input: CompressedInput, maxOutputBytes: number): NarthexError {
  const { compression, offset } = input;
  return new NarthexError(
    'LIMIT_EXCEEDED',
    `${compression} data decodes to more than the ${maxOutputBytes} bytes that are allowed`,
    { compression, offset, limit: 'maxOutputBytes', expected: maxOutputBytes },
  );
}
