import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  listingOfNar,
  type NarListing,
  parseListing,
  renderListing as renderParsedListing,
} from '../../src/nar/listing.ts';
import { NarLayout } from '../../src/render/layout.ts';
import { renderListing } from '../../src/render/renderListing.ts';
import { directory, encodeNar, executable, file, symlink } from '../support/syntheticTree.ts';
import { arbitraryTree } from './arbitraryTree.ts';
import { memoryServices, putTree } from './castoreTree.ts';
import { collect } from './collect.ts';

async function* one(bytes: Uint8Array) {
  yield bytes;
}

async function listingOf(tree: Parameters<typeof encodeNar>[0]): Promise<Buffer> {
  const services = memoryServices();
  const node = await putTree(services, tree);
  return collect(renderListing(await NarLayout.of(node, services.directoryService)));
}

test('the bytes that Nix writes', async () => {
  const tree = directory([
    ['a "b"\n\\', executable('12')],
    [Uint8Array.of(0xff), symlink(Uint8Array.of(0xfe, 1))],
    ['e', directory()],
    ['z', file('')],
  ]);
  expect((await listingOf(tree)).toString('latin1')).toBe(
    '{"version":1,"root":{"type":"directory","entries":{' +
      '"a \\"b\\"\\n\\\\":{"type":"regular","size":2,"executable":true,"narOffset":264},' +
      '"e":{"type":"directory","entries":{}},' +
      '"z":{"type":"regular","size":0,"narOffset":624},' +
      '"\xff":{"type":"symlink","target":"\xfe\\u0001"}}}}',
  );
});

test('random trees are listed as their NARs are', async () => {
  await fc.assert(
    fc.asyncProperty(arbitraryTree, async (tree) => {
      const expected = renderParsedListing(await listingOfNar(one(encodeNar(tree))));
      expect((await listingOf(tree)).toString('latin1')).toBe(
        Buffer.from(expected).toString('latin1'),
      );
    }),
  );
});

test('every narOffset points at the contents', async () => {
  await fc.assert(
    fc.asyncProperty(arbitraryTree, async (tree) => {
      const nar = encodeNar(tree);
      const check = (listed: NarListing, node: typeof tree): void => {
        if (listed.type === 'file' && node.type === 'regular') {
          const start = listed.narOffset ?? Number.NaN;
          const contents = Buffer.from(nar).subarray(start, start + listed.sizeBytes);
          expect(contents.equals(node.contents)).toBe(true);
        } else if (listed.type === 'directory' && node.type === 'directory') {
          expect(listed.entries.length).toBe(node.entries.length);
          for (const [index, entry] of listed.entries.entries()) {
            const child = node.entries[index]?.[1];
            if (child !== undefined) check(entry.node, child);
          }
        } else expect(listed.type).toBe(node.type);
      };
      check(parseListing(await listingOf(tree)), tree);
    }),
  );
});

test('a long listing comes in pieces', async () => {
  const entries = Array.from({ length: 5000 }, (_, i) => [`file ${i}`, file(`${i}`)] as const);
  const services = memoryServices();
  const node = await putTree(services, directory(entries));
  const layout = await NarLayout.of(node, services.directoryService);
  const pieces = await Array.fromAsync(renderListing(layout));
  expect(pieces.length).toBeGreaterThan(2);
  expect(parseListing(Buffer.concat(pieces))).toMatchObject({ type: 'directory' });
});
