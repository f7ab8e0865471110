/** Compressing and decompressing whole files for tests, in every form that Node can write. */
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { xz } from '@napi-rs/lzma';

/** What a narinfo's `Compression` may say of a cache that tests make. */
export type Compression = 'none' | 'xz' | 'zstd' | 'gzip' | 'br';

/** All of {@link Compression}, for tables of tests. */
export const COMPRESSIONS: readonly Compression[] = ['none', 'xz', 'zstd', 'gzip', 'br'];

/** What Nix appends to `.nar`: it names gzip files plainly. */
export const FILE_SUFFIX: Readonly<Record<Compression, string>> = {
  none: '',
  xz: '.xz',
  zstd: '.zst',
  gzip: '',
  br: '.br',
};

type Codec = (bytes: Uint8Array) => Promise<Uint8Array>;

const identity: Codec = async (bytes) => bytes;

/** A test wants it soon, not small. */
const BROTLI_FAST = { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 4 } };

const ENCODERS: Readonly<Record<Compression, Codec>> = {
  none: identity,
  xz: (bytes) => xz.compress(bytes),
  zstd: promisify(zlib.zstdCompress),
  gzip: promisify(zlib.gzip),
  br: (bytes) => promisify(zlib.brotliCompress)(bytes, BROTLI_FAST),
};

const DECODERS: Readonly<Record<Compression, Codec>> = {
  none: identity,
  xz: (bytes) => xz.decompress(bytes),
  zstd: promisify(zlib.zstdDecompress),
  gzip: promisify(zlib.gunzip),
  br: promisify(zlib.brotliDecompress),
};

/**
 * Compresses `bytes`.
 * @param streams as so many concatenated streams (xz), frames (zstd) or members (gzip), which
 *   together are one file; brotli knows no such thing
 */
export async function compress(
  compression: Compression,
  bytes: Uint8Array,
  streams = 1,
): Promise<Uint8Array> {
  if (streams > 1 && compression === 'br') throw new Error('brotli streams do not concatenate');
  const partBytes = Math.ceil(bytes.length / streams);
  const parts: Uint8Array[] = [];
  for (let index = 0; index < streams; index++) {
    const part = bytes.subarray(index * partBytes, (index + 1) * partBytes);
    parts.push(await ENCODERS[compression](part));
  }
  return Buffer.concat(parts);
}

/** Decompresses a well-formed file of one stream. */
export async function decompress(compression: Compression, file: Uint8Array): Promise<Uint8Array> {
  return DECODERS[compression](file);
}
