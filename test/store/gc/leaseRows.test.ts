/** What the index says of a lease, at the moments at which it could say too little. */
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, test } from 'vitest';
import { utf8 } from '../../../src/bytes.ts';
import { Digest } from '../../../src/castore/digest.ts';
import { SymlinkNode } from '../../../src/castore/node.ts';
import { Lease, type LeaseParts } from '../../../src/store/gc/lease.ts';
import {
  allocateLease,
  leasesOf,
  putCollectionState,
  removeLease,
} from '../../../src/store/gc/leaseTable.ts';
import { indexPath } from '../../../src/store/layout.ts';
import { ownIdentity } from '../../../src/store/processIdentity.ts';
import { Store } from '../../../src/store/store.ts';
import { storeFailure } from '../../../src/store/storeFailure.ts';
import { StoreIndex } from '../../../src/store/storeIndex.ts';
import { partsOf } from '../../contracts/blobServiceContract.ts';
import { pathInfoOf } from '../../contracts/pathInfos.ts';
import { noise } from '../../contracts/sampleBytes.ts';
import { temporaryDirectory } from '../../support/temporaryDirectory.ts';
import { checkStore } from '../checkStore.ts';

let path: string;
let index: StoreIndex;
beforeEach(async () => {
  const directory = await temporaryDirectory('lease');
  path = directory.path;
  await (await Store.open(path))[Symbol.asyncDispose]();
  index = await StoreIndex.open(indexPath(path), { readOnly: false, create: false });
  return async () => {
    await index[Symbol.asyncDispose]();
    await directory[Symbol.asyncDispose]();
  };
});

const digest = Digest.of(noise(100, 1));
const takeLease = (parts?: Partial<LeaseParts>) =>
  Lease.take({ index, completePack: async () => {}, ...parts });
const rowOf = ({ number = 0 }: Lease) => leasesOf(index.tables).get(number);

test('where it could not be taken nothing is relied on, until it is', async () => {
  let isFull = true;
  const transaction: StoreIndex['transaction'] = async (action) => {
    return await index.transaction(() => {
      const result = action();
      if (isFull) throw storeFailure('committing', path, new Error('no space'));
      return result;
    });
  };
  await using lease = await takeLease({ index: { path, tables: index.tables, transaction } });
  expect(lease.number).toBeUndefined();
  expect(lease.find('chunk', digest, 1)).toBe(false);
  await expect(lease.ensureHeld()).rejects.toMatchObject({ code: 'STORE_FAILED' });
  // the number that it would have had is another's by now
  const other = await index.transaction(() => allocateLease(index.tables));
  expect(lease.find('chunk', digest, 1)).toBe(false);
  expect(() => lease.keepCommitted([])).toThrow(expect.objectContaining({ code: 'STORE_FAILED' }));
  isFull = false;
  await Promise.all([lease.ensureHeld(), lease.ensureHeld()]);
  expect(lease.number).toBe(other + 1);
  expect(lease.find('chunk', digest, 1)).toBe(true);
  expect(leasesOf(index.tables).size).toBe(1);
});

test('one that was taken away at once is not taken again in silence', async () => {
  const store = await Store.open(path);
  // needs no pack
  const pathInfo = pathInfoOf({ name: 'link', node: new SymlinkNode(utf8('target')) });
  await index.transaction(() => {
    for (const number of leasesOf(index.tables).keys()) removeLease(index.tables, number);
  });
  const put = store.pathInfos.put(pathInfo);
  await expect(put).rejects.toMatchObject({ code: 'STORE_FAILED' });
  // what follows fails alike when it is closed
  await store[Symbol.asyncDispose]().catch(() => {});
  expect(await checkStore(path)).toMatchObject({ variants: 0 });
});

describe('a pack that is begun while', () => {
  test('the lease is renewed is protected', async () => {
    await using lease = await takeLease();
    const state = { barrier: 7, phase: 'idle', process: ownIdentity() } as const;
    await index.transaction(() => putCollectionState(index.tables, state));
    // one commit, of which each hears when both are on disk
    await Promise.all([index.transaction(() => lease.takePack(40)), lease.look()]);
    lease.tookPack(40);
    expect(rowOf(lease)).toMatchObject({ firstPack: 40, barrier: 7 });
  });

  test('earlier content is given up is protected', async () => {
    await using lease = await takeLease({ graceMs: 0 });
    lease.find('chunk', digest, undefined);
    await lease.look(); // ends the generation
    await Promise.all([index.transaction(() => lease.takePack(41)), lease.look()]);
    lease.tookPack(41);
    expect(rowOf(lease)).toMatchObject({ firstPack: 41 });
  });

  test('a collection asks does not answer for what is not reported yet', async () => {
    await using lease = await takeLease();
    const state = { barrier: 7, phase: 'selecting', process: ownIdentity() } as const;
    await index.transaction(() => putCollectionState(index.tables, state));
    const taken = index.transaction(() => {
      lease.takePack(42);
      return rowOf(lease)?.barrier;
    });
    await Promise.all([taken, lease.look()]);
    expect(await taken).toBe(0);
    expect(rowOf(lease)).toMatchObject({ firstPack: 42, barrier: 7 });
  });
});

test('content on its way is kept though whoever wrote it first has given up', async () => {
  await using store = await Store.open(path, { graceMs: 0 });
  const bytes = noise(200_000, 6);
  const parts = [...partsOf(bytes)];
  const first = store.blobs.openChunkedWrite();
  await first.write(parts);
  // longer than it takes to have a look: another generation begins
  await sleep(600);
  await using second = store.blobs.openChunkedWrite();
  await second.write(parts);
  await first[Symbol.asyncDispose]();
  await sleep(900);
  {
    await using collector = await Store.open(path);
    expect(await collector.collectGarbage()).toMatchObject({ removedPacks: 0 });
  }
  await second.close();
  await store.flush();
  expect(await checkStore(path)).toMatchObject({ blobs: 1 });
});
