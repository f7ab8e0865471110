/**
 * A repair points the index to records wherever they lie, and to what it fetched; a collection removes packs and what it
 * has not marked; a compression moves records. In two processes, each refuses to begin while the other goes on, and both are
 * done in turn.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { Digest } from '../../src/castore/digest.ts';
import { Store } from '../../src/store/store.ts';
import { writeBlob } from '../contracts/blobServiceContract.ts';
import { noise } from '../contracts/sampleBytes.ts';
import { ALL_PATHS, type DamagedStore, damagedStore } from './damagedStore.ts';

const largeFile = Digest.of(noise(400_000, 7));

/** A process that has begun one of both, and goes on until it is told to end. */
async function begin(what: 'repair' | 'collection' | 'compression', directory: string) {
  const file = fileURLToPath(new URL('holderProcess.ts', import.meta.url));
  const child: ChildProcessByStdio<Writable, Readable, null> = spawn(
    process.execPath,
    [file, what, directory],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  const ended = once(child, 'exit');
  await Promise.race([once(child.stdout, 'data'), ended]);
  return {
    pid: child.pid,
    /** Lets it end in order, or not. */
    async end(signal?: 'SIGKILL'): Promise<void> {
      if (signal === undefined) child.stdin.end();
      else child.kill(signal);
      const [code, endedBy] = await ended;
      expect(endedBy ?? code).toBe(signal ?? 0);
    },
  };
}

/** Content of a path is found by nobody any more, though it lies in a pack that is to be rewritten. */
async function storeToRepair(): Promise<DamagedStore> {
  const damaged = await damagedStore();
  {
    await using store = await Store.open(damaged.directory);
    await writeBlob(store.blobs, noise(3_000_000, 77));
  }
  await damaged.alterIndex(({ blob }) => blob.remove(largeFile.bytes));
  return damaged;
}

async function collect(directory: string) {
  await using store = await Store.open(directory);
  return await store.collectGarbage();
}

async function compress(directory: string) {
  await using store = await Store.open(directory);
  return await store.compress();
}

async function expectBothInTurn(damaged: DamagedStore): Promise<void> {
  damaged.fetched();
  const { damages } = await damaged.repair();
  expect(damages).toMatchObject([{ subject: { type: 'blob' }, failure: undefined }]);
  expect(damaged.fetched()).toEqual([]);
  expect((await collect(damaged.directory)).chunks).toBeGreaterThan(0);
  expect(await damaged.wholePaths()).toEqual(ALL_PATHS);
  expect((await damaged.verify({ deep: true })).damages).toEqual([]);
}

describe.each([undefined, 'SIGKILL'] as const)('until the other has ended (%s)', (signal) => {
  test('no collection begins while another process repairs', async () => {
    await using damaged = await storeToRepair();
    const repair = await begin('repair', damaged.directory);
    await expect(collect(damaged.directory)).rejects.toMatchObject({
      code: 'STORE_BUSY',
      message: expect.stringContaining('is repairing the store'),
      facts: { pid: repair.pid },
    });
    // several may repair, and to look is free
    await (await begin('repair', damaged.directory)).end();
    expect((await damaged.verify()).damages).toHaveLength(1);
    await repair.end(signal);
    await expectBothInTurn(damaged);
  });

  test('no repair begins while another process collects', async () => {
    await using damaged = await storeToRepair();
    const collection = await begin('collection', damaged.directory);
    await expect(damaged.repair()).rejects.toMatchObject({
      code: 'STORE_BUSY',
      message: expect.stringContaining('is collecting garbage'),
      facts: { pid: collection.pid },
    });
    expect((await damaged.verify()).damages).toHaveLength(1);
    await collection.end(signal);
    await expectBothInTurn(damaged);
  });

  test('nothing is compressed while another process repairs', async () => {
    await using damaged = await storeToRepair();
    const repair = await begin('repair', damaged.directory);
    await expect(compress(damaged.directory)).rejects.toMatchObject({
      code: 'STORE_BUSY',
      message: expect.stringContaining('is repairing the store'),
      facts: { pid: repair.pid },
    });
    await repair.end(signal);
    expect(await compress(damaged.directory)).toMatchObject({ damagedPacks: [] });
    await expectBothInTurn(damaged);
  });

  test('no repair begins while another process compresses', async () => {
    await using damaged = await storeToRepair();
    const compression = await begin('compression', damaged.directory);
    await expect(damaged.repair()).rejects.toMatchObject({
      code: 'STORE_BUSY',
      message: expect.stringContaining('is compressing the store'),
      facts: { pid: compression.pid },
    });
    await compression.end(signal);
    await expectBothInTurn(damaged);
  });
});
