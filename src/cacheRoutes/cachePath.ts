/**
 * The files of a binary cache by their paths below it:
 *
 *     nix-cache-info
 *     <hash part>.narinfo
 *     <hash part>.ls
 *     nar/<NarHash>.nar
 *     nar/<NarHash>.nar.zst
 *     nar/snix-castore/<Entry>                (castore/infusedNarUrl.ts)
 *
 * Hash parts and NAR hashes are canonical nixbase32; nothing in a path is percent-decoded.
 */
import { parseInfusedNar } from '../castore/infusedNarUrl.ts';
import type { Node } from '../castore/node.ts';
import { isNarthexError } from '../errors.ts';
import { Hash } from '../hash.ts';
import { parseHashPart } from '../storePath.ts';

/** A file that is asked for. */
export type CacheFile =
  | { readonly type: 'cacheInfo' }
  /** `digest`: the 20 bytes of the hash part. */
  | { readonly type: 'narinfo' | 'listing'; readonly digest: Uint8Array }
  | { readonly type: 'nar'; readonly narHash: Hash; readonly compression: 'none' | 'zstd' }
  /** A NAR by its root node. */
  | { readonly type: 'infusedNar'; readonly node: Node; readonly narSize: number | undefined };

const CACHE_INFO = 'nix-cache-info';
const METADATA = /^(?<hashPart>[0-9a-z]{32})\.(?:narinfo|(?<listing>ls))$/;
const NAR = /^nar\/(?<narHash>[0-9a-z]{52})\.nar(?<zst>\.zst)?$/;

/** The file at `path`, which begins below the cache; `undefined` where no binary cache has one. */
export function parseCachePath(
  path: string,
  query: URLSearchParams = new URLSearchParams(),
): CacheFile | undefined {
  if (path === CACHE_INFO) return { type: 'cacheInfo' };
  const metadata = METADATA.exec(path)?.groups;
  if (metadata !== undefined) {
    const digest = digestOfHashPart(metadata['hashPart'] ?? '');
    return digest && { type: metadata['listing'] ? 'listing' : 'narinfo', digest };
  }
  const nar = NAR.exec(path)?.groups;
  if (nar === undefined) {
    const infused = path.startsWith('nar/') ? parseInfusedNar(path, query) : undefined;
    return infused && { type: 'infusedNar', ...infused };
  }
  const narHash = orUndefined(() => Hash.parse(`sha256:${nar['narHash']}`));
  return narHash && { type: 'nar', narHash, compression: nar['zst'] ? 'zstd' : 'none' };
}

/** The 20 bytes of a hash part; `undefined` for text that is none. */
export function digestOfHashPart(text: string): Uint8Array | undefined {
  return orUndefined(() => parseHashPart(text));
}

/** What `parse` gives, or `undefined` for text that it refuses. */
function orUndefined<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (isNarthexError(error)) return undefined;
    throw error;
  }
}
