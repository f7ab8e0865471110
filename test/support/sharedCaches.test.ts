import { expect, it } from 'vitest';
import { narinfosOf, readCacheFiles } from './cacheFiles.ts';
import { narinfoField } from './narinfoText.ts';
import { describeWithShared, sharedCacheNames, unpackSharedCache } from './sharedCaches.ts';

describeWithShared('shared caches', ['caches'], () => {
  it.each(sharedCacheNames)('%s is unpacked whole', async (name) => {
    await using cache = await unpackSharedCache(name);
    const files = await readCacheFiles(cache.directory);
    const narinfos = [...narinfosOf(files).values()];
    const storePaths = narinfos.map((text) => narinfoField(text, 'StorePath') ?? '').sort();
    expect(storePaths).toEqual(cache.info?.closure ?? storePaths);
    for (const text of narinfos) {
      const file = files.get(narinfoField(text, 'URL') ?? '');
      expect(String(file?.length)).toBe(narinfoField(text, 'FileSize'));
    }
    expect(narinfos.length).toBeGreaterThan(0);
  });
});
