/** Closures of 10,000 paths, planned and brought in, then planned again. */
import { expect, test } from 'vitest';
import type { FrankenbuildPolicy } from '../../src/ingest/frankenbuild.ts';
import { StorePath } from '../../src/storePath.ts';
import { functionUpstream } from '../ingest/functionUpstream.ts';
import { memoryServices, serviceOver } from '../ingest/serviceHarness.ts';
import { lazyChain, lazyDiamond } from '../support/lazyCache.ts';

const PATHS = 10_000;

test.each<readonly [string, typeof lazyChain, FrankenbuildPolicy]>([
  ['a chain', lazyChain, 'report'],
  ['a diamond', lazyDiamond, 'variant'],
])('%s', async (_, shape, policy) => {
  const cache = shape(PATHS);
  let files = 0;
  const upstream = functionUpstream((path) => {
    if (path.startsWith('nar/')) files++;
    return cache.source(path);
  });
  await using services = await memoryServices();
  await using service = serviceOver(services, {
    baseUrl: upstream,
    publicKeys: [cache.publicKey],
    frankenbuild: policy,
  });
  const root = StorePath.parse(cache.storePath(0));
  const [first] = await service.ingest([root]);
  expect(first?.outcome).toBe('kept');
  const fetched = files;
  expect(fetched).toBeGreaterThanOrEqual(PATHS);
  const [again] = await service.ingest([root]);
  expect(again?.outcome).toBe('kept');
  expect(files).toBe(fetched);
  const pathInfo = again?.outcome === 'kept' ? again.pathInfo : undefined;
  const evidence = Array.from(pathInfo?.references.values() ?? [], (one) => one.evidence);
  expect(new Set(evidence)).toEqual(new Set(['same']));
});
