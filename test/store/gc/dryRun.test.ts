/** What a dry run foresees is what a run then does. */
import { expect, test } from 'vitest';
import type { CollectOptions } from '../../../src/store/gc/collectGarbage.ts';
import { allocateLease, putLease, putStamps } from '../../../src/store/gc/leaseTable.ts';
import { indexPath } from '../../../src/store/layout.ts';
import { ownIdentity } from '../../../src/store/processIdentity.ts';
import { Store } from '../../../src/store/store.ts';
import { StoreIndex } from '../../../src/store/storeIndex.ts';
import { writeBlob } from '../../contracts/blobServiceContract.ts';
import { noise } from '../../contracts/sampleBytes.ts';
import { temporaryDirectory } from '../../support/temporaryDirectory.ts';
import { writePath } from '../randomPath.ts';

const DAY_MS = 24 * 60 * 60_000;
const START = Date.UTC(2026, 0, 1);

/** Paths of a day each, with garbage between them, in packs of their own. */
async function dailyPaths(directory: string, garbageBytes: number): Promise<void> {
  for (let day = 0; day < 5; day++) {
    await using store = await Store.open(directory, { now: () => START + day * DAY_MS });
    await writeBlob(store.blobs, noise(garbageBytes, 40 + day));
    await store.pathInfos.put(await writePath(store, `path-${day}`, day));
    if (day < 2) await store.pathInfos.put(await writePath(store, 'variants', 20 + day));
  }
}

/** A process that has ended without giving up what it relied on: variants that are not current. */
async function leaveStamps(directory: string): Promise<void> {
  const options = { readOnly: false, create: false };
  await using index = await StoreIndex.open(indexPath(directory), options);
  await using store = await Store.open(directory);
  const { digest } = (await writePath(store, 'variants', 20)).storePath;
  const variants = await Array.fromAsync(store.pathInfos.listVariants(digest));
  await index.transaction(() => {
    const number = allocateLease(index.tables);
    putLease(index.tables, number, {
      ...{ process: { ...ownIdentity(), boot: 'before' }, renewedAt: Date.now(), firstPack: 1 },
      ...{ barrier: 0, use: 'open' },
    });
    const stamps = variants.map(({ closureDigest }) => ({
      ...{ kind: 'variant' as const, digest: closureDigest },
    }));
    putStamps(index.tables, number, 0, stamps);
  });
}

test.each<[string, number, CollectOptions, number]>([
  ['without rules', 300_000, {}, 5],
  ['by age', 300_000, { olderThanMs: 2.5 * DAY_MS }, 3],
  ['by size, where all fits', 10_000, { maxBytes: 10_000_000 }, 1],
  // what stays has some 640 KB, and a tenth of most packs is dead
  ['by size, where all fits once packs are rewritten', 10_000, { maxBytes: 660_000 }, 4],
  ['by size, where little fits', 10_000, { maxBytes: 300_000 }, 1],
])('%s', async (_name, garbageBytes, rules, rewrittenPacks) => {
  await using directory = await temporaryDirectory('dry');
  await dailyPaths(directory.path, garbageBytes);
  await leaveStamps(directory.path);
  const options = { now: START + 5 * DAY_MS, ...rules };
  await using store = await Store.open(directory.path);
  const before = await store.stats();
  const foreseen = await store.collectGarbage({ ...options, dryRun: true });
  expect(await store.stats()).toEqual(before);
  const done = await store.collectGarbage(options);
  const { dryRun: _, storedBytes, storedBytesBefore, ...counts } = foreseen;
  expect(done).toMatchObject(counts);
  expect(done.removedVariants).toEqual(foreseen.removedVariants);
  expect(done.rewrittenPacks).toBe(rewrittenPacks);
  // the index may have grown by some pages
  expect(Math.abs(storedBytes - done.storedBytes)).toBeLessThan(200_000);
  expect(storedBytesBefore).toBe(done.storedBytesBefore);
});
