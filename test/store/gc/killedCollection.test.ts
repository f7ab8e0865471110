/** A collection that is killed after each of its steps: after each commit, each sync of a pack, each removal of one. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { PathInfo } from '../../../src/pathinfo/pathInfo.ts';
import { Store } from '../../../src/store/store.ts';
import { writeBlob } from '../../contracts/blobServiceContract.ts';
import { noise } from '../../contracts/sampleBytes.ts';
import { temporaryDirectory } from '../../support/temporaryDirectory.ts';
import { checkStore } from '../checkStore.ts';
import { readWhole, writePath } from '../randomPath.ts';

/** @returns whether it was killed */
async function collectUpTo(directory: string, steps: number): Promise<boolean> {
  const file = fileURLToPath(new URL('killedCollectionProcess.ts', import.meta.url));
  const child = spawn(process.execPath, [file, directory, String(steps)], { stdio: 'inherit' });
  const [code, signal] = await once(child, 'exit');
  expect(signal ?? code).toBe(signal === null ? 0 : 'SIGKILL');
  return signal !== null;
}

/** Two packs, in each of which something goes and something stays, and variants of one path. */
async function storeToCollect(directory: string): Promise<PathInfo[]> {
  await using store = await Store.open(directory, { packFullBytes: 400_000 });
  const kept: PathInfo[] = [];
  for (let i = 0; i < 2; i++) {
    await writeBlob(store.blobs, noise(150_000, 30 + i));
    const pathInfo = await writePath(store, `path-${i}`, i, kept.slice(-1));
    kept.push(await store.pathInfos.put(pathInfo));
    await store.completePack();
  }
  await store.pathInfos.put(await writePath(store, 'path-0', 9));
  return kept;
}

test('nothing that stays is harmed, and the next one goes on', async () => {
  await using directory = await temporaryDirectory('killed');
  const whole = join(directory.path, 'whole');
  const kept = await storeToCollect(whole);
  let steps = 0;
  for (let wasKilled = true; wasKilled; steps++) {
    const path = join(directory.path, `${steps}`);
    await cp(whole, path, { recursive: true });
    wasKilled = await collectUpTo(path, steps);
    await checkStore(path);
    {
      await using store = await Store.open(path);
      for (const { storePath, closureDigest, node } of kept) {
        const found = await store.pathInfos.getVariant(storePath.digest, closureDigest);
        expect(found, `${storePath.name} after ${steps} steps`).toBeDefined();
        await readWhole(store, node);
      }
      await store.collectGarbage();
    }
    const { variants, directories, leases, stamps } = await checkStore(path);
    const counts = { variants, directories, leases, stamps };
    expect(counts, `after ${steps} steps`).toEqual({
      ...{ variants: 2, directories: 4, leases: 0, stamps: 0 },
    });
  }
  // leases, barriers, two sweeps, two packs
  expect(steps).toBeGreaterThan(12);
  // some twenty processes, one after the other
}, 180_000);
