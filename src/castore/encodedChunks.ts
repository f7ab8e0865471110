/** Reading many chunks as they lie at rest in one stream, from any blob service that gives them out. */
import type {
  BlobService,
  ReadChunk,
  ReadRangesOptions,
  ServiceOptions,
  WantedChunk,
} from './blobService.ts';

/** A service that gives out chunks as they lie at rest. */
export type EncodedBlobs = Required<Pick<BlobService, 'statEncoded' | 'readEncoded'>> &
  Pick<BlobService, 'readEncodedAll'>;

/** {@link BlobService.readEncodedAll}, or chunk by chunk where the service has it not. */
export function readEncodedAll<W extends WantedChunk>(
  service: EncodedBlobs,
  wanted: AsyncIterable<W>,
  options: ReadRangesOptions = {},
): AsyncIterable<readonly ReadChunk<W>[]> {
  return service.readEncodedAll?.(wanted, options) ?? chunkByChunk(service, wanted, options);
}

async function* chunkByChunk<W extends WantedChunk>(
  service: EncodedBlobs,
  all: AsyncIterable<W>,
  { signal }: ServiceOptions,
): AsyncGenerator<readonly ReadChunk<W>[], void, undefined> {
  for await (const wanted of all) {
    const { chunk } = wanted;
    const bytes = chunk && (await service.readEncoded(chunk, { signal }));
    yield [{ wanted, bytes }];
  }
}
