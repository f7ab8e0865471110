/**
 * Which chunks of a blob hold a range of it. A blob of a terabyte has millions; whoever reads it holds a
 * window of them, and looks up where they lie as he comes to them.
 */
import type { ChunkRef } from '../castore/blobService.ts';
import type { ChunkList } from './chunkList.ts';

/** Chunks whose digests a reader holds: of 64 KiB on average, 64 MiB of content in 37 KB. */
const WINDOW_CHUNKS = 1024;
/** Of very long lists the window is a part, so that reading the blob does not read them over and over. */
const MOST_WINDOWS = 64;

/** The chunks `first` to `end` (not included), the first of which begins at `firstOffset`. */
export interface ChunkRange {
  readonly first: number;
  readonly end: number;
  readonly firstOffset: number;
  /** The end of the range that was asked for, at most that of the blob. */
  readonly endOffset: number;
}

/** The chunks that hold the bytes `start` to `end` (not included); none where the blob is shorter. */
export function chunkRange(list: ChunkList, start: number, end: number): ChunkRange {
  let first: number | undefined;
  let firstOffset = 0;
  let index = 0;
  let offset = 0;
  for (; index < list.count && offset < end; index++) {
    const next = offset + list.sizeAt(index);
    if (first === undefined && next > start) {
      first = index;
      firstOffset = offset;
    }
    offset = next;
  }
  return { first: first ?? index, end: index, firstOffset, endOffset: Math.min(offset, end) };
}

/**
 * The chunks of a range, as they are asked for.
 * @param listOf reads the list, which is not held meanwhile
 */
export function* chunksInWindows(
  { first, end }: ChunkRange,
  listOf: () => ChunkList,
): Generator<ChunkRef, void, undefined> {
  let from = first;
  while (from < end) {
    const window = windowAt(listOf(), from, end);
    for (let index = 0; index < window.count; index++) yield window.chunkAt(index);
    from += window.count;
  }
}

function windowAt(list: ChunkList, from: number, end: number): ChunkList {
  const length = Math.max(WINDOW_CHUNKS, Math.ceil(list.count / MOST_WINDOWS));
  return list.slice(from, Math.min(from + length, end));
}
