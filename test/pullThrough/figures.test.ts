/** What is told of paths on demand, and how much is under way. */
import { expect, test } from 'vitest';
import type { PathEvent } from '../../src/pullThrough/pullThroughOptions.ts';
import { serveStatic } from '../support/staticCache.ts';
import { syntheticCache } from '../support/syntheticCache.ts';
import { file } from '../support/syntheticTree.ts';
import { demandServer, gate, narinfoUrl } from './demandServer.ts';

const NAR = /^nar\//;

test('each path is told of once, whichever closures it is in', async () => {
  const cache = await syntheticCache([
    { name: 'base' },
    {
      name: 'broken',
      tree: file('x'.repeat(1000)),
      lie: { servedNar: (nar) => nar.map((byte, i) => (i === 500 ? byte ^ 1 : byte)) },
    },
    { name: 'good', references: ['base'] },
    { name: 'top', references: ['base', 'broken'] },
  ]);
  const told: PathEvent[] = [];
  await using upstream = await serveStatic(cache.files);
  await using server = await demandServer([upstream.url], { onPath: (event) => told.push(event) });
  for (const name of ['good', 'top', 'base', 'broken']) {
    await fetch(narinfoUrl(server, cache.path(name)));
  }
  await expect.poll(() => told.length).toBe(4);
  await expect.poll(() => server.pullThrough.figures().pendingPaths).toBe(0);
  const results = told.map((event) =>
    event.type === 'kept'
      ? `kept ${event.pathInfo.storePath.baseName}`
      : `failed ${event.baseName} ${String(Object(event.error).code)}`,
  );
  const baseName = (name: string) => cache.path(name).baseName;
  expect(results.sort()).toEqual([
    ...[
      `failed ${baseName('broken')} NAR_HASH_MISMATCH`,
      `failed ${baseName('top')} REFERENCE_FAILED`,
      `kept ${baseName('base')}`,
      `kept ${baseName('good')}`,
    ].sort(),
  ]);
});

test('figures: pending paths, closures, NARs that wait, spools', async () => {
  const cache = await syntheticCache(['a', 'b', 'c'].map((name) => ({ name })));
  const held = gate();
  await using upstream = await serveStatic(cache.files, {
    respond: ({ path }) => (NAR.test(path) ? { after: held.opened } : undefined),
  });
  await using server = await demandServer([upstream.url], { closuresAtOnce: 1 });
  const none = {
    pendingPaths: 0,
    runningClosures: 0,
    waitingClosures: 0,
    waitingNars: 0,
    spoolBytes: 0,
  };
  expect(server.pullThrough.figures()).toEqual(none);
  for (const { hashPart } of cache.paths) await fetch(`${server.url}/${hashPart}.narinfo`);
  await expect.poll(() => server.pullThrough.figures().spoolBytes).toBeGreaterThan(0);
  expect(server.pullThrough.figures()).toMatchObject({
    pendingPaths: 3,
    runningClosures: 1,
    waitingClosures: 2,
  });
  held.open();
  await expect.poll(() => server.pullThrough.figures()).toEqual(none);
});
