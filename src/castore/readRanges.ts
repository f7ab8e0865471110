/** Reading many ranges of blobs in one stream, from any blob service. */
import { EMPTY } from '../bytes.ts';
import type { BlobRange, BlobService, RangePiece, ReadRangesOptions } from './blobService.ts';

/** A service that blobs are read from. */
export type ReadableBlobs = Pick<BlobService, 'read' | 'readRanges'>;

/** {@link BlobService.readRanges}, or blob by blob where the service has it not. */
export function readRanges<R extends BlobRange>(
  service: ReadableBlobs,
  ranges: AsyncIterable<R> | Iterable<R>,
  options: ReadRangesOptions = {},
): AsyncIterable<readonly RangePiece<R>[]> {
  return service.readRanges?.(ranges, options) ?? blobByBlob(service, ranges, options);
}

async function* blobByBlob<R extends BlobRange>(
  service: ReadableBlobs,
  ranges: AsyncIterable<R> | Iterable<R>,
  { signal }: ReadRangesOptions,
): AsyncGenerator<readonly RangePiece<R>[], void, undefined> {
  for await (const range of ranges) {
    const { digest, offset, length } = range;
    const pieces = length === 0 ? [] : await service.read(digest, { signal, offset, length });
    if (pieces === undefined) {
      yield [{ range, bytes: undefined }];
      continue;
    }
    let isEmpty = true;
    for await (const bytes of pieces) {
      isEmpty = false;
      yield [{ range, bytes }];
    }
    if (isEmpty) yield [{ range, bytes: EMPTY }];
  }
}
