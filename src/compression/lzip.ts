/**
 * lzip (RFC draft-diaz-lzip): members of LZMA with fixed properties and an end marker.
 *
 *     data   = member+
 *     member = "LZIP" 1 dictionarySize(1) lzma crc32(4) size(8) memberSize(8)
 *
 * All three fields of the trailer are checked. Bytes after the last member, which the tool lzip
 * ignores, are refused.
 */
import { crc32 } from 'node:zlib';
import { utf8 } from '../bytes.ts';
import { checkLimit, type Limits } from '../limits.ts';
import type { Decoder } from './decoder.ts';
import type { CompressedInput } from './input.ts';
import { decodeLzma, LzmaDecoder } from './lzmaDecoder.ts';

const MAGIC = utf8('LZIP');
const VERSION = 1;
const HEADER_BYTES = 6;
const TRAILER_BYTES = 20;
const MIN_DICTIONARY_LOG = 12;
const MAX_DICTIONARY_LOG = 29;

export const LZIP: Decoder = {
  name: 'narthex',
  async *decode(input, limits) {
    do yield* decodeMember(input, limits);
    while (!(await input.atEnd()));
  },
};

async function* decodeMember(
  input: CompressedInput,
  limits: Limits,
): AsyncGenerator<Uint8Array, void, undefined> {
  const start = input.offset;
  await input.fill(HEADER_BYTES);
  input.checkMagic(input.buffered.subarray(0, MAGIC.length), MAGIC);
  const [version, dictionaryCode = 0] = (await input.take(HEADER_BYTES)).subarray(MAGIC.length);
  const dictionaryBytes = dictionarySize(dictionaryCode);
  if (version !== VERSION || dictionaryBytes === undefined) {
    throw input.invalid('header of a member wrong', undefined, start);
  }
  checkLimit(limits, 'decoderMemoryBytes', dictionaryBytes, {
    compression: input.compression,
    offset: start,
  });

  const decoder = new LzmaDecoder({
    literalContextBits: 3,
    literalPositionBits: 0,
    positionBits: 2,
    dictionaryBytes,
    size: undefined,
  });
  let crc = 0;
  let size = 0;
  for await (const piece of decodeLzma(decoder, input)) {
    crc = crc32(piece, crc);
    size += piece.length;
    yield piece;
  }
  const bytes = await input.take(TRAILER_BYTES);
  const trailer = new DataView(bytes.buffer, bytes.byteOffset, TRAILER_BYTES);
  if (trailer.getUint32(0, true) !== crc) throw input.invalid('checksum of a member wrong');
  if (
    trailer.getBigUint64(4, true) !== BigInt(size) ||
    trailer.getBigUint64(12, true) !== BigInt(input.offset - start)
  ) {
    throw input.invalid('sizes of a member wrong');
  }
}

/** The size that a code stands for: an exponent, less sixteenths. */
function dictionarySize(code: number): number | undefined {
  const log = code & 0x1f;
  if (log < MIN_DICTIONARY_LOG || log > MAX_DICTIONARY_LOG) return undefined;
  const size = 2 ** log - (2 ** log / 16) * (code >> 5);
  return size >= 2 ** MIN_DICTIONARY_LOG ? size : undefined;
}
