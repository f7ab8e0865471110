import { rm } from 'node:fs/promises';
import { expect, test } from 'vitest';
import {
  BackgroundCompression,
  type CompressionObserver,
} from '../../src/composition/backgroundCompression.ts';
import { packsPath } from '../../src/store/layout.ts';
import { Store } from '../../src/store/store.ts';
import { writeBlob } from '../contracts/blobServiceContract.ts';
import { prose } from '../contracts/sampleBytes.ts';
import { temporaryDirectory } from '../support/temporaryDirectory.ts';

const TIMES = { lookMs: 5, restMs: 6 };

/** Resolves with the first thing that is told. */
function firstTold() {
  const told = Promise.withResolvers<unknown>();
  const observer: CompressionObserver = {
    compressed: ({ compressedPacks }) => told.resolve(compressedPacks),
    failed: (error) => told.resolve(error),
  };
  return { observer, told: told.promise };
}

async function writeUncompressed(directory: string): Promise<void> {
  await using store = await Store.open(directory, { compressionLevel: 0 });
  await writeBlob(store.blobs, prose(100_000));
}

test('what others leave uncompressed is compressed, whenever it comes', async () => {
  await using directory = await temporaryDirectory('background');
  await using store = await Store.open(directory.path);
  const { observer, told } = firstTold();
  await using _running = new BackgroundCompression(store, observer, TIMES);
  await writeUncompressed(directory.path);
  expect(await told).toBe(1);
});

test('a failure is told, and it is tried again', async () => {
  await using directory = await temporaryDirectory('background');
  await writeUncompressed(directory.path);
  await rm(packsPath(directory.path), { recursive: true });
  await using store = await Store.open(directory.path, { createIfMissing: false });
  let failures = 0;
  const twice = Promise.withResolvers<unknown>();
  const observer: CompressionObserver = {
    failed: (error) => {
      failures++;
      if (failures === 2) twice.resolve(error);
    },
  };
  await using _running = new BackgroundCompression(store, observer, TIMES);
  expect(await twice.promise).toMatchObject({ code: 'STORE_FAILED' });
});
