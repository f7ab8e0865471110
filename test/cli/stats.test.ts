/** `narthex stats` */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fixtureCli, type TemporaryCli } from '../support/cli.ts';
import { fixtureCache } from '../support/fixtureCache.ts';

let cli: TemporaryCli;
beforeAll(async () => {
  cli = await fixtureCli();
});
afterAll(() => cli[Symbol.asyncDispose]());

const NAR_BYTES = fixtureCache.paths.reduce((sum, { narSize }) => sum + narSize, 0);

test('--json', async () => {
  const { exitCode, stdout } = await cli.run(['stats', '--json']);
  expect(exitCode).toBe(0);
  const stats = JSON.parse(stdout);
  expect(stats).toMatchObject({
    paths: fixtureCache.closure.length,
    variants: fixtureCache.closure.length,
    narBytes: NAR_BYTES,
    packs: 1,
    chunks: expect.any(Number),
    chunkedBlobs: expect.any(Number),
    directories: expect.any(Number),
    storedBytes: stats.packBytes + stats.indexBytes,
    ratios: {
      uniqueToNar: stats.uniqueBytes / NAR_BYTES,
      storedToUnique: stats.storedBytes / stats.uniqueBytes,
      storedToNar: stats.storedBytes / NAR_BYTES,
    },
  });
  const { raw, compressed, levels } = stats;
  expect(raw.encodedBytes).toBe(raw.bytes);
  expect(compressed.encodedBytes).toBeLessThan(compressed.bytes);
  expect(raw.bytes + compressed.bytes).toBe(stats.uniqueBytes);
  expect(raw.records + compressed.records).toBe(stats.chunks + stats.directories);
  expect(levels).toEqual([
    {
      level: 2,
      records: raw.records + compressed.records,
      bytes: stats.uniqueBytes,
      encodedBytes: raw.encodedBytes + compressed.encodedBytes,
    },
  ]);
  // large-1.0 and large-1.1 have most of their chunks in common
  expect(stats.uniqueBytes).toBeLessThan(0.8 * NAR_BYTES);
});

test('for people', async () => {
  const { stdout } = await cli.run(['stats', '--store', cli.storeDirectory]);
  expect(stdout.split('\n')).toEqual(
    expect.arrayContaining([
      'store paths     35',
      'NARs            1.7 MB',
      expect.stringMatching(/^on disk {9}\d+ kB \(\d+% of the NARs, \d+% of unique\)$/),
      expect.stringMatching(/^ {2}at level 2 {4}/),
    ]),
  );
});
