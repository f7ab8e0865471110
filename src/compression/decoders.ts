/**
 * Which decoder serves which compression. A faster one takes its place here, or is handed to
 * `decompress` as part of another table; {@link ./decoder.ts} says what it must do.
 */
import { BROTLI } from './brotli.ts';
import { BZIP2 } from './bzip2.ts';
import type { Decoder } from './decoder.ts';
import { GZIP } from './gzip.ts';
import { LZ4 } from './lz4.ts';
import { LZIP } from './lzip.ts';
import { LZMA } from './lzma.ts';
import { NONE } from './none.ts';
import { XZ } from './xz.ts';
import { ZSTD } from './zstd.ts';

/** The compressions that are decoded, named as narinfos name them. */
export const COMPRESSIONS = [
  'none',
  'xz',
  'zstd',
  'gzip',
  'bzip2',
  'br',
  'lz4',
  'lzma',
  'lzip',
] as const;

export type Compression = (typeof COMPRESSIONS)[number];

export type DecoderTable = Readonly<Record<Compression, Decoder>>;

export const DECODERS: DecoderTable = {
  none: NONE,
  xz: XZ,
  zstd: ZSTD,
  gzip: GZIP,
  bzip2: BZIP2,
  br: BROTLI,
  lz4: LZ4,
  lzma: LZMA,
  lzip: LZIP,
};

/** The name of the implementation behind each compression, for diagnostics. */
export function decoderNames(decoders: DecoderTable = DECODERS): Record<Compression, string> {
  const names: Partial<Record<Compression, string>> = {};
  for (const compression of COMPRESSIONS) names[compression] = decoders[compression].name;
  // the loop has set every compression's name
  return names as Record<Compression, string>;
}
