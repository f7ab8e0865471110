/** A store whose records are compressed on worker threads keeps the same contracts. */
import { afterAll, expect, test } from 'vitest';
import { Directory } from '../../src/castore/directory.ts';
import { Store } from '../../src/store/store.ts';
import { WorkerPool } from '../../src/workers/workerPool.ts';
import { blobServiceContract } from '../contracts/blobServiceContract.ts';
import { directoryServiceContract } from '../contracts/directoryServiceContract.ts';
import { temporaryStore } from '../store/temporaryStore.ts';
import { temporaryDirectory } from '../support/temporaryDirectory.ts';

const pool = new WorkerPool({ threads: 1 });
afterAll(() => pool[Symbol.asyncDispose]());

async function open<T>(serviceOf: (store: Store) => T) {
  const opened = await temporaryStore({ encoderOf: (level) => pool.encoder(level) });
  return {
    service: serviceOf(opened.store),
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}

blobServiceContract('the embedded store with threads', () => open(({ blobs }) => blobs));
directoryServiceContract('the embedded store with threads', () =>
  open(({ directories }) => directories),
);

test('an empty directory is read back from disk', async () => {
  await using directory = await temporaryDirectory('store');
  const empty = new Directory([]);
  {
    await using store = await Store.open(directory.path, {
      encoderOf: (level) => pool.encoder(level),
    });
    await using putter = store.directories.openPut();
    await putter.put(empty);
    await putter.close();
  }
  await using store = await Store.open(directory.path, { readOnly: true });
  expect((await store.directories.get(empty.digest))?.entries).toEqual([]);
});
