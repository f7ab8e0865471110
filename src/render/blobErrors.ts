/** What can be wrong with the blob of a file that is rendered or restored. */
import { EMPTY } from '../bytes.ts';
import { Digest } from '../castore/digest.ts';
import type { FileNode } from '../castore/node.ts';
import { NarthexError } from '../errors.ts';
import { displayPlace, type Place } from './place.ts';

const EMPTY_BLOB = Digest.of(EMPTY);

/** The error about a blob that is not there. */
export function missingBlob(node: FileNode, place: Place | undefined): NarthexError {
  const path = displayPlace(place);
  return new NarthexError(
    'BLOB_MISSING',
    `the contents of ${path} (${node.digest}) are not there`,
    {
      digest: String(node.digest),
      path,
    },
  );
}

/**
 * The error about a blob that is not as long as its node says.
 * @param actual how long it is, as far as that is known
 */
export function wrongBlobSize(
  node: FileNode,
  place: Place | undefined,
  actual: number | 'more',
): NarthexError {
  const path = displayPlace(place);
  return new NarthexError(
    'NODE_INVALID',
    `${path} is said to have ${node.size} bytes, its contents have ${actual}`,
    { field: 'size', digest: String(node.digest), path, expected: node.size, actual },
  );
}

/**
 * Refuses a file that is said to be empty and is not; such a file has no contents to read and count.
 * @throws NODE_INVALID
 */
export function checkEmptyFile(node: FileNode, place: Place | undefined): void {
  if (node.size === 0 && !node.digest.equals(EMPTY_BLOB)) {
    throw wrongBlobSize(node, place, 'more');
  }
}
