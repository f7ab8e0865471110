/**
 * Answers with the extra files of a cache. They come as they are kept, without a Content-Encoding, like NARs: a
 * client of any age reads them, their length is known, and ranges work. Since they may be replaced, they are
 * to be asked for again by their `ETag`.
 */
import type { BlobService } from '../castore/blobService.ts';
import { FileNode } from '../castore/node.ts';
import type { ExtraFileName } from '../extraFiles/extraFileName.ts';
import type { ExtraFileService } from '../extraFiles/extraFileService.ts';
import { readContents } from '../render/readContents.ts';
import {
  type CacheRequest,
  type CacheResponse,
  type HandleOptions,
  notFoundResponse,
} from './http.ts';
import { rangeResponse } from './rangeResponse.ts';

/** Where extra files and their contents are. */
export interface ExtraFileSource {
  readonly extraFiles: ExtraFileService;
  readonly blobService: BlobService;
}

/** As Nix sends them. */
const CONTENT_TYPES: Readonly<Record<ExtraFileName['kind'], string>> = {
  log: 'text/plain; charset=utf-8',
  realisation: 'application/json',
  buildTrace: 'application/json',
  debugInfo: 'application/json',
};

/** Answers a `GET` or `HEAD` for an extra file: what is not kept with 404. */
export async function extraFileResponse(
  request: CacheRequest,
  name: ExtraFileName,
  { extraFiles, blobService }: ExtraFileSource,
  options: HandleOptions,
): Promise<CacheResponse> {
  const file = await extraFiles.get(name, options);
  if (file === undefined) return notFoundResponse(request);
  const node = new FileNode(file.digest, file.size, false);
  return rangeResponse(request, {
    sizeBytes: node.size,
    etag: `"${node.digest.hex}"`,
    contentType: CONTENT_TYPES[name.kind],
    cacheControl: 'no-cache',
    async *render({ start, end }) {
      const part = { node, place: undefined, offset: start, length: end - start };
      if (part.length > 0) yield* readContents(blobService, part, options);
    },
  });
}
