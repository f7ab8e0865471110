import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { BlobService } from '../../src/castore/blobService.ts';
import type { DirectoryService } from '../../src/castore/directoryService.ts';
import { CastoreBuilder } from '../../src/ingest/castoreBuilder.ts';
import { ContentBatchReader } from '../../src/ingest/contentBatch.ts';
import { openContentSink } from '../../src/ingest/contentSink.ts';
import { NarParser } from '../../src/nar/parser.ts';
import { renderNar } from '../../src/render/renderNar.ts';
import { anyTree } from '../nar/arbitraryTree.ts';
import { collect } from '../render/collect.ts';
import { directory, encodeNar, file, type SyntheticTree } from '../support/syntheticTree.ts';
import { anyCut, type Cut, cutBytes } from './cutBytes.ts';
import {
  chunkedBlobService,
  directoryService,
  type Failing,
  type Log,
  wholeBlobService,
} from './recordingServices.ts';

const KINDS = [
  ['that take chunks', chunkedBlobService],
  ['that take whole blobs', wholeBlobService],
] as const;

/** Writes a tree, as many parts at once as each piece of its NAR completes. */
async function ingest(
  tree: SyntheticTree,
  blobs: BlobService,
  directories: DirectoryService,
  cut: Cut = [4_096],
) {
  const builder = new CastoreBuilder();
  const parser = new NarParser(builder);
  const reader = new ContentBatchReader();
  await using sink = openContentSink(blobs, directories);
  for (const piece of cutBytes(encodeNar(tree), cut)) {
    parser.push(piece);
    for (const batch of builder.take()) await sink.write(reader.parts(batch));
  }
  await sink.close();
  if (builder.root === undefined) throw new Error('there is no root');
  return builder.root;
}

describe.each(KINDS)('a content sink over blob services %s', (_, blobService) => {
  test('what was written renders to the same NAR', async () => {
    await fc.assert(
      fc.asyncProperty(anyTree, anyCut, async (tree, cut) => {
        const blobs = blobService([]);
        const directories = directoryService([]);
        const root = await ingest(tree, blobs, directories, cut);
        const nar = await collect(
          renderNar(root, { blobService: blobs, directoryService: directories }),
        );
        expect(nar.equals(encodeNar(tree))).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test('a blob of many chunks that come in many writes', async () => {
    const content = Uint8Array.from({ length: 900_000 }, (_, i) => (i * i * 31 + (i >> 7)) & 255);
    const blobs = blobService([]);
    const root = await ingest(file(content), blobs, directoryService([]), [50_000]);
    if (root.type !== 'file') throw new Error('the root is a file');
    const read = await blobs.read(root.digest);
    expect(read && (await collect(read)).equals(content)).toBe(true);
  });

  test('blobs are complete before directories are', async () => {
    const log: Log = [];
    await ingest(directory({ a: file('a') }), blobService(log), directoryService(log));
    const closings = log.filter((word) => /^close/.test(word));
    expect(closings.at(-1)).toBe('close directories');
    expect(closings.length).toBe(2);
  });

  test.each(['write', 'close', 'put directory', 'close directories'])(
    'when "%s" fails, that is the error and all is disposed of, even if disposing fails too',
    async (word) => {
      const log: Log = [];
      const error = new Error('no space');
      const failing: Failing = (step) =>
        step.startsWith(word) || step.startsWith('dispose') ? error : undefined;
      const written = ingest(
        directory({ a: file('a') }),
        blobService(log, failing),
        directoryService(log, failing),
      );
      await expect(written).rejects.toBe(error);
      expect(log).toContain('dispose directories');
    },
  );
});

test('a blob that is left half written is disposed of', async () => {
  const log: Log = [];
  const builder = new CastoreBuilder();
  const reader = new ContentBatchReader();
  const nar = encodeNar(file(new Uint8Array(600_000)));
  {
    await using sink = openContentSink(wholeBlobService(log), directoryService(log));
    new NarParser(builder).push(nar.subarray(0, 400_000));
    await sink.write(builder.take().flatMap((batch) => reader.parts(batch)));
    await expect(sink.close()).rejects.toThrow('not complete');
  }
  expect(log).toEqual([
    'open directories',
    'open blob',
    'write blob',
    'dispose directories',
    'dispose blob',
  ]);
});

test('a service that comes to another digest is not believed', async () => {
  const blobs = wholeBlobService([]);
  const lying = wholeBlobService([]);
  const openWrite = lying.openWrite.bind(lying);
  lying.openWrite = (options) => {
    const writer = openWrite(options);
    return Object.assign(writer, { write: async () => {} });
  };
  const tree = directory({ a: file('a') });
  await ingest(tree, blobs, directoryService([]));
  await expect(ingest(tree, lying, directoryService([]))).rejects.toMatchObject({
    code: 'DIGEST_MISMATCH',
  });
});
