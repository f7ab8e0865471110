/**
 * A narinfo's `URL:` where the cache is no server but a directory or a zip file:
 *
 *     nar/1w1fff….nar.xz?hash=zphkqn…   →   "nar", "1w1fff….nar.xz"
 *
 * Query and fragment are ignored, `%NN` is decoded (a `%` without two digits stands for itself),
 * `.` and empty segments are dropped. Names are bytes.
 */
import { bytesKey, bytesOfKey, displayBytes, utf8 } from '../bytes.ts';
import { NarthexError } from '../errors.ts';
import { excerpt } from '../excerpt.ts';

const SCHEME = /^[a-z][a-z0-9+.-]*:/i;
const ESCAPED_BYTE = /%([0-9a-f]{2})/gi;

/**
 * The segments of a path inside the cache, each a byte string in the form of `bytesKey`.
 * @throws UPSTREAM_URL_FORBIDDEN for another scheme, an absolute path, `..`, and escaped slashes
 *   and NULs
 * @throws UPSTREAM_URL_INVALID for an empty path
 */
export function cacheFilePath(url: string): readonly string[] {
  const forbidden = (reason: string): NarthexError =>
    new NarthexError('UPSTREAM_URL_FORBIDDEN', `'${excerpt(url)}' ${reason}`, {
      url: excerpt(url),
    });
  if (SCHEME.test(url)) throw forbidden('leads to another place than this cache');
  const path = url.replace(/[?#].*$/s, '');
  if (path.startsWith('/')) throw forbidden('is an absolute path');
  const segments = path
    .split('/')
    .map((segment) => percentDecoded(segment))
    .filter((segment) => segment !== '' && segment !== '.');
  for (const segment of segments) {
    if (segment === '..') throw forbidden('leads out of this cache');
    if (/[/\0]/.test(segment)) throw forbidden('has a name with a slash or NUL in it');
  }
  if (segments.length === 0) {
    throw new NarthexError('UPSTREAM_URL_INVALID', `'${excerpt(url)}' names no file`, {
      url: excerpt(url),
    });
  }
  return segments;
}

/** Those segments for people. */
export function displayPath(segments: readonly string[]): string {
  return segments.map((segment) => displayBytes(bytesOfKey(segment))).join('/');
}

function percentDecoded(segment: string): string {
  return bytesKey(utf8(segment)).replace(ESCAPED_BYTE, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
}
