/** Contents of files, checked against the size that their node gives them. */
import type { BlobService } from '../castore/blobService.ts';
import type { FileNode } from '../castore/node.ts';
import { missingBlob, wrongBlobSize } from './blobErrors.ts';
import type { Place } from './place.ts';

/** What rendering needs of a blob service. */
export type BlobSource = Pick<BlobService, 'read' | 'readLent'>;

/** Which contents to read. */
export interface ContentsRange {
  readonly node: FileNode;
  readonly place: Place | undefined;
  /** First byte, in the file. */
  readonly offset: number;
  /** How many bytes, at least one, within the file. */
  readonly length: number;
}

/** Options of {@link readContents}. */
export interface ReadContentsOptions {
  readonly signal?: AbortSignal | undefined;
  /** Pieces may be lent: their memory may be used again when the next one is asked for. */
  readonly lentPieces?: boolean | undefined;
}

/**
 * Reads exactly the bytes asked for. A range that reaches the end of the file is also found out when
 * the blob is longer than its node says, before the bytes that show it are given out.
 * @throws BLOB_MISSING with `path`
 * @throws NODE_INVALID with `path`: the blob has another size
 */
export async function* readContents(
  source: BlobSource,
  { node, place, offset, length }: ContentsRange,
  { signal, lentPieces = false }: ReadContentsOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  // at the end of the file one byte more, which must not be there
  const asked = offset + length === node.size ? length + 1 : length;
  const range = { signal, offset, length: asked };
  const chunks =
    lentPieces && source.readLent !== undefined
      ? await source.readLent(node.digest, range)
      : await source.read(node.digest, range);
  if (chunks === undefined) throw missingBlob(node, place);
  let read = 0;
  for await (const chunk of chunks) {
    read += chunk.length;
    if (read > length) throw wrongBlobSize(node, place, 'more');
    yield chunk;
  }
  if (read < length) throw wrongBlobSize(node, place, offset + read);
}
