/**
 * The contract of a decoder of one compression.
 *
 * A decoder MUST
 * - accept everything that its format calls one file: concatenated streams, members and frames,
 *   skippable frames, padding where the format has it;
 * - refuse what it has consumed beyond the last stream (`COMPRESSION_TRAILING`); what it has left
 *   is refused for it;
 * - refuse input that ends inside of a stream (`COMPRESSION_TRUNCATED`) and input whose checksums
 *   or structure are wrong (`COMPRESSION_INVALID`);
 * - keep its memory bounded whatever the input expands to, and stay below
 *   `limits.decoderMemoryBytes` for its dictionary or window (`LIMIT_EXCEEDED`, before it is allocated);
 * - release everything, threads included, when its generator is left early;
 * - let errors of the input through unchanged.
 *
 * It need not look at the signal, at the size of the output or at an input without any byte, nor
 * close the input: {@link ./compression.ts} does this once for all. It MAY have yielded bytes before
 * it finds them to be wrong: nothing that it yielded counts until it has returned.
 */
import type { Limits } from '../limits.ts';
import type { CompressedInput } from './input.ts';

/** What decoders that can choose give at once; node:zlib is half as fast with its own 16 KiB. */
export const OUTPUT_PIECE_BYTES = 256 * 1024;

export interface Decoder {
  /** The library that does the work, for `decoderNames()`. */
  readonly name: string;
  /**
   * Yields what `input` decodes to, in pieces of 4 MiB at most.
   * @param lent whether it MAY use a piece's memory again, or give it back, once the next is asked for; if not,
   *   it does not touch the piece again
   */
  decode(
    input: CompressedInput,
    limits: Limits,
    lent: boolean,
  ): AsyncGenerator<Uint8Array, void, undefined>;
}
