/**
 * `Content-Encoding` (RFC 9110, 8.4): a compression of the transfer, apart from the one that a
 * narinfo names. We ask for none, but files may have been uploaded with one.
 */
import { type Compression, decompress } from '../../compression/compression.ts';
import { NarthexError } from '../../errors.ts';
import { excerpt } from '../../excerpt.ts';
import type { Limits } from '../../limits.ts';

const COMPRESSIONS: Readonly<Record<string, Compression>> = {
  gzip: 'gzip',
  'x-gzip': 'gzip',
  br: 'br',
  zstd: 'zstd',
  xz: 'xz', // not registered, but Nix can upload with it
  bzip2: 'bzip2',
};

/** Every further one costs a decoder; nobody uses more than one on purpose. */
const ENCODINGS_MAX = 3;

/**
 * What is to be decoded, in this order.
 * @throws COMPRESSION_UNSUPPORTED with `url` and `compression`
 */
export function contentEncodings(header: string | undefined, url: string): readonly Compression[] {
  const names = (header ?? '')
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '' && name !== 'identity');
  const encodings = names.flatMap((name) => COMPRESSIONS[name] ?? []);
  if (encodings.length !== names.length || names.length > ENCODINGS_MAX) {
    const compression = excerpt(header ?? '');
    throw new NarthexError(
      'COMPRESSION_UNSUPPORTED',
      `${url} is sent with Content-Encoding '${compression}'`,
      { url, compression },
    );
  }
  return encodings.reverse(); // they are listed in the order in which they were applied
}

/**
 * Decodes a body. Its length is for others to bound.
 * @throws COMPRESSION_INVALID | COMPRESSION_TRUNCATED | COMPRESSION_TRAILING with `url`
 */
export async function* decodeContent(
  source: AsyncIterable<Uint8Array>,
  encodings: readonly Compression[],
  url: string,
  options: { readonly limits: Limits; readonly signal: AbortSignal },
): AsyncGenerator<Uint8Array, void, undefined> {
  let body = source;
  for (const encoding of encodings) {
    body = decompress(encoding, body, { ...options, maxOutputBytes: Number.POSITIVE_INFINITY });
  }
  try {
    yield* body;
  } catch (error) {
    if (!(error instanceof NarthexError) || !error.code.startsWith('COMPRESSION_')) throw error;
    throw new NarthexError(
      error.code,
      `${url}, sent with a Content-Encoding: ${error.message}`,
      { ...error.facts, url },
      error,
    );
  }
}
