/** What collections leave alone while others write and read. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { describe, expect, test } from 'vitest';
import { EMPTY } from '../../../src/bytes.ts';
import { Digest } from '../../../src/castore/digest.ts';
import { CollectionTurn } from '../../../src/store/gc/barrier.ts';
import {
  allocateLease,
  leasesOf,
  putCollectionState,
  putLease,
  removeLease,
} from '../../../src/store/gc/leaseTable.ts';
import { indexPath } from '../../../src/store/layout.ts';
import { PackReader } from '../../../src/store/packReader.ts';
import { PackWriter } from '../../../src/store/packWriter.ts';
import { ownIdentity, type ProcessIdentity } from '../../../src/store/processIdentity.ts';
import { RecordReader } from '../../../src/store/recordReader.ts';
import { decodeLocation } from '../../../src/store/schema.ts';
import { Store } from '../../../src/store/store.ts';
import { StoreIndex } from '../../../src/store/storeIndex.ts';
import { writeBlob } from '../../contracts/blobServiceContract.ts';
import { bytesOf } from '../../contracts/collect.ts';
import { noise } from '../../contracts/sampleBytes.ts';
import { temporaryDirectory } from '../../support/temporaryDirectory.ts';
import { checkStore } from '../checkStore.ts';
import { readWhole, writePath } from '../randomPath.ts';

const WRITER = new URL('../writerProcess.ts', import.meta.url).pathname;
const STORE = new URL('../../../src/store/store.ts', import.meta.url).href;
const DAY_MS = 24 * 60 * 60_000;

async function collect(directory: string, patienceMs?: number) {
  await using store = await Store.open(directory);
  return await store.collectGarbage({ patienceMs });
}

function openIndex(directory: string): Promise<StoreIndex> {
  return StoreIndex.open(indexPath(directory), { readOnly: false, create: false });
}

/** A process that has ended. */
async function endedProcess(): Promise<ProcessIdentity> {
  const child = spawn(process.execPath, ['-e', '']);
  await once(child, 'exit');
  return { ...ownIdentity(), pid: child.pid ?? 0 };
}

