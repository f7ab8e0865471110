/** A full disk, on a file system of a few megabytes; needs the right to mount one. */
import { execFileSync } from 'node:child_process';
import { rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { FileNode } from '../../src/castore/node.ts';
import type { PathInfo } from '../../src/pathinfo/pathInfo.ts';
import { Store } from '../../src/store/store.ts';
import { writeBlob } from '../contracts/blobServiceContract.ts';
import { pathInfoOf } from '../contracts/pathInfos.ts';
import { noise } from '../contracts/sampleBytes.ts';
import { temporaryDirectory } from '../support/temporaryDirectory.ts';
import { checkStore } from './checkStore.ts';
import { readWhole, writePath } from './randomPath.ts';

/** A file system of its own, or `undefined` where mounting is not allowed. */
function mountSmall(path: string, options: string): AsyncDisposable | undefined {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  return {
    async [Symbol.asyncDispose]() {
      execFileSync('umount', [path]);
    },
  };
}

async function canMount(): Promise<boolean> {
  await using directory = await temporaryDirectory('mount');
  await using mounted = mountSmall(directory.path, 'size=1m');
  return mounted !== undefined;
}

const full = { code: 'STORE_FAILED' };

test.skipIf(!(await canMount()))('a full disk fails writes and nothing that was kept', async () => {
  await using directory = await temporaryDirectory('full');
  await using _mounted = mountSmall(directory.path, 'size=6m');
  const kept: PathInfo[] = [];
  {
    const store = await Store.open(directory.path);
    const fill = async () => {
      for (let seed = 1; ; seed++) {
        const pathInfo = await writePath(store, `path-${seed}`, seed);
        await store.pathInfos.put(pathInfo);
        kept.push(pathInfo);
      }
    };
    await expect(fill()).rejects.toMatchObject(full);
    await expect(writeBlob(store.blobs, noise(3_000_000, 77))).rejects.toMatchObject(full);
    for (const { node } of kept) await readWhole(store, node);
    await store[Symbol.asyncDispose]().catch((error: unknown) => expect(error).toMatchObject(full));
  }
  expect(kept.length).toBeGreaterThan(3);
  execFileSync('mount', ['-o', 'remount,size=12m', directory.path]);
  await using store = await Store.open(directory.path);
  for (const { node, storePath } of kept) {
    expect(await store.pathInfos.has(storePath.digest)).toBe(true);
    await readWhole(store, node);
  }
  await store.pathInfos.put(await writePath(store, 'after', 5000));
});

test.skipIf(!(await canMount()))('a collection makes room on a full disk', async () => {
  await using directory = await temporaryDirectory('full');
  await using _mounted = mountSmall(directory.path, 'size=8m');
  const fillFrom = async (first: number) => {
    await using store = await Store.open(directory.path, { packFullBytes: 500_000 });
    for (let seed = first; ; seed++) {
      await store.pathInfos.put(await writePath(store, `path-${seed}`, seed));
    }
  };
  // the store cannot even be closed in order
  const failure = await fillFrom(1).catch((error: unknown) => error);
  const cause = failure instanceof SuppressedError ? failure.suppressed : failure;
  expect(cause).toMatchObject({ ...full, facts: { systemCode: 'ENOSPC' } });
  const later = Date.now() + 24 * 60 * 60_000;
  {
    await using store = await Store.open(directory.path);
    const [first] = await Array.fromAsync(store.pathInfos.list());
    if (first === undefined) throw new Error('nothing was put');
    const { digest } = first.storePath;
    await store.pins.put('first', { digest, closureDigest: first.closureDigest }, 1);
    const report = await store.collectGarbage({ olderThanMs: 0, now: later });
    expect(report).toMatchObject({ keptVariants: 1, damagedPacks: [] });
    await readWhole(store, first.node);
    await store.pathInfos.put(await writePath(store, 'after', 5000));
  }
  expect(await checkStore(directory.path)).toMatchObject({ variants: 2 });
});

describe.skipIf(!(await canMount()))('a disk that gets full while packs are rewritten', () => {
  /** Takes all but so many bytes. */
  async function fillBut(directory: string, freeBytes: number): Promise<string> {
    const path = join(directory, 'filler');
    const { bavail, bsize } = await statfs(directory);
    await writeFile(path, Buffer.alloc(bavail * bsize - freeBytes));
    return path;
  }

  /** Two packs, of which the longer one has more that stays, and a larger part that goes. */
  async function twoPacks(directory: string): Promise<PathInfo[]> {
    const kept: PathInfo[] = [];
    for (const [i, [deadBytes, liveBytes]] of [[7, 2] as const, [3, 1] as const].entries()) {
      await using store = await Store.open(directory);
      await writeBlob(store.blobs, noise(deadBytes * 1_000_000, 60 + i));
      const bytes = noise(liveBytes * 1_000_000, 70 + i);
      const node = new FileNode(await writeBlob(store.blobs, bytes), bytes.length, false);
      kept.push(await store.pathInfos.put(pathInfoOf({ name: `kept-${i}`, node })));
    }
    return kept;
  }

  test('has room for the longer once the shorter one is done', async () => {
    await using directory = await temporaryDirectory('full');
    await using _mounted = mountSmall(directory.path, 'size=20m');
    const kept = await twoPacks(directory.path);
    await fillBut(directory.path, 1_600_000);
    await using store = await Store.open(directory.path);
    expect(await store.collectGarbage()).toMatchObject({ rewrittenPacks: 2, damagedPacks: [] });
    for (const { node } of kept) await readWhole(store, node);
  });

  test('loses nothing, has no less room afterwards, and the next collection goes on', async () => {
    await using directory = await temporaryDirectory('full');
    await using _mounted = mountSmall(directory.path, 'size=20m');
    const kept = await twoPacks(directory.path);
    const filler = await fillBut(directory.path, 700_000);
    await using store = await Store.open(directory.path);
    const before = await statfs(directory.path);
    await expect(store.collectGarbage()).rejects.toMatchObject({
      ...{ ...full, facts: { systemCode: 'ENOSPC' } },
    });
    const { bavail, bsize } = await statfs(directory.path);
    // but for pages of the index
    expect((before.bavail - bavail) * bsize).toBeLessThan(300_000);
    for (const { node } of kept) await readWhole(store, node);
    await rm(filler);
    expect(await store.collectGarbage()).toMatchObject({ rewrittenPacks: 2, damagedPacks: [] });
    for (const { node } of kept) await readWhole(store, node);
  });
});

test.skipIf(!(await canMount()))(
  'a full disk fails PathInfos, and room lets them pass',
  async () => {
    await using directory = await temporaryDirectory('full');
    await using _mounted = mountSmall(directory.path, 'size=2m');
    await using store = await Store.open(directory.path);
    const fill = async () => {
      for (let i = 0; ; i++) {
        const many = Array.from({ length: 100 }, (_, j) => pathInfoOf({ name: `path-${i}-${j}` }));
        await store.pathInfos.putAll(many);
      }
    };
    await expect(fill()).rejects.toMatchObject(full);
    const { paths } = await store.stats();
    expect(paths).toBeGreaterThan(100);
    execFileSync('mount', ['-o', 'remount,size=12m', directory.path]);
    await store.pathInfos.put(pathInfoOf({ name: 'after' }));
    expect((await store.stats()).paths).toBe(paths + 1);
  },
);
