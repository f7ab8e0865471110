/** Collections of a store in which rows of the index are lost: what a repair would find is not deleted. */
import { describe, expect, test } from 'vitest';
import { EMPTY } from '../../../src/bytes.ts';
import { Digest } from '../../../src/castore/digest.ts';
import { putStamps } from '../../../src/store/gc/leaseTable.ts';
import { Store } from '../../../src/store/store.ts';
import type { Tables } from '../../../src/store/storeIndex.ts';
import { noise } from '../../contracts/sampleBytes.ts';
import { ALL_PATHS, damagedStore } from '../../verify/damagedStore.ts';

const largeFile = Digest.of(noise(400_000, 7));
const DAY_MS = 24 * 60 * 60_000;

/** Removes the first row. */
function removeFirst(table: Tables['chunk']): void {
  for (const { key } of table.rowsAfter(EMPTY, 1)) table.remove(key);
}

async function collect(directory: string) {
  await using store = await Store.open(directory);
  return await store.collectGarbage();
}

describe('a collection deletes nothing while a path that stays lacks', () => {
  test.each<[string, string, (tables: Tables) => void]>([
    ['a directory', 'DIRECTORY_MISSING', ({ directory }) => removeFirst(directory)],
    ['the chunks of a file', 'BLOB_MISSING', ({ blob }) => blob.remove(largeFile.bytes)],
    ['a chunk', 'BLOB_MISSING', ({ chunk }) => removeFirst(chunk)],
  ])('%s', async (_name, code, damage) => {
    await using damaged = await damagedStore();
    await damaged.alterIndex(damage);
    damaged.fetched();
    await expect(collect(damaged.directory)).rejects.toMatchObject({ code });
    // all is found in the packs, which a collection would have rewritten without it
    const { damages } = await damaged.repair();
    expect(damages.map(({ failure }) => failure)).toEqual(damages.map(() => undefined));
    expect(damages.length).toBeGreaterThan(0);
    expect(damaged.fetched()).toEqual([]);
    expect(await collect(damaged.directory)).toMatchObject({ removedVariants: [] });
    expect(await damaged.wholePaths()).toEqual(ALL_PATHS);
  });
});

test('what is given up may lack anything', async () => {
  await using damaged = await damagedStore();
  await damaged.alterIndex(({ directory }) => removeFirst(directory));
  await using store = await Store.open(damaged.directory);
  const report = await store.collectGarbage({ olderThanMs: 0, now: Date.now() + DAY_MS });
  expect(report).toMatchObject({ keptVariants: 0 });
  expect(await store.stats()).toMatchObject({ chunks: 0, directories: 0, variants: 0 });
});

test('stamps that cannot be read fail a collection: nobody knows what they keep', async () => {
  await using damaged = await damagedStore();
  await using store = await Store.open(damaged.directory);
  await damaged.alterIndex((tables) => {
    const [lease] = tables.lease.rowsAfter(EMPTY, 1);
    if (lease === undefined) throw new Error('the store has a lease');
    putStamps(tables, 1, 0, [{ kind: 'chunk', digest: largeFile }]);
    const [stamp] = tables.stamp.rowsAfter(EMPTY, 1);
    if (stamp === undefined) throw new Error('it was put just now');
    const key = Buffer.concat([lease.key, stamp.key.subarray(lease.key.length)]);
    tables.stamp.remove(stamp.key);
    tables.stamp.put(key, stamp.value.subarray(0, -1));
  });
  await expect(store.collectGarbage()).rejects.toMatchObject({ code: 'STORE_INVALID' });
});