describe('content without a PathInfo', () => {
  test('stays while the store that wrote it is open, and goes after that', async () => {
    await using directory = await temporaryDirectory('lease');
    {
      await using writer = await Store.open(directory.path);
      const pathInfo = await writePath(writer, 'a', 1);
      await writeBlob(writer.blobs, noise(300_000, 4));
      await writer.flush();
      expect(await collect(directory.path)).toMatchObject({ chunks: 0, blobs: 0, directories: 0 });
      await writer.pathInfos.put(pathInfo);
      await readWhole(writer, pathInfo.node);
    }
    expect((await collect(directory.path)).chunks).toBeGreaterThan(1);
    expect(await checkStore(directory.path)).toMatchObject({ variants: 1, leases: 0, stamps: 0 });
  });

  test('goes after a while, unless it is held', async () => {
    await using directory = await temporaryDirectory('lease');
    await using writer = await Store.open(directory.path, { graceMs: 0 });
    /** Collects until nothing is there: once the writer has had a look between two collections. */
    const collectAll = async () => {
      do {
        await new Promise((resolve) => setTimeout(resolve, 600));
        await collect(directory.path);
      } while (await hasChunks(directory.path));
    };
    await writeBlob(writer.blobs, noise(300_000, 4));
    await collectAll();
    const held = writer.hold();
    await writeBlob(writer.blobs, noise(300_000, 4));
    for (let i = 0; i < 4; i++) {
      // longer than it takes to have a look
      await new Promise((resolve) => setTimeout(resolve, 300));
      await collect(directory.path);
      expect(await hasChunks(directory.path)).toBe(true);
    }
    held[Symbol.dispose]();
    await collectAll();
  });

  test('of earlier is kept by who finds it', async () => {
    await using directory = await temporaryDirectory('lease');
    {
      await using before = await Store.open(directory.path);
      await writePath(before, 'a', 1);
      await writeBlob(before.blobs, noise(500_000, 4));
    }
    await using store = await Store.open(directory.path);
    const pathInfo = await writePath(store, 'a', 1);
    // nothing was written
    expect((await store.stats()).packs).toBe(1);
    const report = await collect(directory.path);
    expect(report.directories).toBe(0);
    expect(report.chunks).toBeGreaterThan(3);
    await store.pathInfos.put(pathInfo);
    await readWhole(store, pathInfo.node);
    await checkStore(directory.path);
  });

  test('that this process wrote long ago is kept by who finds it, for as long as he holds it', async () => {
    await using directory = await temporaryDirectory('lease');
    await using store = await Store.open(directory.path, { graceMs: 0 });
    await using index = await openIndex(directory.path);
    const wholeLook = () => new Promise((resolve) => setTimeout(resolve, 300));
    // of one chunk: others are kept by their lists of chunks
    const content = noise(10_000, 4);
    const before = store.hold();
    await writeBlob(store.blobs, content);
    // until that counts as long ago
    for (let seed = 10; (await store.stats()).packs < 2; seed++) {
      await wholeLook();
      await writeBlob(store.blobs, noise(1000, seed));
      await store.flush();
    }
    using _held = store.hold();
    await writeBlob(store.blobs, content);
    expect((await store.stats()).packs).toBe(2);
    before[Symbol.dispose]();
    const firstPack = () => {
      index.tables.lease.refresh();
      return Math.min(...Array.from(leasesOf(index.tables).values(), (lease) => lease.firstPack));
    };
    while (firstPack() < 2) await wholeLook();
    await collect(directory.path);
    const read = await store.blobs.read(Digest.of(content));
    expect(Buffer.compare(await bytesOf(read), content)).toBe(0);
  });

  test('is kept by who looks up the content of a NAR or a variant that is not current', async () => {
    await using directory = await temporaryDirectory('lease');
    {
      await using before = await Store.open(directory.path);
      const pathInfo = await writePath(before, 'a', 1);
      const { narHash, narSize } = pathInfo.claim;
      before.recordContent(narHash, { narSize, node: pathInfo.node });
      const current = await writePath(before, 'b', 2);
      const other = await writePath(before, 'b', 3);
      await before.pathInfos.putAll([current, other]);
    }
    await using store = await Store.open(directory.path);
    using _held = store.hold();
    const pathInfo = await writePathInfo('a', 1);
    const found = await store.contentByNarHash(pathInfo.claim.narHash);
    expect(found?.node).toMatchObject({ type: 'directory' });
    const other = await writePathInfo('b', 3);
    const { digest } = other.storePath;
    expect(await store.pathInfos.getVariant(digest, other.closureDigest)).toBeDefined();
    expect(await collect(directory.path)).toMatchObject({
      ...{ removedVariants: [], nars: 0, directories: 0, chunks: 0 },
    });
    await store.pathInfos.put(pathInfo);
    await readWhole(store, pathInfo.node);
  });
});

/** The PathInfo of a path as `writePath` makes it. */
async function writePathInfo(name: string, seed: number) {
  await using directory = await temporaryDirectory('lease');
  await using store = await Store.open(directory.path);
  return await writePath(store, name, seed);
}

async function hasChunks(directory: string): Promise<boolean> {
  await using store = await Store.open(directory, { readOnly: true });
  return (await store.stats()).chunks > 0;
}

