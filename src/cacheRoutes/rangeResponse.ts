/** Answers about something whose length is known and of which any range can be rendered. */
import type { ByteRange } from '../render/layout.ts';
import { isKnownToClient, requestedRange } from './conditional.ts';
import { type CacheRequest, type CacheResponse, textResponse } from './http.ts';

/** What is asked for. */
export interface RangedContent {
  readonly sizeBytes: number;
  /** With its quotes. */
  readonly etag: string;
  readonly contentType: string;
  /** Default {@link FOREVER}: it never changes under its URL. */
  readonly cacheControl?: string | undefined;
  readonly render: (range: ByteRange) => AsyncIterable<Uint8Array>;
}

const ONE_YEAR_SECONDS = 365 * 24 * 60 * 60;
/** `Cache-Control` of what never changes. */
export const FOREVER = `public, max-age=${ONE_YEAR_SECONDS}, immutable`;

/** 200, 206, 304 or 416, as the request's conditions and range want it. */
export function rangeResponse(request: CacheRequest, content: RangedContent): CacheResponse {
  const { sizeBytes, etag, contentType, cacheControl = FOREVER } = content;
  const headers = { etag, 'accept-ranges': 'bytes', 'cache-control': cacheControl };
  if (isKnownToClient(request, etag)) return { status: 304, headers };
  const range = requestedRange(request, etag, sizeBytes);
  if (range === 'unsatisfiable') {
    return textResponse(request, 416, `there are ${sizeBytes} bytes`, {
      'accept-ranges': 'bytes',
      'content-range': `bytes */${sizeBytes}`,
    });
  }
  const { start, end } = range ?? { start: 0, end: sizeBytes };
  const described = {
    ...headers,
    'content-type': contentType,
    'content-length': String(end - start),
  };
  if (request.method === 'HEAD') return { status: 200, headers: described };
  const body = content.render({ start, end });
  if (range === undefined) return { status: 200, headers: described, body };
  const contentRange = `bytes ${start}-${end - 1}/${sizeBytes}`;
  return { status: 206, headers: { ...described, 'content-range': contentRange }, body };
}
