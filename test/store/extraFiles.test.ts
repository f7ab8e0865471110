/** Extra files in the embedded store. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { open } from 'lmdb';
import { describe, expect, test } from 'vitest';
import { utf8 } from '../../src/bytes.ts';
import { type ExtraFileName, extraFilePath } from '../../src/extraFiles/extraFileName.ts';
import { indexPath } from '../../src/store/layout.ts';
import { Store } from '../../src/store/store.ts';
import { writeBlob } from '../contracts/blobServiceContract.ts';
import { bytesOf, itemsOf } from '../contracts/collect.ts';
import { extraFileServiceContract } from '../contracts/extraFileServiceContract.ts';
import { storePathOf } from '../contracts/pathInfos.ts';
import { temporaryDirectory } from '../support/temporaryDirectory.ts';
import { temporaryStore } from './temporaryStore.ts';

extraFileServiceContract('the embedded store', async (limits) => {
  const opened = await temporaryStore(limits && { limits });
  const { extraFiles: service, blobs } = opened.store;
  return { service, blobs, [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose]() };
});

const run = promisify(execFile);
const WRITER = new URL('./logWriterProcess.ts', import.meta.url).pathname;

const LOG: ExtraFileName = { kind: 'log', derivation: storePathOf('hello-1.0.drv') };

async function putLog(store: Store, text: string): Promise<void> {
  const bytes = utf8(text);
  const file = { digest: await writeBlob(store.blobs, bytes), size: bytes.length };
  await store.extraFiles.putAll([{ name: LOG, file }]);
}

async function logOf(store: Store): Promise<string | undefined> {
  const file = await store.extraFiles.get(LOG);
  return file && Buffer.from(await bytesOf(await store.blobs.read(file.digest))).toString();
}

/** Changes the index behind the store's back. */
async function withIndex(
  directory: string,
  action: (root: ReturnType<typeof open<Uint8Array, Uint8Array>>) => Promise<void>,
): Promise<void> {
  const root = open<Uint8Array, Uint8Array>(indexPath(directory), {
    encoding: 'binary',
    keyEncoding: 'binary',
    noSubdir: true,
  });
  await action(root);
  await root.close();
}

/** As stores were before there was this sub-database. */
const dropTable = (directory: string) =>
  withIndex(directory, (root) =>
    root.openDB({ name: 'extra', encoding: 'binary', keyEncoding: 'binary' }).drop(),
  );

describe('a file that was put', () => {
  test('is there after the store was closed, with its content', async () => {
    await using directory = await temporaryDirectory('store');
    {
      await using store = await Store.open(directory.path);
      await putLog(store, 'built');
    }
    await using store = await Store.open(directory.path, { readOnly: true });
    expect(await logOf(store)).toBe('built');
    await expect(store.extraFiles.putAll([])).rejects.toMatchObject({ code: 'READ_ONLY' });
  });

  test('is seen by another who has the store open', async () => {
    await using directory = await temporaryDirectory('store');
    await using writer = await Store.open(directory.path);
    await using reader = await Store.open(directory.path, { readOnly: true });
    expect(await logOf(reader)).toBeUndefined();
    await putLog(writer, 'built');
    expect(await logOf(reader)).toBe('built');
  });

  test('whose record is damaged is named', async () => {
    await using directory = await temporaryDirectory('store');
    {
      await using store = await Store.open(directory.path);
      await putLog(store, 'built');
    }
    await withIndex(directory.path, async (root) => {
      const table = root.openDB({ name: 'extra', encoding: 'binary', keyEncoding: 'binary' });
      await table.put(utf8(extraFilePath(LOG)), utf8('?'));
    });
    await using store = await Store.open(directory.path);
    const damaged = { code: 'STORE_INVALID', facts: { url: expect.stringContaining('log/') } };
    await expect(store.extraFiles.get(LOG)).rejects.toMatchObject(damaged);
    await expect(itemsOf(store.extraFiles.list())).rejects.toMatchObject(damaged);
  });
});

describe('a store from before there were extra files', () => {
  test('has none when it is read, and sees those that come', async () => {
    await using directory = await temporaryDirectory('store');
    await (await Store.open(directory.path))[Symbol.asyncDispose]();
    await dropTable(directory.path);
    await using reader = await Store.open(directory.path, { readOnly: true });
    expect(await logOf(reader)).toBeUndefined();
    expect(await itemsOf(reader.extraFiles.list())).toEqual([]);
    // LMDB's binding cannot open for writing what this process reads
    await run(process.execPath, [WRITER, directory.path, extraFilePath(LOG), 'built']);
    expect(await logOf(reader)).toBe('built');
    expect(await itemsOf(reader.extraFiles.list())).toHaveLength(1);
  });
});