describe('other processes', () => {
  function startWriter(directory: string) {
    const args = [WRITER, directory, 'theirs', '1000', '7'];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return { child, exited: once(child, 'exit'), line: async () => (await lines.next()).value };
  }

  test('that were killed keep nothing; what they had put stays', async () => {
    await using directory = await temporaryDirectory('lease');
    const { child, exited, line } = startWriter(directory.path);
    for (let i = 0; i < 3; i++) await line();
    child.kill('SIGKILL');
    await exited;
    await collect(directory.path);
    const counts = await checkStore(directory.path);
    expect(counts).toMatchObject({ leases: 0, stamps: 0, directories: 2 * counts.variants });
    expect(counts.variants).toBeGreaterThanOrEqual(3);
  });

  test('that are stopped are waited for, for a while; then nothing is deleted', async () => {
    await using directory = await temporaryDirectory('lease');
    const { child, exited, line } = startWriter(directory.path);
    await line();
    child.kill('SIGSTOP');
    await expect(collect(directory.path, 100)).rejects.toMatchObject({
      code: 'STORE_BUSY',
      facts: { pid: child.pid },
    });
    child.kill('SIGCONT');
    for (let i = 0; i < 2; i++) await line();
    expect(await collect(directory.path)).toMatchObject({ removedVariants: [] });
    child.kill('SIGKILL');
    await exited;
    await checkStore(directory.path);
  });

  test('of another container count as long as they renew their leases', async () => {
    await using directory = await temporaryDirectory('lease');
    await (await Store.open(directory.path))[Symbol.asyncDispose]();
    const elsewhere = { ...ownIdentity(), namespace: 'elsewhere' };
    const putLeaseOf = async (renewedAt: number) => {
      await using index = await openIndex(directory.path);
      await index.transaction(() =>
        putLease(index.tables, allocateLease(index.tables), {
          ...{ process: elsewhere, renewedAt, firstPack: 1, barrier: 0, use: 'open' },
        }),
      );
    };
    await putLeaseOf(Date.now() - DAY_MS);
    await collect(directory.path);
    expect(await checkStore(directory.path)).toMatchObject({ leases: 0 });
    await putLeaseOf(Date.now());
    await expect(collect(directory.path, 50)).rejects.toMatchObject({ code: 'STORE_BUSY' });
    // and who collects there has a lease, too
    await using index = await openIndex(directory.path);
    const state = { barrier: 50, phase: 'sweeping', process: elsewhere } as const;
    await index.transaction(() => putCollectionState(index.tables, state));
    const running = { message: expect.stringContaining('is collecting garbage') };
    await expect(collect(directory.path)).rejects.toMatchObject(running);
    await index.transaction(() => {
      for (const number of leasesOf(index.tables).keys()) removeLease(index.tables, number);
    });
    await collect(directory.path);
  });

  test('one at a time collects, and one that was killed is in nobody’s way', async () => {
    await using directory = await temporaryDirectory('lease');
    await using store = await Store.open(directory.path);
    await using index = await openIndex(directory.path);
    {
      await using _turn = await CollectionTurn.begin(index, undefined);
      await expect(store.collectGarbage()).rejects.toMatchObject({
        code: 'STORE_BUSY',
        facts: { pid: process.pid },
      });
    }
    const state = { barrier: 99, phase: 'sweeping', process: await endedProcess() } as const;
    await index.transaction(() => putCollectionState(index.tables, state));
    await store.pathInfos.put(await writePath(store, 'a', 1));
    await store.collectGarbage();
    await checkStore(directory.path);
  });

  test('who was taken to have ended commits nothing', async () => {
    await using directory = await temporaryDirectory('lease');
    const store = await Store.open(directory.path);
    const put = await store.pathInfos.put(await writePath(store, 'a', 1));
    await using index = await openIndex(directory.path);
    await index.transaction(() => {
      for (const { key } of index.tables.lease.withPrefix(Uint8Array.of())) {
        index.tables.lease.remove(key);
      }
    });
    const next = writePath(store, 'b', 2).then((pathInfo) => store.pathInfos.put(pathInfo));
    await expect(next).rejects.toMatchObject({ code: 'STORE_FAILED' });
    await readWhole(store, put.node);
    await store[Symbol.asyncDispose]().catch(() => {});
    expect(await checkStore(directory.path)).toMatchObject({ variants: 1 });
  });
});

