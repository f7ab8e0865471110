/**
 * `nix-cache-info`, by which a binary cache introduces itself (Nix: `BinaryCacheStore::init`):
 *
 *     StoreDir: /nix/store
 *     WantMassQuery: 1
 *     Priority: 40
 *
 * Lines without a colon are ignored, values trimmed (so that CRLF does no harm), unknown keys
 * ignored; of a repeated key the last counts. All three are optional.
 */
import { decodeUtf8 } from '../bytes.ts';
import { NarthexError } from '../errors.ts';
import { excerpt } from '../excerpt.ts';
import { checkLimit, DEFAULT_LIMITS, type Limits } from '../limits.ts';
import { STORE_DIR } from '../storePath.ts';
import { isFieldText } from './fields.ts';

/** What a binary cache says of itself. */
export interface CacheInfo {
  /** The store directory of its paths; {@link STORE_DIR} when it does not say. */
  readonly storeDir: string;
  /** Whether it likes to be asked for many paths at once. */
  readonly wantMassQuery: boolean;
  /** Lower is asked first. */
  readonly priority: number | undefined;
}

/** An `int` of C++, which Nix reads it into. */
const PRIORITY = /^[+-]?[0-9]{1,10}$/;
const INT_MAX = 2 ** 31 - 1;
const INT_MIN = -(2 ** 31);

/**
 * Parses a `nix-cache-info`. Whether the store directory is ours is the caller's to compare.
 * @throws CACHE_INFO_INVALID with `field`, `line` (from 1), `actual` and `url` for a priority that is
 *   no number or a store directory that is no absolute path
 * @throws LIMIT_EXCEEDED for cacheInfoBytes
 */
export function parseCacheInfo(
  bytes: Uint8Array,
  options: { readonly limits?: Limits | undefined; readonly url?: string | undefined } = {},
): CacheInfo {
  const { limits = DEFAULT_LIMITS, url } = options;
  checkLimit(limits, 'cacheInfoBytes', bytes.length, url === undefined ? {} : { url });
  let storeDir = STORE_DIR;
  let wantMassQuery = false;
  let priority: number | undefined;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
  for (const [index, line] of text.split('\n').entries()) {
    const colon = line.indexOf(':');
    if (colon === -1) continue;
    const field = line.slice(0, colon);
    const value = line.slice(colon + 1).trim();
    const refuse = (expected: string): NarthexError =>
      new NarthexError(
        'CACHE_INFO_INVALID',
        `${field} on line ${index + 1} is '${excerpt(value)}', not ${expected}`,
        { url, field, line: index + 1, expected, actual: excerpt(value) },
      );
    if (field === 'StoreDir') {
      const directory = decodeUtf8(Buffer.from(value, 'latin1'));
      if (!directory?.startsWith('/') || !isFieldText(directory)) {
        throw refuse('an absolute path');
      }
      storeDir = directory;
    } else if (field === 'WantMassQuery') {
      wantMassQuery = value === '1';
    } else if (field === 'Priority') {
      const number = PRIORITY.test(value) ? Number(value) : Number.NaN;
      if (!(number >= INT_MIN && number <= INT_MAX)) throw refuse('a whole number');
      priority = number;
    }
  }
  return { storeDir, wantMassQuery, priority };
}

/** The text of a `nix-cache-info`. */
export function renderCacheInfo(info: CacheInfo): string {
  const lines = [`StoreDir: ${info.storeDir}`, `WantMassQuery: ${info.wantMassQuery ? 1 : 0}`];
  if (info.priority !== undefined) lines.push(`Priority: ${info.priority}`);
  return `${lines.join('\n')}\n`;
}
