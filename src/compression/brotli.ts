/**
 * Brotli (RFC 7932), in narinfos `br`: one stream, without a magic number and **without a
 * checksum**, so that corruption may decode to other bytes; the NarHash finds it. Its window is at
 * most 16 MiB, because the extension for large windows is off.
 */
import { createBrotliDecompress } from 'node:zlib';
import { type Decoder, OUTPUT_PIECE_BYTES } from './decoder.ts';
import { runEngine } from './engine.ts';
import { isUnexpectedEnd, ZlibEngine } from './zlibEngine.ts';

export const BROTLI: Decoder = {
  name: 'node:zlib',
  async *decode(input, _limits, lent) {
    const engine = new ZlibEngine(createBrotliDecompress({ chunkSize: OUTPUT_PIECE_BYTES }));
    yield* runEngine(engine, input.pieces(), lent, (cause) =>
      isUnexpectedEnd(cause)
        ? input.truncated(undefined, cause)
        : input.invalid('it does not decode', cause),
    );
    // node:zlib stops at the end of the stream and drops what follows without a word
    if (engine.usedBytes < input.offset) throw input.trailing(engine.usedBytes);
  },
};
