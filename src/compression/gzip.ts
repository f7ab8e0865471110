/**
 * gzip (RFC 1952): one or more members, each with a CRC-32 and a length, both checked. Zero bytes
 * after the last member, which some tools skip as padding of tapes, are refused.
 *
 * `node:zlib` goes from member to member by itself and does not say where one ends. So a single
 * byte after the last, other than zero, is reported as the start of a truncated member.
 */
import { createGunzip } from 'node:zlib';
import { type Decoder, OUTPUT_PIECE_BYTES } from './decoder.ts';
import { runEngine } from './engine.ts';
import type { CompressedInput } from './input.ts';
import { isUnexpectedEnd, ZlibEngine } from './zlibEngine.ts';

const MAGIC = Uint8Array.of(0x1f, 0x8b);

export const GZIP: Decoder = {
  name: 'node:zlib',
  async *decode(input, _limits, lent) {
    await input.fill(MAGIC.length);
    input.checkMagic(input.buffered.subarray(0, MAGIC.length), MAGIC);
    const engine = new ZlibEngine(createGunzip({ chunkSize: OUTPUT_PIECE_BYTES }));
    yield* runEngine(engine, input.pieces(), lent, (cause) => failure(input, cause));
    // node:zlib ends at a zero byte after a member and drops what follows without a word
    if (engine.usedBytes < input.offset) throw input.trailing(engine.usedBytes);
  },
};

function failure(input: CompressedInput, cause: unknown): Error {
  if (isUnexpectedEnd(cause)) return input.truncated(undefined, cause);
  // zlib's words for a wrong magic number: the first member's is right, so this is a later one
  if (cause instanceof Error && cause.message === 'incorrect header check') return input.trailing();
  return input.invalid('it does not decode', cause);
}
