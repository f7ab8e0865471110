/**
 * LZMA alone, `.lzma`: the format before xz. One stream, without a magic number and **without a
 * checksum**, so that corruption may decode to other bytes; the NarHash finds it.
 *
 *     data = properties(1) dictionarySize(4) size(8, all ones for unknown) lzma
 */
import { checkLimit } from '../limits.ts';
import type { Decoder } from './decoder.ts';
import { decodeLzma, LzmaDecoder } from './lzmaDecoder.ts';

const HEADER_BYTES = 13;
const UNKNOWN_SIZE = 2n ** 64n - 1n;
/** Properties are (pb * 5 + lp) * 9 + lc with pb and lp up to 4 and lc up to 8. */
const PROPERTIES = 5 * 5 * 9;

export const LZMA: Decoder = {
  name: 'narthex',
  async *decode(input, limits) {
    const { compression } = input;
    const header = await input.take(HEADER_BYTES);
    const fields = new DataView(header.buffer, header.byteOffset, HEADER_BYTES);
    const properties = fields.getUint8(0);
    if (properties >= PROPERTIES) throw input.invalid('there are no such properties');
    const dictionaryBytes = fields.getUint32(1, true);
    checkLimit(limits, 'decoderMemoryBytes', dictionaryBytes, { compression });
    const size = fields.getBigUint64(5, true);
    if (size !== UNKNOWN_SIZE && size > Number.MAX_SAFE_INTEGER) {
      throw input.invalid('there is no such size');
    }
    const decoder = new LzmaDecoder({
      literalContextBits: properties % 9,
      literalPositionBits: Math.floor(properties / 9) % 5,
      positionBits: Math.floor(properties / 45),
      dictionaryBytes,
      size: size === UNKNOWN_SIZE ? undefined : Number(size),
    });
    yield* decodeLzma(decoder, input);
  },
};
