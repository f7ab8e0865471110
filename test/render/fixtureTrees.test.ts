/** Everything that comes out of castore, against what real Nix wrote: the fixture cache. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { NarLayout } from '../../src/render/layout.ts';
import { renderListing } from '../../src/render/renderListing.ts';
import { renderLayout } from '../../src/render/renderNar.ts';
import { restore } from '../../src/render/restore.ts';
import { narOf, readCacheFiles } from '../support/cacheFiles.ts';
import { readFileTree } from '../support/fileTree.ts';
import { fixtureCache, hashPartOfPath, nameOf } from '../support/fixtureCache.ts';
import { describeWithNix, isolatedNix } from '../support/realNix.ts';
import { temporaryDirectory } from '../support/temporaryDirectory.ts';
import { memoryServices, putNar } from './castoreTree.ts';
import { collect } from './collect.ts';

const files = await readCacheFiles(fixtureCache.directory);
const paths = fixtureCache.paths.map((path) => [nameOf(path.storePath), path] as const);

async function ingest(storePath: string) {
  const narinfo = files.get(`${hashPartOfPath(storePath)}.narinfo`);
  const nar = await narOf(files, Buffer.from(narinfo ?? '').toString());
  const services = memoryServices();
  const node = await putNar(services, nar);
  return { nar, node, services, layout: await NarLayout.of(node, services.directoryService) };
}

describe.each(paths)('%s', (_, path) => {
  test('renders to the same NAR', async () => {
    const { nar, services, layout } = await ingest(path.storePath);
    expect(layout.narSizeBytes).toBe(path.narSize);
    expect((await collect(renderLayout(layout, services.blobService))).equals(nar)).toBe(true);
  });

  test('is listed as Nix lists it', async () => {
    const { layout } = await ingest(path.storePath);
    const listing = join(fixtureCache.directory, `${hashPartOfPath(path.storePath)}.ls`);
    const expected = await readFile(listing, 'latin1');
    expect((await collect(renderListing(layout))).toString('latin1')).toBe(expected);
  });

  test('is restored as it was', async () => {
    const { node, services } = await ingest(path.storePath);
    await using parent = await temporaryDirectory('restore');
    const target = join(parent.path, 'target');
    await restore(node, target, services);
    expect(await readFileTree(target)).toEqual(path.tree);
  });
});

describeWithNix('nix-store --restore', () => {
  test('takes every NAR', async () => {
    await using nix = await isolatedNix();
    await using parent = await temporaryDirectory('restore');
    for (const [, { storePath, tree }] of paths) {
      const { services, layout } = await ingest(storePath);
      const target = join(parent.path, hashPartOfPath(storePath));
      const nar = join(parent.path, 'nar');
      await writeFile(nar, renderLayout(layout, services.blobService));
      // the input is a file, for Nix's part in the test runs without one
      await nix.run(['-c', 'nix-store --restore "$0" < "$1"', target, nar], { program: 'sh' });
      expect(await readFileTree(target)).toEqual(tree);
    }
  });
});
