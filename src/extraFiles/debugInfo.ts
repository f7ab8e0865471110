/**
 * Where the debug information of an executable is: a file in a NAR.
 *
 *     debuginfo/<build id>.debug    {"archive":"../nar/<file>","member":"<place in the NAR>"}
 *
 * `archive` is a URL relative to `debuginfo/`. Nix indexes so what lies at
 * `lib/debug/.build-id/<2 digits>/<the rest>.debug` (`src/libstore/binary-cache-store.cc`,
 * `index-debug-info`); the member may be any regular file.
 */
import { decodeUtf8, utf8 } from '../bytes.ts';
import { NarthexError } from '../errors.ts';
import { excerpt } from '../excerpt.ts';
import type { Hash } from '../hash.ts';
import { checkLimit, DEFAULT_LIMITS, type Limits } from '../limits.ts';
import { encodeNixbase32 } from '../nixbase32.ts';

/** What a file of `debuginfo/` says. */
export interface DebugInfo {
  /** A file of the cache, below its top: `nar/…`. */
  readonly narFile: string;
  /** Names joined by `/`, from the root of the NAR down. */
  readonly member: string;
}

/** The folder, inside a store path, whose files are indexed. */
export const BUILD_ID_FOLDER = 'lib/debug/.build-id';

const ARCHIVE = /^\.\.\/(?<narFile>nar\/[0-9A-Za-z][0-9A-Za-z._+-]{0,255})$/;

/**
 * Reads a file of `debuginfo/`.
 * @param url what it is called, for errors
 * @throws DEBUG_INFO_INVALID with `url` and `field`; also for an archive that is not in `nar/` of the same cache
 * @throws LIMIT_EXCEEDED for debugInfoBytes
 */
export function parseDebugInfo(
  bytes: Uint8Array,
  url: string,
  { limits = DEFAULT_LIMITS }: { readonly limits?: Limits | undefined } = {},
): DebugInfo {
  checkLimit(limits, 'debugInfoBytes', bytes.length, { url });
  const { archive, member } = membersOf(bytes, url);
  const narFile = ARCHIVE.exec(archive)?.groups?.['narFile'];
  if (narFile === undefined) {
    throw invalid(url, 'archive', `is '${excerpt(archive)}', which is no ../nar/… of this cache`);
  }
  const isPlace = member.split('/').every((name) => !['', '.', '..'].includes(name));
  if (!isPlace || member.includes('\0')) {
    throw invalid(url, 'member', `is '${excerpt(member)}', which is no place in a NAR`);
  }
  return { narFile, member };
}

/** The file about a member of one of our own NARs. */
export function renderDebugInfo(narHash: Hash, member: string): Uint8Array {
  const archive = `../nar/${encodeNixbase32(narHash.digest)}.nar`;
  return utf8(JSON.stringify({ archive, member }));
}

/** Where Nix looks in a store path for what it indexes under a build id. */
export function memberOfBuildId(buildId: string): string {
  return `${BUILD_ID_FOLDER}/${buildId.slice(0, 2)}/${buildId.slice(2)}.debug`;
}

function membersOf(bytes: Uint8Array, url: string): { archive: string; member: string } {
  let value: unknown;
  try {
    value = JSON.parse(decodeUtf8(bytes) ?? '');
  } catch (error) {
    const message = `${url}: it is no JSON`;
    throw new NarthexError('DEBUG_INFO_INVALID', message, { url, field: 'debuginfo' }, error);
  }
  if (typeof value !== 'object' || value === null) throw invalid(url, 'debuginfo', 'is no object');
  const { archive, member }: { archive?: unknown; member?: unknown } = value;
  if (typeof archive !== 'string') throw invalid(url, 'archive', 'is no text');
  if (typeof member !== 'string') throw invalid(url, 'member', 'is no text');
  return { archive, member };
}

function invalid(url: string, field: string, reason: string): NarthexError {
  return new NarthexError('DEBUG_INFO_INVALID', `${url}: ${field} ${reason}`, { url, field });
}
