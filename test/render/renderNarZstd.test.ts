import { spawnSync } from 'node:child_process';
import { zstdDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { utf8 } from '../../src/bytes.ts';
import { Digest } from '../../src/castore/digest.ts';
import { MemoryBlobService } from '../../src/castore/memoryBlobService.ts';
import { MemoryDirectoryService } from '../../src/castore/memoryDirectoryService.ts';
import { FileNode } from '../../src/castore/node.ts';
import { NarLayout } from '../../src/render/layout.ts';
import { renderNarZstd, zstdForm } from '../../src/render/renderNarZstd.ts';
import { encodedBlobSource } from '../../src/render/zstdParts.ts';
import { directory, encodeNar, file, type SyntheticTree } from '../support/syntheticTree.ts';
import { arbitraryFractions, arbitraryTree, rangeOf } from './arbitraryTree.ts';
import { putBlob, putTree } from './castoreTree.ts';
import { collect } from './collect.ts';
import { EncodedBlobService, type EncodedBlobServiceOptions } from './encodedBlobService.ts';

const hasZstd = spawnSync('zstd', ['--version']).error === undefined;

async function layoutOf(tree: SyntheticTree, options: EncodedBlobServiceOptions) {
  const blobService = new EncodedBlobService(options);
  const directoryService = new MemoryDirectoryService();
  const node = await putTree({ blobService, directoryService }, tree);
  return { blobService, layout: await NarLayout.of(node, directoryService) };
}

/** Frames one by one, since Node 24 stops after the first. */
function decodeFrames(encoded: Buffer): Buffer {
  const magic = Buffer.of(0x28, 0xb5, 0x2f, 0xfd);
  const decoded: Buffer[] = [];
  let start = 0;
  while (start < encoded.length) {
    // the magic may occur in contents: the first cut that decodes is a frame
    for (let end = encoded.indexOf(magic, start + 4); ; end = encoded.indexOf(magic, end + 1)) {
      const cut = end === -1 ? encoded.length : end;
      try {
        decoded.push(zstdDecompressSync(encoded.subarray(start, cut)));
        start = cut;
        break;
      } catch (error) {
        if (end === -1) throw error;
      }
    }
  }
  return Buffer.concat(decoded);
}

const AT_REST: readonly (readonly [name: string, options: EncodedBlobServiceOptions])[] = [
  ['all chunks raw', { chunkBytes: 65_536, compressed: () => false }],
  ['all chunks compressed', { chunkBytes: 65_536, compressed: () => true }],
  ['some of each', { chunkBytes: 40_000, compressed: (index) => index % 3 === 1 }],
  ['raw chunks longer than a block', { chunkBytes: 300_000, compressed: () => false }],
];

describe.each(AT_REST)('%s', (_, options) => {
  test('random trees decode to their NAR, and any range is the slice of the whole', async () => {
    await fc.assert(
      fc.asyncProperty(
        arbitraryTree,
        fc.array(arbitraryFractions, { minLength: 3, maxLength: 3 }),
        async (tree, ranges) => {
          const { blobService, layout } = await layoutOf(tree, options);
          const form = await zstdForm(layout, blobService);
          const whole = await collect(renderNarZstd(layout, blobService, { form }));
          expect(whole.length).toBe(form.sizeBytes);
          expect(decodeFrames(whole).equals(encodeNar(tree))).toBe(true);
          for (const fractions of ranges) {
            const range = rangeOf(fractions, whole.length);
            const slice = await collect(renderNarZstd(layout, blobService, { form, range }));
            expect(slice.equals(whole.subarray(range.start, range.end))).toBe(true);
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  test.skipIf(!hasZstd)('the zstd program decodes it and knows its content size', async () => {
    const tree = directory({
      a: file(Buffer.alloc(700_000, 'abc')),
      b: file('1'),
      c: file(Buffer.alloc(131_072, 'd')),
    });
    const { blobService, layout } = await layoutOf(tree, options);
    const form = await zstdForm(layout, blobService);
    const encoded = await collect(renderNarZstd(layout, blobService, { form }));
    const decoded = spawnSync('zstd', ['-dc'], { input: encoded, maxBuffer: 2 ** 24 });
    expect(decoded.stderr.toString()).toBe('');
    expect(decoded.stdout.equals(encodeNar(tree))).toBe(true);
  });
});

test('small pieces share a frame', async () => {
  const entries = Array.from({ length: 50 }, (_, i) => [`${i}`, file(`contents ${i}`)] as const);
  const tree = directory(entries);
  const { blobService, layout } = await layoutOf(tree, {
    chunkBytes: 100,
    compressed: () => false,
  });
  const { sizeBytes } = await zstdForm(layout, blobService);
  // magic, descriptor, content size of two bytes, one block header
  expect(sizeBytes).toBe(encodeNar(tree).length + 4 + 1 + 2 + 3);
});

test('a range reads only the chunks that lie in it', async () => {
  const contents = Buffer.from(Array.from({ length: 1000 }, (_, i) => i % 251));
  const options = { chunkBytes: 100, compressed: () => true };
  const { blobService, layout } = await layoutOf(file(contents), options);
  const form = await zstdForm(layout, blobService);
  expect(blobService.reads).toBe(0);
  const middle = Math.floor(form.sizeBytes / 2);
  const range = { start: middle, end: middle + 1 };
  await collect(renderNarZstd(layout, blobService, { form, range }));
  expect(blobService.reads).toBe(1);
});

describe('chunks that are compressed between the announcement and the rendering', () => {
  const tree = directory({ a: file('a'.repeat(1000)), b: file('b'.repeat(300_000)) });
  const options = { chunkBytes: 65_536, compressed: () => false };

  test('change the validator', async () => {
    const { blobService, layout } = await layoutOf(tree, options);
    const before = await zstdForm(layout, blobService);
    const again = await zstdForm(layout, blobService);
    expect(again.validator.equals(before.validator)).toBe(true);
    blobService.compressAll();
    const after = await zstdForm(layout, blobService);
    expect(after.validator.equals(before.validator)).toBe(false);
  });

  test.each([
    ['the whole', undefined],
    ['a range', { start: 100, end: 200 }],
  ])('%s fails before it is complete', async (_, range) => {
    const { blobService, layout } = await layoutOf(tree, options);
    const form = await zstdForm(layout, blobService);
    blobService.compressAll();
    const given: Uint8Array[] = [];
    const rendering = (async () => {
      for await (const bytes of renderNarZstd(layout, blobService, { form, range })) {
        given.push(bytes);
      }
    })();
    await expect(rendering).rejects.toMatchObject({ code: 'STORE_FAILED' });
    expect(Buffer.concat(given).length).toBeLessThan(range ? 100 : form.sizeBytes);
  });
});

describe('faults show before anything is rendered', () => {
  test.each([
    ['a missing blob', Digest.of(utf8('nobody wrote this')), 3, 'BLOB_MISSING'],
    ['a blob of another size', Digest.of(utf8('12345')), 4, 'NODE_INVALID'],
  ])('%s', async (_, digest, size, code) => {
    const blobService = new EncodedBlobService({ chunkBytes: 100, compressed: () => true });
    await putBlob(blobService, utf8('12345'));
    const layout = await NarLayout.of(
      new FileNode(digest, size, false),
      new MemoryDirectoryService(),
    );
    await expect(zstdForm(layout, blobService)).rejects.toMatchObject({
      code,
      facts: { path: '/' },
    });
  });
});

test('a blob service without encoded chunks does not offer the form', () => {
  expect(encodedBlobSource(new MemoryBlobService())).toBeUndefined();
});
