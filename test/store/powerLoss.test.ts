/**
 * A machine that stops: at every moment at which a pack has been synced, or a PathInfo acknowledged, the store is
 * copied as a disk would have it that kept nothing beyond what was synced. What follows in the packs is
 * cut off in one copy, and garbled in the other. The index is at its last commit: LMDB writes it by copying
 * pages, and nothing is committed while a copy is made.
 */
import { cpSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { PathInfo } from '../../src/pathinfo/pathInfo.ts';
import {
  collectionState,
  leasesOf,
  putCollectionState,
  putLease,
} from '../../src/store/gc/leaseTable.ts';
import { indexPath, packsPath } from '../../src/store/layout.ts';
import { Store } from '../../src/store/store.ts';
import { StoreIndex } from '../../src/store/storeIndex.ts';
import { writeBlob } from '../contracts/blobServiceContract.ts';
import { noise } from '../contracts/sampleBytes.ts';
import { temporaryDirectory } from '../support/temporaryDirectory.ts';
import { checkStore } from './checkStore.ts';
import { readWhole, writePath } from './randomPath.ts';

let restore: (() => void) | undefined;
afterEach(() => restore?.());

/** Tells after each `fdatasync` of this process how long the file was before it, and thus is on disk. */
async function watchSyncs(onSync: (path: string, bytes: number) => void): Promise<void> {
  const file = await open('/dev/null');
  const prototype: FileHandle = Object.getPrototypeOf(file);
  await file.close();
  const { datasync } = prototype;
  prototype.datasync = async function (this: FileHandle) {
    const path = readlinkSync(`/proc/self/fd/${this.fd}`);
    const { size } = await this.stat();
    await datasync.call(this);
    onSync(path, size);
  };
  restore = () => {
    prototype.datasync = datasync;
  };
}

/** A disk that loses what was not synced. */
class FragileDisk {
  readonly #store: string;
  readonly #copies: string;
  readonly #syncedBytes = new Map<string, number>();
  readonly copies: { readonly path: string; readonly acknowledged: readonly PathInfo[] }[] = [];
  readonly acknowledged: PathInfo[] = [];

  constructor(store: string, copies: string) {
    this.#store = store;
    this.#copies = copies;
  }

  readonly synced = (path: string, bytes: number): void => {
    if (!path.startsWith(packsPath(this.#store))) return;
    this.#syncedBytes.set(path, Math.max(this.#syncedBytes.get(path) ?? 0, bytes));
    this.stop();
  };

  /** The machine stops now. */
  stop(): void {
    for (const garbled of [false, true]) {
      const path = join(this.#copies, `${this.copies.length}`);
      cpSync(this.#store, path, { recursive: true });
      for (const name of readdirSync(packsPath(path))) {
        const bytes = readFileSync(join(packsPath(path), name));
        const kept = this.#syncedBytes.get(join(packsPath(this.#store), name)) ?? 0;
        const lost = garbled ? noise(bytes.length - kept, 99) : new Uint8Array();
        writeFileSync(join(packsPath(path), name), Buffer.concat([bytes.subarray(0, kept), lost]));
      }
      this.copies.push({ path, acknowledged: [...this.acknowledged] });
    }
  }
}

/** This process was of another run of the machine. */
async function reboot(directory: string): Promise<void> {
  const options = { readOnly: false, create: false };
  await using index = await StoreIndex.open(indexPath(directory), options);
  await index.transaction(() => {
    const state = collectionState(index.tables);
    const collector = state && { ...state, process: { ...state.process, boot: 'before' } };
    if (collector !== undefined) putCollectionState(index.tables, collector);
    for (const [number, lease] of leasesOf(index.tables)) {
      putLease(index.tables, number, { ...lease, process: { ...lease.process, boot: 'before' } });
    }
  });
}

describe.skipIf(process.platform !== 'linux')('after the machine has stopped', () => {
  test('while paths came in, garbage was collected or packs were compressed, all that was acknowledged is whole', async () => {
    await using directory = await temporaryDirectory('power');
    const disk = new FragileDisk(join(directory.path, 'store'), directory.path);
    await watchSyncs(disk.synced);
    {
      await using store = await Store.open(join(directory.path, 'store'), {
        packFullBytes: 400_000,
      });
      for (let i = 0; i < 4; i++) {
        await writeBlob(store.blobs, noise(200_000, 50 + i));
        const pathInfo = await writePath(store, `path-${i}`, i, disk.acknowledged.slice(-1));
        // part of it is in the file, and on its way to the disk, when something else is committed
        const put = store.pathInfos.put(pathInfo);
        await writePath(store, 'on-its-way', 100 + i);
        disk.acknowledged.push(await put);
        disk.stop();
      }
    }
    const beforeCollection = disk.copies.length;
    {
      await using store = await Store.open(join(directory.path, 'store'));
      const { rewrittenPacks } = await store.collectGarbage();
      expect(rewrittenPacks).toBeGreaterThan(0);
    }
    expect(disk.copies.length).toBeGreaterThan(beforeCollection);
    const beforeCompression = disk.copies.length;
    {
      await using store = await Store.open(join(directory.path, 'store'));
      const { compressedPacks } = await store.compress();
      expect(compressedPacks).toBeGreaterThan(0);
    }
    expect(disk.copies.length).toBeGreaterThan(beforeCompression);
    disk.stop();
    restore?.();
    for (const { path, acknowledged } of disk.copies) {
      await checkStore(path);
      await reboot(path);
      await using store = await Store.open(path);
      for (const { storePath, node } of acknowledged) {
        expect(await store.pathInfos.has(storePath.digest), storePath.name).toBe(true);
        await readWhole(store, node);
      }
      // it goes on, and what was lost goes
      const after = await writePath(store, 'after', 7);
      await store.pathInfos.put(after);
      await store.collectGarbage();
      await readWhole(store, after.node);
      await checkStore(path);
    }
    expect(disk.copies.length).toBeGreaterThan(10);
  });
});
