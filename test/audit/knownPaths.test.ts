import { describe, expect, test } from 'vitest';
import { KnownPaths } from '../../src/audit/knownPaths.ts';
import { NarthexError } from '../../src/errors.ts';
import { MemoryPathInfoService } from '../../src/pathinfo/memoryPathInfoService.ts';
import { StorePath } from '../../src/storePath.ts';
import { memoryServices as memoryContents } from '../render/castoreTree.ts';
import { hashPartOf } from '../support/nixbase32.ts';
import { keepWorld, worlds } from './keptWorlds.ts';

/** Counts what it is asked. */
class CountingPathInfos extends MemoryPathInfoService {
  lookups = 0;
  listings = 0;

  override listVariants(digest: Uint8Array) {
    this.lookups += 1;
    return super.listVariants(digest);
  }

  override list() {
    this.listings += 1;
    return super.list();
  }
}

async function kept() {
  const pathInfoService = new CountingPathInfos();
  const { a } = await worlds();
  await keepWorld({ ...memoryContents(), pathInfoService }, a.files);
  return { pathInfoService, a };
}

describe('KnownPaths', () => {
  test('what is kept, what is given, and what is neither', async () => {
    const { pathInfoService, a } = await kept();
    const other = StorePath.fromBaseName(`${hashPartOf('other')}-other`);
    const known = new KnownPaths(pathInfoService, [other], undefined);
    const dep = a.path('dep');
    expect((await known.find(dep.hashPart))?.absolute).toBe(dep.storePath);
    expect(await known.find(other.hashPart)).toBe(other);
    expect(await known.find(hashPartOf('nowhere'))).toBeUndefined();
  });

  test('after many questions it asks no more, and says the same', async () => {
    const { pathInfoService, a } = await kept();
    const known = new KnownPaths(pathInfoService, [], undefined);
    for (let i = 0; i < 30_000; i++) await known.find(hashPartOf('nowhere'));
    expect(pathInfoService.lookups).toBeLessThan(30_000);
    expect(pathInfoService.listings).toBe(1);
    for (const { hashPart, storePath } of a.paths) {
      expect((await known.find(hashPart))?.absolute).toBe(storePath);
    }
  });

  test('a damaged record is a path that is not known', async () => {
    const damaged = new MemoryPathInfoService();
    damaged.listVariants = () => {
      throw new NarthexError('STORE_INVALID', 'the record is damaged');
    };
    const known = new KnownPaths(damaged, [], undefined);
    expect(await known.find(hashPartOf('x'))).toBeUndefined();
    damaged.listVariants = () => {
      throw new NarthexError('STORE_FAILED', 'the disk is gone');
    };
    await expect(known.find(hashPartOf('x'))).rejects.toMatchObject({ code: 'STORE_FAILED' });
  });
});
