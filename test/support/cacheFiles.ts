/** Whole binary caches as files in memory: read, written, zipped, and compressed otherwise. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { zipSync } from 'fflate';
import { COMPRESSIONS, type Compression, compress, decompress, FILE_SUFFIX } from './compress.ts';
import { alterNarinfo, narinfoField } from './narinfoText.ts';
import { nixbase32, sha256 } from './nixbase32.ts';

/** A cache's files by path relative to it. */
export type CacheFiles = Map<string, Uint8Array>;

/** Reads a cache from a directory. */
export async function readCacheFiles(directory: string): Promise<CacheFiles> {
  const files: CacheFiles = new Map();
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    files.set(relative(directory, path), await readFile(path));
  }
  return files;
}

/** Writes a cache into a directory. */
export async function writeCacheFiles(
  files: ReadonlyMap<string, Uint8Array>,
  directory: string,
): Promise<void> {
  for (const [name, bytes] of files) {
    const path = join(directory, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, bytes);
  }
}

/**
 * A cache as a zip file.
 * @param prefix put before each name, like `cache/`
 * @param level of deflate, 0 (stored) to 9; NARs are compressed already
 */
export function zipCacheFiles(
  files: ReadonlyMap<string, Uint8Array>,
  { prefix = '', level = 0 }: { readonly prefix?: string; readonly level?: 0 | 1 | 6 | 9 } = {},
): Uint8Array {
  const entries = [...files].map(([name, bytes]) => [`${prefix}${name}`, bytes] as const);
  return zipSync(Object.fromEntries(entries), { level });
}

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

function compressionOf(narinfo: string): Compression {
  const found = COMPRESSIONS.find((known) => known === narinfoField(narinfo, 'Compression'));
  if (found === undefined) throw new Error(`cannot read this compression:\n${narinfo}`);
  return found;
}

/** The NAR of a narinfo of a cache, decompressed. */
export async function narOf(
  files: ReadonlyMap<string, Uint8Array>,
  narinfo: string,
): Promise<Uint8Array> {
  const url = narinfoField(narinfo, 'URL') ?? '';
  const file = files.get(url);
  if (file === undefined) throw new Error(`the cache has no ${url}`);
  return decompress(compressionOf(narinfo), file);
}

/** The narinfos of a cache, as text, by file name. */
export function narinfosOf(files: ReadonlyMap<string, Uint8Array>): Map<string, string> {
  const narinfos = [...files].filter(([name]) => name.endsWith('.narinfo'));
  return new Map(narinfos.map(([name, bytes]) => [name, text(bytes)]));
}

/**
 * The same cache with its NARs compressed otherwise. Signatures stay: they are not about that.
 * @param streams how many concatenated streams, frames or members each NAR is made of
 */
export async function recompressCache(
  files: ReadonlyMap<string, Uint8Array>,
  compression: Compression,
  streams = 1,
): Promise<CacheFiles> {
  const kept = [...files].filter(([name]) => !name.startsWith('nar/'));
  const result: CacheFiles = new Map(kept);
  const encoder = new TextEncoder();
  for (const [name, narinfo] of narinfosOf(files)) {
    const file = await compress(compression, await narOf(files, narinfo), streams);
    const hash = nixbase32(sha256(file));
    const url = `nar/${hash}.nar${FILE_SUFFIX[compression]}`;
    const altered = alterNarinfo(narinfo, {
      URL: url,
      Compression: compression,
      FileHash: `sha256:${hash}`,
      FileSize: String(file.length),
    });
    result.set(url, file);
    result.set(name, encoder.encode(altered));
  }
  return result;
}
