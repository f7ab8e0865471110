/** Copying a blob from one service to another. */
import { NarthexError } from '../errors.ts';
import type { BlobService, ServiceOptions } from './blobService.ts';
import type { Digest } from './digest.ts';

/**
 * Copies a blob that the target lacks.
 * @param expectedSize in bytes, where it is known; more is not read
 * @returns false when the source does not have it
 * @throws DIGEST_MISMATCH what came is not the blob; it is visible under its own digest at most
 * @throws NODE_INVALID the blob has another size than expected
 */
export async function copyBlob(
  digest: Digest,
  from: Pick<BlobService, 'read'>,
  to: Pick<BlobService, 'openWrite'>,
  options: ServiceOptions & { readonly expectedSize?: number | undefined } = {},
): Promise<boolean> {
  const { signal, expectedSize } = options;
  const bytes = await from.read(digest, { signal });
  if (bytes === undefined) return false;
  await using writer = to.openWrite({ signal });
  let size = 0;
  for await (const piece of bytes) {
    size += piece.length;
    if (expectedSize !== undefined && size > expectedSize) {
      throw wrongSize(digest, expectedSize, size);
    }
    await writer.write(piece);
  }
  if (expectedSize !== undefined && size !== expectedSize) {
    throw wrongSize(digest, expectedSize, size);
  }
  const written = await writer.close();
  if (!written.digest.equals(digest)) throw otherBlob(digest, written.digest);
  return true;
}

/** The error about a blob that turned out to be another. */
export function otherBlob(expected: Digest, actual: Digest): NarthexError {
  return new NarthexError('DIGEST_MISMATCH', `asked for blob ${expected}, given ${actual}`, {
    expected: String(expected),
    actual: String(actual),
  });
}

function wrongSize(digest: Digest, expected: number, actual: number): NarthexError {
  const found = actual > expected ? `more than ${expected}` : String(actual);
  return new NarthexError('NODE_INVALID', `blob ${digest} has ${found} bytes, not ${expected}`, {
    digest: String(digest),
    field: 'size',
    expected,
    actual,
  });
}
