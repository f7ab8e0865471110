/** Contents of files, checked against the size that their node gives them. */
import { EMPTY } from '../bytes.ts';
import type { BlobRange } from '../castore/blobService.ts';
import { Digest } from '../castore/digest.ts';
import type { FileNode } from '../castore/node.ts';
import { type ReadableBlobs, readRanges } from '../castore/readRanges.ts';
import { missingBlob, wrongBlobSize } from './blobErrors.ts';
import type { Place } from './place.ts';

/** What rendering needs of a blob service. */
export type BlobSource = ReadableBlobs;

/** Which contents to read. */
export interface ContentsRange {
  readonly node: FileNode;
  readonly place: Place | undefined;
  /** First byte, in the file. */
  readonly offset: number;
  /** How many bytes, at least one, within the file. */
  readonly length: number;
}

/** Contents to read among others, and what belongs before them. */
export interface ContentsAfter<B> {
  readonly before: B;
  /** Memory that `before` takes, in bytes: it is held while contents are read ahead. */
  readonly heldBytes: number;
  /** None: there is only what belongs before the next ones. */
  readonly contents: ContentsRange | undefined;
}

/** A piece of contents. */
export interface ContentsPiece<B> {
  /** Given with the first piece of some contents. */
  readonly before: B | undefined;
  /** Empty where there are no contents. */
  readonly bytes: Uint8Array;
}

/** Options of {@link readContents} and {@link readAllContents}. */
export interface ReadContentsOptions {
  readonly signal?: AbortSignal | undefined;
  /** Pieces may be lent: their memory may be used again when the next ones are asked for. */
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
  contents: ContentsRange,
  options: ReadContentsOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const only = [{ before: undefined, heldBytes: 0, contents }];
  for await (const pieces of readAllContents(source, only, options)) {
    for (const { bytes } of pieces) yield bytes;
  }
}

/**
 * {@link readContents} of many files in one stream. What is given in `ranges` is asked for ahead: what is wrong with
 * it may show before all that comes before it was given out.
 * @returns pieces that came together
 * @throws BLOB_MISSING | NODE_INVALID
 */
export async function* readAllContents<B>(
  source: BlobSource,
  ranges: AsyncIterable<ContentsAfter<B>> | Iterable<ContentsAfter<B>>,
  { signal, lentPieces }: ReadContentsOptions = {},
): AsyncGenerator<readonly ContentsPiece<B>[], void, undefined> {
  let current: AskedRange<B> | undefined;
  let read = 0;
  const asked = readRanges(source, askedRanges(ranges), { signal, lent: lentPieces });
  for await (const pieces of asked) {
    signal?.throwIfAborted();
    yield pieces.map(({ range, bytes }): ContentsPiece<B> => {
      const isFirst = range !== current;
      if (isFirst) {
        checkComplete(current, read);
        current = range;
        read = 0;
      }
      const { before, contents } = range;
      if (contents === undefined) return { before, bytes: EMPTY };
      if (bytes === undefined) throw missingBlob(contents.node, contents.place);
      read += bytes.length;
      if (read > contents.length) throw wrongBlobSize(contents.node, contents.place, 'more');
      return { before: isFirst ? before : undefined, bytes };
    });
  }
  checkComplete(current, read);
}

type AskedRange<B> = ContentsAfter<B> & BlobRange;

const NOTHING: BlobRange = { digest: Digest.of(EMPTY), offset: 0, length: 0 };

async function* askedRanges<B>(
  ranges: AsyncIterable<ContentsAfter<B>> | Iterable<ContentsAfter<B>>,
): AsyncGenerator<AskedRange<B>, void, undefined> {
  for await (const range of ranges) {
    const { contents } = range;
    if (contents === undefined) {
      yield { ...NOTHING, ...range };
      continue;
    }
    const { node, offset, length } = contents;
    // at the end of the file one byte more, which must not be there
    const asked = offset + length === node.size ? length + 1 : length;
    yield { ...range, digest: node.digest, offset, length: asked };
  }
}

function checkComplete<B>(range: AskedRange<B> | undefined, read: number): void {
  if (range?.contents === undefined) return;
  const { node, place, offset, length } = range.contents;
  if (read < length) throw wrongBlobSize(node, place, offset + read);
}
