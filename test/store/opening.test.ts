/** Opening, reopening, and what is refused. */
import { mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { open } from 'lmdb';
import { describe, expect, test } from 'vitest';
import { utf8 } from '../../src/bytes.ts';
import { Digest } from '../../src/castore/digest.ts';
import { Directory } from '../../src/castore/directory.ts';
import { DirectoryNode, FileNode } from '../../src/castore/node.ts';
import type { PathInfo } from '../../src/pathinfo/pathInfo.ts';
import { indexPath } from '../../src/store/layout.ts';
import { encodeU32 } from '../../src/store/schema.ts';
import { Store } from '../../src/store/store.ts';
import { writeBlob } from '../contracts/blobServiceContract.ts';
import { pathInfoOf, plain } from '../contracts/pathInfos.ts';
import { prose } from '../contracts/sampleBytes.ts';
import { temporaryDirectory } from '../support/temporaryDirectory.ts';
import { readWhole, writePath } from './randomPath.ts';
import { temporaryStore } from './temporaryStore.ts';

/** Changes a value of the index behind the store's back. */
async function overwrite(directory: string, table: string, key: Uint8Array, value: Uint8Array) {
  const root = open<Uint8Array, Uint8Array>(indexPath(directory), {
    encoding: 'binary',
    keyEncoding: 'binary',
    noSubdir: true,
  });
  await root.openDB({ name: table, encoding: 'binary', keyEncoding: 'binary' }).put(key, value);
  await root.close();
}

describe('a store that one process opens several times', () => {
  test('is opened while another transaction waits for the main thread', async () => {
    await using directory = await temporaryDirectory('store');
    const link = join(directory.path, 'link');
    await symlink('real', link);
    await mkdir(join(directory.path, 'real'));
    await using first = await Store.open(join(directory.path, 'real'));
    for (let i = 0; i < 10; i++) {
      const put = first.pathInfos.put(await writePath(first, `path-${i}`, i));
      await using second = await Store.open(link);
      const { storePath } = await put;
      expect(await second.pathInfos.get(storePath.digest)).toEqual(await put);
    }
    // that others have closed it does not close it here
    await first.pathInfos.put(await writePath(first, 'last', 10));
  });
});

describe('a store that is closed and opened again', () => {
  test('has all that was kept', async () => {
    await using directory = await temporaryDirectory('store');
    const pathInfos: PathInfo[] = [];
    {
      await using store = await Store.open(directory.path);
      for (let i = 0; i < 5; i++) {
        pathInfos.push(await writePath(store, `path-${i}`, i, pathInfos.slice(-1)));
      }
      await store.pathInfos.putAll(pathInfos);
    }
    for (const readOnly of [false, true]) {
      await using store = await Store.open(directory.path, { readOnly });
      for (const pathInfo of pathInfos) {
        const { digest } = pathInfo.storePath;
        expect(plain(await store.pathInfos.get(digest))).toEqual(plain(pathInfo));
        await readWhole(store, pathInfo.node);
        const found = await store.pathInfos.getByClosureDigest(pathInfo.closureDigest);
        expect(plain(found)).toEqual(plain(pathInfo));
      }
    }
  });

  test('has content without PathInfo, which was closed before', async () => {
    await using directory = await temporaryDirectory('store');
    let digest: Digest;
    {
      await using store = await Store.open(directory.path);
      digest = await writeBlob(store.blobs, prose(500_000));
    }
    await using store = await Store.open(directory.path);
    expect((await store.blobs.stat(digest))?.size).toBe(500_000);
  });
});

describe('a store opened for reading', () => {
  test('refuses writes', async () => {
    await using directory = await temporaryDirectory('store');
    await (await Store.open(directory.path))[Symbol.asyncDispose]();
    await using store = await Store.open(directory.path, { readOnly: true });
    const refused = { code: 'READ_ONLY' };
    expect(() => store.blobs.openWrite()).toThrow(expect.objectContaining(refused));
    expect(() => store.blobs.openChunkedWrite()).toThrow(expect.objectContaining(refused));
    expect(() => store.directories.openPut()).toThrow(expect.objectContaining(refused));
    await expect(store.pathInfos.put(pathInfoOf({ name: 'a' }))).rejects.toMatchObject(refused);
    expect((await store.stats()).paths).toBe(0);
  });

  test.each([{ readOnly: true }, { createIfMissing: false }])(
    'is not made where there is none: %o',
    async (options) => {
      await using directory = await temporaryDirectory('store');
      const path = `${directory.path}/absent`;
      await expect(Store.open(path, options)).rejects.toMatchObject({
        code: 'STORE_FAILED',
        facts: { path: indexPath(path), systemCode: 'ENOENT' },
      });
      await expect(stat(path)).rejects.toMatchObject({ code: 'ENOENT' });
    },
  );
});

describe('what is no store', () => {
  test('another version', async () => {
    await using directory = await temporaryDirectory('store');
    await (await Store.open(directory.path))[Symbol.asyncDispose]();
    await overwrite(directory.path, 'meta', utf8('schema'), encodeU32(99));
    await expect(Store.open(directory.path)).rejects.toMatchObject({
      code: 'STORE_VERSION',
      facts: { expected: 1, actual: 99 },
    });
  });

  test.each([
    ['a file of something else', () => prose(20_000)],
    ['a short file', () => prose(10)],
    ['an index that is cut off after a page', (index: Uint8Array) => index.subarray(0, 4096)],
    ['an index whose second page is damaged', (index: Uint8Array) => index.fill(7, 4096, 8192)],
  ])('%s', async (_, damage) => {
    await using directory = await temporaryDirectory('store');
    const path = indexPath(directory.path);
    await (await Store.open(directory.path))[Symbol.asyncDispose]();
    await writeFile(path, damage(await readFile(path)));
    for (const readOnly of [false, true]) {
      await expect(Store.open(directory.path, { readOnly })).rejects.toMatchObject({
        code: 'STORE_INVALID',
        facts: { path },
      });
    }
  });

  test.each([0.3, 0.7, 0.9])('a large index of which %d is left', async (part) => {
    await using directory = await temporaryDirectory('store');
    {
      await using store = await Store.open(directory.path);
      const many = Array.from({ length: 2000 }, (_, i) => pathInfoOf({ name: `path-${i}` }));
      await store.pathInfos.putAll(many);
    }
    const path = indexPath(directory.path);
    const index = await readFile(path);
    await writeFile(path, index.subarray(0, Math.floor(index.length * part)));
    for (const readOnly of [false, true]) {
      await expect(Store.open(directory.path, { readOnly })).rejects.toMatchObject({
        code: 'STORE_INVALID',
        facts: { path, actual: Math.floor(index.length * part) },
      });
    }
  });

  test('an index in LMDB of another version', async () => {
    await using directory = await temporaryDirectory('store');
    const path = indexPath(directory.path);
    await (await Store.open(directory.path))[Symbol.asyncDispose]();
    const index = await readFile(path);
    index[28] = 1;
    await writeFile(path, index);
    await expect(Store.open(directory.path)).rejects.toMatchObject({
      code: 'STORE_VERSION',
      facts: { expected: 2, actual: 1 },
    });
  });

  test('an empty index becomes one, unless it is only to be read', async () => {
    await using directory = await temporaryDirectory('store');
    await writeFile(indexPath(directory.path), '');
    const unfinished = { code: 'STORE_FAILED', facts: { systemCode: 'ENOENT' } };
    const read = () => Store.open(directory.path, { readOnly: true });
    await expect(read()).rejects.toMatchObject(unfinished);
    await (await Store.open(directory.path))[Symbol.asyncDispose]();
    await (await read())[Symbol.asyncDispose]();
  });

  test('a store whose making was cut short is made to its end, unless it is only to be read', async () => {
    await using directory = await temporaryDirectory('store');
    const root = open({ path: indexPath(directory.path), noSubdir: true, maxDbs: 20 });
    root.openDB({ name: 'meta' });
    root.openDB({ name: 'chunk' });
    await root.close();
    const unfinished = { code: 'STORE_FAILED', facts: { systemCode: 'ENOENT' } };
    const read = () => Store.open(directory.path, { readOnly: true });
    await expect(read()).rejects.toMatchObject(unfinished);
    await (await Store.open(directory.path))[Symbol.asyncDispose]();
    await (await read())[Symbol.asyncDispose]();
  });

  test('a directory that cannot be made', async () => {
    await using directory = await temporaryDirectory('store');
    await writeFile(`${directory.path}/file`, '');
    await expect(Store.open(`${directory.path}/file/store`)).rejects.toMatchObject({
      code: 'STORE_FAILED',
      facts: { systemCode: 'ENOTDIR' },
    });
  });
});

describe('a PathInfo whose content is not stored is refused', () => {
  const absent = Digest.of(utf8('absent'));
  test.each([
    ['a file', new FileNode(absent, 6, false), 'BLOB_MISSING'],
    ['a directory', new DirectoryNode(absent, 0), 'DIRECTORY_MISSING'],
  ] as const)('%s', async (_, node, code) => {
    await using opened = await temporaryStore();
    const { pathInfos } = opened.store;
    await expect(pathInfos.put(pathInfoOf({ name: 'a', node }))).rejects.toMatchObject({
      code,
      facts: { digest: String(absent) },
    });
  });

  test('of a writer that was given up', async () => {
    await using opened = await temporaryStore();
    const { store } = opened;
    const directory = new Directory([]);
    {
      await using putter = store.directories.openPut();
      await putter.put(directory);
      const put = store.pathInfos.put(pathInfoOf({ name: 'a', node: directory.node }));
      await expect(put).rejects.toMatchObject({ code: 'DIRECTORY_MISSING' });
    }
    const put = store.pathInfos.put(pathInfoOf({ name: 'a', node: directory.node }));
    await expect(put).rejects.toMatchObject({ code: 'DIRECTORY_MISSING' });
  });

  test('but the empty file always is', async () => {
    await using opened = await temporaryStore();
    const node = new FileNode(Digest.of(Uint8Array.of()), 0, true);
    await opened.store.pathInfos.put(pathInfoOf({ name: 'a', node }));
  });
});

test('a PathInfo that was damaged in the index is named', async () => {
  await using directory = await temporaryDirectory('store');
  const pathInfo = pathInfoOf({ name: 'a' });
  {
    await using store = await Store.open(directory.path);
    await store.pathInfos.put(pathInfo);
  }
  const key = Buffer.concat([pathInfo.storePath.digest, pathInfo.closureDigest.bytes]);
  await overwrite(directory.path, 'variant', key, utf8('nonsense'));
  await using store = await Store.open(directory.path);
  await expect(store.pathInfos.get(pathInfo.storePath.digest)).rejects.toMatchObject({
    code: 'STORE_INVALID',
    facts: {
      digest: Buffer.from(pathInfo.storePath.digest).toString('hex'),
      closureDigest: String(pathInfo.closureDigest),
    },
  });
});

test('a store that is disposed of twice is closed once', async () => {
  await using directory = await temporaryDirectory('store');
  const store = await Store.open(directory.path);
  await writeBlob(store.blobs, prose(10));
  await Promise.all([store[Symbol.asyncDispose](), store[Symbol.asyncDispose]()]);
});
