/** The header of a block of xz data; its grammar stands in {@link ./xzStructure.ts}. */
import { crc32 } from 'node:zlib';
import { parseVarint } from './xzVarint.ts';

const CRC_BYTES = 4;
const LZMA2_FILTER = 0x21;
/** Of an LZMA2 filter: one byte, an exponent and a half bit. */
const LZMA2_PROPERTIES_BYTES = 1;
const MAX_DICTIONARY_CODE = 40;

export interface XzBlockHeader {
  /** Bytes of LZMA2 data, where the header tells. */
  readonly packedSize: number | undefined;
  /** Bytes that they unpack to, where the header tells. */
  readonly size: number | undefined;
  readonly dictionaryBytes: number;
}

/** Parses a whole block header; a text says what is wrong with it. */
export function parseXzBlockHeader(bytes: Uint8Array): XzBlockHeader | string {
  const end = bytes.length - CRC_BYTES;
  const storedCrc = new DataView(bytes.buffer, bytes.byteOffset).getUint32(end, true);
  if (crc32(bytes.subarray(0, end)) !== storedCrc) return 'checksum of a block header wrong';

  const fields = bytes.subarray(0, end);
  const flags = fields[1] ?? 0;
  if ((flags & 0x3c) !== 0) return 'reserved flags of a block are set';
  let at = 2;
  const next = () => {
    const varint = parseVarint(fields, at);
    at += varint?.length ?? 0;
    return varint?.value;
  };

  const hasPackedSize = (flags & 0x40) !== 0;
  const packedSize = hasPackedSize ? next() : undefined;
  const hasSize = (flags & 0x80) !== 0;
  const size = hasSize ? next() : undefined;
  if ((hasPackedSize && packedSize === undefined) || (hasSize && size === undefined)) {
    return 'sizes in a block header wrong';
  }

  let dictionaryBytes: number | undefined;
  for (let filter = 0; filter <= (flags & 3); filter++) {
    const id = next();
    const propertiesBytes = next();
    if (id === undefined || propertiesBytes === undefined || at + propertiesBytes > end) {
      return 'filters in a block header wrong';
    }
    // LZMA2 is the last filter, and only the last
    if ((id === LZMA2_FILTER) !== (filter === (flags & 3))) return 'filters of an unknown order';
    if (id === LZMA2_FILTER && propertiesBytes === LZMA2_PROPERTIES_BYTES) {
      dictionaryBytes = dictionarySize(fields[at] ?? 0);
    }
    at += propertiesBytes;
  }
  if (dictionaryBytes === undefined) return 'dictionary size in a block header wrong';
  if (fields.subarray(at).some((byte) => byte !== 0)) return 'padding of a block header wrong';
  return { packedSize, size, dictionaryBytes };
}

function dictionarySize(code: number): number | undefined {
  if (code > MAX_DICTIONARY_CODE) return undefined;
  if (code === MAX_DICTIONARY_CODE) return 2 ** 32 - 1;
  return (2 | (code & 1)) * 2 ** (Math.floor(code / 2) + 11);
}
