/**
 * Binary caches of Debian packages that real Nix wrote, in every compression: in over HTTP, from a
 * directory and from a zip file, and out again over HTTP.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openMirrorStore } from '../../src/composition/mirrorStore.ts';
import { serveStore } from '../../src/composition/serveStore.ts';
import { parsePublicKeys } from '../../src/signature.ts';
import { StorePath } from '../../src/storePath.ts';
import {
  type CacheFiles,
  narinfosOf,
  readCacheFiles,
  zipCacheFiles,
} from '../support/cacheFiles.ts';
import { type NarinfoKey, narinfoField } from '../support/narinfoText.ts';
import { sha256Field } from '../support/nixbase32.ts';
import {
  describeWithShared,
  type SharedCache,
  sharedCacheNames,
  unpackSharedCache,
} from '../support/sharedCaches.ts';
import { serveStatic } from '../support/staticCache.ts';
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporaryDirectory.ts';

/** What of a narinfo is about the path, and not about how a cache keeps its NAR. */
const KEPT_FIELDS: readonly NarinfoKey[] = [
  'StorePath',
  'NarHash',
  'NarSize',
  'References',
  'Deriver',
  'CA',
];

function claimOf(narinfo: string) {
  const fields = KEPT_FIELDS.map((key) => [key, narinfoField(narinfo, key)] as const);
  return { ...Object.fromEntries(fields), Sig: narinfo.match(/^Sig: .*$/gm) };
}

describeWithShared('shared caches', ['caches/public'], () => {
  describe.each(sharedCacheNames)('%s', (name) => {
    let cache: SharedCache;
    let files: CacheFiles;
    let directory: TemporaryDirectory;
    beforeAll(async () => {
      cache = await unpackSharedCache(name);
      files = await readCacheFiles(cache.directory);
      directory = await temporaryDirectory('shared');
    });
    afterAll(async () => {
      await directory[Symbol.asyncDispose]();
      await cache[Symbol.asyncDispose]();
    });

    /** Mirrors all of it, and holds what is served of it against the cache. */
    async function mirrorAndServe(from: string): Promise<void> {
      await using temporary = await temporaryDirectory('store');
      await using mirror = await openMirrorStore({
        storeDirectory: temporary.path,
        from: [from],
        trustedKeys: parsePublicKeys(cache.publicKey),
      });
      const narinfos = [...narinfosOf(files).values()];
      const paths = narinfos.map((text) => StorePath.parse(narinfoField(text, 'StorePath') ?? ''));
      const results = await mirror.upstreams.ingest(paths);
      expect(results.map(({ outcome }) => outcome)).toEqual(paths.map(() => 'kept'));

      await using server = await serveStore(mirror.store, {});
      for (const narinfo of narinfos) {
        const { hashPart } = StorePath.parse(narinfoField(narinfo, 'StorePath') ?? '');
        const served = await (await fetch(`${server.url}/${hashPart}.narinfo`)).text();
        expect(claimOf(served)).toEqual(claimOf(narinfo));
        const nar = await fetch(`${server.url}/${narinfoField(served, 'URL')}`);
        const bytes = Buffer.from(await nar.arrayBuffer());
        expect([narinfoField(narinfo, 'StorePath'), sha256Field(bytes)]).toEqual([
          narinfoField(narinfo, 'StorePath'),
          narinfoField(narinfo, 'NarHash'),
        ]);
      }
    }

    test('over HTTP', async () => {
      await using server = await serveStatic(cache.directory);
      await mirrorAndServe(server.url);
    });

    test('as a directory', async () => {
      await mirrorAndServe(cache.directory);
    });

    test.each([
      ['stored', 0],
      ['deflated', 6],
    ] as const)('as a zip file, %s', async (_, level) => {
      const zip = join(directory.path, `${level}.zip`);
      await writeFile(zip, zipCacheFiles(files, { level }));
      await mirrorAndServe(zip);
    });
  });
});
