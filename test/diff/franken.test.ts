/** Two worlds of one store path: what differs is found, and nothing else. */
import { expect, test } from 'vitest';
import { diffClosures } from '../../src/diff/closureDiff.ts';
import { diffNodes } from '../../src/diff/nodeDiff.ts';
import { diffTexts } from '../../src/diff/textDiff.ts';
import { temporaryStore } from '../store/temporaryStore.ts';
import { describeWithShared } from '../support/sharedCaches.ts';
import { FRANKEN_FILES, frankenWorld } from './frankenCaches.ts';
import { changeText } from './nodeChanges.ts';

describeWithShared('franken-a and franken-b', FRANKEN_FILES, () => {
  test('in two stores: exactly the paths and files that differ', async () => {
    await using temporaryA = await temporaryStore();
    await using temporaryB = await temporaryStore();
    const [storeA, storeB] = [temporaryA.store, temporaryB.store];
    const [a, b] = [await frankenWorld(storeA, 'a'), await frankenWorld(storeB, 'b')];

    const pathInfos = { a: a.pathInfos, b: b.pathInfos };
    const { changes, sameCount } = await diffClosures([a.top], [b.top], { pathInfos });
    expect(sameCount).toBe(1); // base
    const found: Record<string, unknown> = {};
    const directories = { a: storeA.directories, b: storeB.directories };
    const blobs = { a: storeA.blobs, b: storeB.blobs };
    const patches: string[] = [];
    for (const change of changes) {
      if (change.type !== 'changed') throw new Error(`${change.type} where all paths are the same`);
      const files = diffNodes(change.a.node, change.b.node, { directories });
      const texts: string[] = [];
      for await (const file of files) {
        texts.push(changeText(file));
        if (file.type !== 'changed') continue;
        const text = await diffTexts(file.a, file.b, { blobs, path: file.path });
        if (text.type === 'hunks') patches.push(text.hunks);
      }
      const { contentsDiffer, referencesDiffer } = change;
      found[change.a.storePath.name] = { contentsDiffer, referencesDiffer, files: texts };
    }
    expect(found).toEqual({
      dep: { contentsDiffer: true, referencesDiffer: false, files: ['changed uuid'] },
      embeds: { contentsDiffer: true, referencesDiffer: true, files: ['changed built-against'] },
      refers: { contentsDiffer: false, referencesDiffer: true, files: [] },
      top: { contentsDiffer: false, referencesDiffer: true, files: [] },
    });
    // both were built from the random number that is in dep
    expect(new Set(patches).size).toBe(1);
    expect(patches[0]).toMatch(/^@@ -1,1 \+1,1 @@\n-[0-9a-f-]{36}\n\+[0-9a-f-]{36}\n$/);
  });
});
