/** Compressions by the first bytes of a file, for files that come without a narinfo. */
import type { Compression } from './decoders.ts';

/** So many bytes tell. */
export const MAGIC_BYTES = 24;

/** brotli has no magic number. */
const MAGICS: readonly (readonly [Compression, string])[] = [
  ['xz', '\xfd7zXZ\x00'],
  ['zstd', '\x28\xb5\x2f\xfd'],
  ['gzip', '\x1f\x8b'],
  ['bzip2', 'BZh'],
  ['lz4', '\x04\x22\x4d\x18'],
  ['lzip', 'LZIP'],
  ['none', '\x0d\x00\x00\x00\x00\x00\x00\x00nix-archive-1'],
];

/** The compression of a NAR that begins so; `undefined` where that does not tell. */
export function detectCompression(first: Uint8Array): Compression | undefined {
  const text = Buffer.from(first.subarray(0, MAGIC_BYTES)).toString('latin1');
  return MAGICS.find(([, magic]) => text.startsWith(magic))?.[0];
}
