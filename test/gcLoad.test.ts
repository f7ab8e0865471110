/** A short run of `npm run load:gc`. */
import { expect, test } from 'vitest';
import { gcUnderLoad } from '../scripts/gcLoad/gcUnderLoad.ts';

test('garbage is collected while paths come and go: what is pinned is given out right all the time', async () => {
  const counts = await gcUnderLoad({ clients: 8, seconds: 1 });
  expect(counts).toMatchObject({ errors: [] });
  expect(counts.nars).toBeGreaterThan(8);
  // packs were rewritten under the server's feet
  expect(counts.removedVariants).toBeGreaterThan(0);
  expect(counts.rewrittenPacks).toBeGreaterThan(0);
});
