/**
 * Conditions and ranges of requests: RFC 9110, sections 8.8.3 (entity tags), 13.1 (preconditions) and
 * 14 (ranges). All tags of ours are strong: equal ones mean equal bytes.
 */
import type { ByteRange } from '../render/layout.ts';
import type { CacheRequest } from './http.ts';

/** Opaque tags of a list, which may hold commas within their quotes. */
const ENTITY_TAGS = /(?:W\/)?("[\x21\x23-\x7e\x80-\xff]*")/g;

/** Whether `If-None-Match` says that the client has this already. Compares weakly, as it must. */
export function isKnownToClient(request: CacheRequest, etag: string): boolean {
  const condition = request.headers['if-none-match'];
  if (condition === undefined) return false;
  if (condition.trim() === '*') return true;
  return Array.from(condition.matchAll(ENTITY_TAGS), ([, tag]) => tag).includes(etag);
}

/** `bytes=` and one range: from-to, from-, or -suffix. */
const SINGLE_RANGE = /^bytes=[ \t]*(?:([0-9]+)-([0-9]*)|-([0-9]+))[ \t]*$/i;

/**
 * Which bytes a request wants of so many.
 * @returns `undefined` for all of them: also where the range is malformed, is in another unit or is
 *   several, or `If-Range` names another version, which RFC 9110 lets a server answer so
 */
export function requestedRange(
  request: CacheRequest,
  etag: string,
  sizeBytes: number,
): ByteRange | 'unsatisfiable' | undefined {
  const { range, 'if-range': ifRange } = request.headers;
  // a range has a meaning for GET alone
  if (range === undefined || request.method !== 'GET') return undefined;
  // a date is never ours, and weak tags never match here
  if (ifRange !== undefined && ifRange.trim() !== etag) return undefined;
  const [, first, last, suffix] = SINGLE_RANGE.exec(range) ?? [];
  if (suffix !== undefined) {
    const length = Math.min(Number(suffix), sizeBytes);
    return length === 0 ? 'unsatisfiable' : { start: sizeBytes - length, end: sizeBytes };
  }
  if (first === undefined) return undefined;
  const start = Number(first);
  const end = last ? Math.min(Number(last) + 1, sizeBytes) : sizeBytes;
  if (last && Number(last) < start) return undefined; // malformed
  return start < sizeBytes ? { start, end } : 'unsatisfiable';
}