/** In a process of its own. @returns how many packs it removed or rewrote */
async function collectElsewhere(directory: string): Promise<number> {
  const script = `
    import { Store } from ${JSON.stringify(STORE)};
    await using store = await Store.open(process.argv[1]);
    const { removedPacks, rewrittenPacks } = await store.collectGarbage();
    process.exitCode = removedPacks + rewrittenPacks;`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, directory], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [exitCode] = await once(child, 'exit');
  return Number(exitCode);
}

describe('a reader', () => {
  test('in the middle of a blob reads on while its pack is rewritten', async () => {
    await using directory = await temporaryDirectory('lease');
    const bytes = noise(4_000_000, 8);
    {
      await using store = await Store.open(directory.path, { packFullBytes: 500_000 });
      // what lies between the chunks that stay is garbage afterwards
      for (let i = 0; i < 8; i++) await writeBlob(store.blobs, noise(400_000, 20 + i));
      const digest = await writeBlob(store.blobs, bytes);
      const { FileNode } = await import('../../../src/castore/node.ts');
      const { pathInfoOf } = await import('../../contracts/pathInfos.ts');
      const node = new FileNode(digest, bytes.length, false);
      await store.pathInfos.put(pathInfoOf({ name: 'blob', node }));
    }
    await using reader = await Store.open(directory.path, { readOnly: true });
    const [pathInfo] = await Array.fromAsync(reader.pathInfos.list());
    if (pathInfo?.node.type !== 'file') throw new Error('not put');
    const pieces = (await reader.blobs.read(pathInfo.node.digest)) ?? [];
    const read: Uint8Array[] = [];
    for await (const piece of pieces) {
      if (read.length === 0) {
        expect(await collectElsewhere(directory.path)).toBeGreaterThan(3);
      }
      read.push(piece);
    }
    expect(Buffer.concat(read).equals(bytes)).toBe(true);
    await readWhole(reader, pathInfo.node);
  });

  test('with the location of a record that was moved looks it up again', async () => {
    await using directory = await temporaryDirectory('lease');
    const { path } = directory;
    {
      await using store = await Store.open(path);
      await store.pathInfos.put(await writePath(store, 'a', 1));
      await writeBlob(store.blobs, noise(500_000, 4));
    }
    await using index = await openIndex(path);
    const locations = () =>
      Array.from(index.tables.directory.withPrefix(Uint8Array.of()), ({ key, value }) => ({
        digest: { bytes: key },
        location: decodeLocation(value),
      }));
    const before = locations();
    await collect(path);
    index.tables.directory.refresh();
    const after = locations();
    expect(after[0]?.location.pack).not.toBe(before[0]?.location.pack);
    await using packs = new PackReader(path);
    const writer = new PackWriter(path, () => Promise.reject(new Error('writes')));
    const { Digest } = await import('../../../src/castore/digest.ts');
    const records = new RecordReader(path, packs, writer, (digest) => {
      const stored = index.tables.directory.get(digest.bytes);
      return stored && decodeLocation(stored);
    });
    const stale = before.map(({ digest, location }) => ({
      digest: new Digest(digest.bytes),
      location,
    }));
    for (const record of stale) await records.read(record);
    const readAll = async (all: typeof stale) =>
      (await Array.fromAsync(records.readAll([all.map((record) => ({ record }))]))).flat();
    const read = await readAll(stale);
    expect(read.map(({ bytes }) => String(Digest.of(bytes ?? EMPTY)))).toEqual(
      stale.map(({ digest }) => String(digest)),
    );
    const lost = stale.map((record) => ({ ...record, digest: Digest.of(noise(5)) }));
    await expect(readAll(lost)).rejects.toMatchObject({
      code: 'STORE_INVALID',
    });
    await using store = await Store.open(path, { readOnly: true });
    expect(await bytesOf(await store.blobs.read(Digest.of(Uint8Array.of())))).toHaveLength(0);
  });
});
