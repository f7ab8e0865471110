/**
 * zstd (RFC 8878) by `node:zlib`. Node 24 stops after a frame, and no Node says when a frame is cut
 * off or followed by other bytes, so {@link zstdFrames} walks over the frames beforehand. A frame
 * need not have a checksum: Nix and `zstd` write one, the library by default does not.
 */
import { createZstdDecompress, constants as zlib } from 'node:zlib';
import { type Decoder, OUTPUT_PIECE_BYTES } from './decoder.ts';
import { runEngine } from './engine.ts';
import { isUnexpectedEnd, ZlibEngine } from './zlibEngine.ts';
import { zstdFrames } from './zstdFrames.ts';

/** Exponents of window sizes that libzstd can be told as its limit. */
const MIN_WINDOW_LOG = 10;
const MAX_WINDOW_LOG = 31;

export const ZSTD: Decoder = {
  name: 'node:zlib',
  async *decode(input, limits, lent) {
    const windowLog = Math.ceil(Math.log2(limits.decoderMemoryBytes));
    const stream = createZstdDecompress({
      chunkSize: OUTPUT_PIECE_BYTES,
      params: {
        // libzstd's own limit, 128 MiB unless told otherwise, is not to be in the way of ours
        [zlib.ZSTD_d_windowLogMax]: Math.min(Math.max(windowLog, MIN_WINDOW_LOG), MAX_WINDOW_LOG),
      },
    });
    yield* runEngine(new ZlibEngine(stream), zstdFrames(input, limits), lent, (cause) =>
      isUnexpectedEnd(cause)
        ? input.truncated(undefined, cause)
        : input.invalid('it does not decode', cause),
    );
  },
};
