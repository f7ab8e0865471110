/**
 * Test data that is no part of the repository: binary caches of Debian packages and real files of
 * cache.nixos.org, looked for in `../shared`. Where they are missing, the tests that need them are
 * reported as skipped, by name.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { zstdDecompressSync } from 'node:zlib';
import { describe } from 'vitest';
import { unpackTar } from './tar.ts';
import { temporaryDirectory } from './temporaryDirectory.ts';

const shared = fileURLToPath(new URL('../../../shared/', import.meta.url));
const caches = join(shared, 'caches');
const ARCHIVE_SUFFIX = '.tar.zst';

/** Names for {@link unpackSharedCache} such as `small-xz`, sorted; empty where there are none. */
export const sharedCacheNames: readonly string[] = existsSync(caches)
  ? readdirSync(caches)
      .filter((name) => name.endsWith(ARCHIVE_SUFFIX))
      .map((name) => name.slice(0, -ARCHIVE_SUFFIX.length))
      .sort()
  : [];

/** What is told of a shared cache, as far as tests use it. */
export interface SharedCacheInfo {
  readonly name: string;
  readonly roots: readonly string[];
  readonly closure: readonly string[];
}

/** A shared cache, unpacked for one test. */
export interface SharedCache extends AsyncDisposable {
  /** The directory that holds `nix-cache-info`. */
  readonly directory: string;
  /** Absent for caches that were put together from others. */
  readonly info: SharedCacheInfo | undefined;
  /** For `trusted-public-keys`. */
  readonly publicKey: string;
}

/** A file of the shared folder such as `corpus/narinfos-60.txt`, absolute. */
export function sharedFile(name: string): string {
  return join(shared, name);
}

/** `describe`, skipped by name where the named files of the shared folder are missing. */
export function describeWithShared(
  name: string,
  needed: readonly string[],
  body: () => void,
): void {
  const missing = needed.filter((path) => !existsSync(join(shared, path)));
  describe.skipIf(missing.length > 0)(`${name} (needs ../shared)`, body);
}

/** Unpacks a shared cache: `await using cache = await unpackSharedCache('small-xz')`. */
export async function unpackSharedCache(name: string): Promise<SharedCache> {
  const archive = await readFile(join(caches, `${name}${ARCHIVE_SUFFIX}`));
  await using cleanup = new AsyncDisposableStack(); // nothing is left behind if unpacking fails
  const temporary = cleanup.use(await temporaryDirectory(name));
  await unpackTar(zstdDecompressSync(archive), temporary.path);
  // archives hold <set>/info.json and <set>/<compression>/…
  const files = await readdir(temporary.path, { recursive: true });
  const cacheInfo = files.find((file) => file.endsWith('nix-cache-info'));
  const infoFile = files.find((file) => file.endsWith('info.json'));
  if (cacheInfo === undefined) throw new Error(`${name} holds no binary cache`);
  const owned = cleanup.move();
  return {
    directory: join(temporary.path, cacheInfo, '..'),
    info:
      infoFile === undefined
        ? undefined
        : JSON.parse(readFileSync(join(temporary.path, infoFile), 'utf8')),
    publicKey: readFileSync(join(caches, 'public'), 'utf8').trim(),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
