/** Decoding whole files in tests. */
import {
  type Compression,
  type DecoderTable,
  decompress,
} from '../../src/compression/compression.ts';
import { NarthexError } from '../../src/errors.ts';
import type { Limits } from '../../src/limits.ts';

/** Above everything that tests decode wholly. */
const ENOUGH_BYTES = 2 ** 31;

/** `bytes` in pieces of `pieceBytes`, by default in one. */
export async function* pieces(
  bytes: Uint8Array,
  pieceBytes: number = Math.max(bytes.length, 1),
): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}

/** How a file is decoded. */
export interface DecodeOptions {
  readonly pieceBytes?: number;
  readonly limits?: Limits;
  /** In place of the usual ones. */
  readonly decoders?: DecoderTable | undefined;
}

/** What `file` decodes to. */
export async function decode(
  compression: Compression,
  file: Uint8Array,
  options: DecodeOptions = {},
): Promise<Buffer> {
  const decoded = decompress(compression, pieces(file, options.pieceBytes), {
    maxOutputBytes: ENOUGH_BYTES,
    limits: options.limits,
    decoders: options.decoders,
  });
  return Buffer.concat(await Array.fromAsync(decoded));
}

/** The error that decoding `file` ends with; other errors than ours pass through. */
export async function failure(
  compression: Compression,
  file: Uint8Array,
  options: DecodeOptions = {},
): Promise<NarthexError> {
  try {
    await decode(compression, file, options);
  } catch (error) {
    if (error instanceof NarthexError) return error;
    throw error;
  }
  throw new Error('it was decoded');
}
