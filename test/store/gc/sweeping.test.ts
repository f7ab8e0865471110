/** What others do between the marking and the sweeping of a collection, which is held there. */
import { beforeEach, describe, expect, test } from 'vitest';
import { utf8 } from '../../../src/bytes.ts';
import { FileNode, SymlinkNode } from '../../../src/castore/node.ts';
import type { PathInfo } from '../../../src/pathinfo/pathInfo.ts';
import { CollectionTurn } from '../../../src/store/gc/barrier.ts';
import { ContentMarks, runNow } from '../../../src/store/gc/contentMarks.ts';
import { DirectoryReader } from '../../../src/store/gc/directoryReader.ts';
import { collectionState, putCollectionState } from '../../../src/store/gc/leaseTable.ts';
import { Garbage, sweep } from '../../../src/store/gc/sweep.ts';
import { indexPath } from '../../../src/store/layout.ts';
import { ownIdentity } from '../../../src/store/processIdentity.ts';
import { Store } from '../../../src/store/store.ts';
import { StoreIndex } from '../../../src/store/storeIndex.ts';
import { writeBlob } from '../../contracts/blobServiceContract.ts';
import { pathInfoOf } from '../../contracts/pathInfos.ts';
import { noise } from '../../contracts/sampleBytes.ts';
import { type TemporaryDirectory, temporaryDirectory } from '../../support/temporaryDirectory.ts';
import { checkStore } from '../checkStore.ts';
import { readWhole, writePath } from '../randomPath.ts';

/** A store in which nothing is referred to, and content of a path that was never put lies. */
async function storeWithGarbage(): Promise<{ directory: TemporaryDirectory; unput: PathInfo }> {
  const directory = await temporaryDirectory('sweep');
  await using store = await Store.open(directory.path);
  const unput = await writePath(store, 'a', 1);
  store.recordContent(unput.claim.narHash, { narSize: unput.claim.narSize, node: unput.node });
  return { directory, unput };
}

let directory: TemporaryDirectory;
let unput: PathInfo;
beforeEach(async () => {
  const made = await storeWithGarbage();
  directory = made.directory;
  unput = made.unput;
  return () => directory[Symbol.asyncDispose]();
});

/** Collects, with something in between. */
async function collectAround(inBetween: (index: StoreIndex) => Promise<void>): Promise<void> {
  const options = { readOnly: false, create: false };
  await using index = await StoreIndex.open(indexPath(directory.path), options);
  using reader = new DirectoryReader(directory.path);
  await using turn = await CollectionTurn.begin(index, undefined);
  await turn.passed(undefined);
  const marks = new ContentMarks(index.tables, reader);
  await turn.enter('sweeping');
  await turn.passed(undefined);
  const garbage = new Garbage(index.tables, { marks, firstPack: turn.firstPack });
  runNow(garbage.markStamps());
  await inBetween(index);
  await sweep(turn, garbage, [], undefined);
}

async function expectWhole(store: Store, { storePath, closureDigest, node }: PathInfo) {
  expect(await store.pathInfos.getVariant(storePath.digest, closureDigest)).toBeDefined();
  await readWhole(store, node);
  await checkStore(directory.path);
}

describe('what somebody meanwhile', () => {
  test('does nothing with goes', async () => {
    await collectAround(async () => {});
    expect(await checkStore(directory.path)).toMatchObject({
      ...{ nars: 0, directories: 0, blobs: 0, chunks: 0 },
    });
  });

  test('writes is written again, though it is there', async () => {
    await using store = await Store.open(directory.path);
    await collectAround(async () => {
      await writePath(store, 'a', 1);
      expect((await store.stats()).packs).toBe(2);
    });
    await store.pathInfos.put(unput);
    await expectWhole(store, unput);
  });

  test('has found before stays', async () => {
    await using store = await Store.open(directory.path);
    await writePath(store, 'a', 1);
    await collectAround(async () => {
      await writePath(store, 'a', 1);
    });
    expect((await store.stats()).packs).toBe(1);
    await store.pathInfos.put(unput);
    await expectWhole(store, unput);
  });

  test('looks up and puts stays', async () => {
    await using store = await Store.open(directory.path);
    using _held = store.hold();
    await collectAround(async () => {
      await store.pathInfos.put(unput);
    });
    await expectWhole(store, unput);
  });

  test('looks up in order to put it later stays', async () => {
    await using store = await Store.open(directory.path);
    using _held = store.hold();
    await collectAround(async () => {
      if (unput.node.type !== 'directory') throw new Error('no directory');
      expect(await store.directories.get(unput.node.digest)).toBeDefined();
    });
    await store.pathInfos.put(unput);
    await expectWhole(store, unput);
  });

  test('takes for the content of a NAR stays', async () => {
    await using store = await Store.open(directory.path);
    await collectAround(async () => {
      const { narHash, narSize } = unput.claim;
      expect(await store.contentByNarHash(narHash)).toMatchObject({ narSize });
    });
    await store.pathInfos.put(unput);
    await expectWhole(store, unput);
  });

  test('says is there stays', async () => {
    await using store = await Store.open(directory.path);
    const bytes = noise(700_000, 3);
    const digest = await writeBlob(store.blobs, bytes);
    await store[Symbol.asyncDispose]();
    await using again = await Store.open(directory.path);
    await collectAround(async () => {
      expect(await again.blobs.has(digest)).toBe(true);
    });
    const node = new FileNode(digest, bytes.length, false);
    const pathInfo = pathInfoOf({ name: 'file', node });
    await again.pathInfos.put(pathInfo);
    await expectWhole(again, pathInfo);
  });

  test('puts as a symlink can be given out as a NAR', async () => {
    await using store = await Store.open(directory.path);
    const pathInfo = pathInfoOf({ name: 'link', node: new SymlinkNode(utf8('../target')) });
    await collectAround(async () => {
      await store.pathInfos.put(pathInfo);
    });
    expect(store.nodeByNarHash(pathInfo.claim.narHash)).toEqual(pathInfo.node);
    await expectWhole(store, pathInfo);
  });

  test('collects, since it takes this process to have ended, is the only one that does', async () => {
    const before = await checkStore(directory.path);
    const collecting = collectAround(async (index) => {
      const process = { ...ownIdentity(), namespace: 'elsewhere' };
      const state = { barrier: 50, phase: 'selecting', process } as const;
      await index.transaction(() => putCollectionState(index.tables, state));
    });
    await expect(collecting).rejects.toMatchObject({ code: 'STORE_FAILED' });
    expect(await checkStore(directory.path)).toEqual(before);
    await using index = await StoreIndex.open(indexPath(directory.path), {
      ...{ readOnly: true, create: false },
    });
    expect(collectionState(index.tables)).toMatchObject({ barrier: 50, phase: 'selecting' });
  });

  test('writes for the first time and puts stays, also of a store that is closed by then', async () => {
    const pathInfos: PathInfo[] = [];
    await collectAround(async () => {
      await using store = await Store.open(directory.path);
      pathInfos.push(await writePath(store, 'new', 5));
      const bytes = noise(1_500_000, 4);
      const node = new FileNode(await writeBlob(store.blobs, bytes), bytes.length, true);
      pathInfos.push(pathInfoOf({ name: 'file', node, references: [...pathInfos] }));
      await store.pathInfos.putAll(pathInfos);
    });
    await using store = await Store.open(directory.path);
    for (const pathInfo of pathInfos) await expectWhole(store, pathInfo);
  });
});
