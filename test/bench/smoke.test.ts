/** `npm run bench`, run as people run it, on next to nothing. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import type { BinaryCache } from '../../scripts/bench/data/binaryCache.ts';
import { parseOptions } from '../../scripts/bench/options.ts';
import { StageCosts } from '../../scripts/bench/stages/stageCosts.ts';
import type { Row } from '../../scripts/bench/table.ts';

const MAIN = join(import.meta.dirname, '../../scripts/bench/main.ts');
const execute = promisify(execFile);
const bench = (...args: string[]) => execute(process.execPath, [MAIN, ...args]);

/** The stages that `StageCosts` adds up, by how their rows begin. */
const SUMMED = [
  ...['decode none', 'decode xz', 'decode zstd', 'NarHash (SHA-256)', 'NAR → castore content'],
  ...['compress chunks (zstd 2)', 'append to a pack', 'put into the index (LMDB)'],
];
const OTHERS = [
  ...['decode gzip', 'decode br', 'BLAKE3 of blobs', 'cut into chunks', 'BLAKE3 of chunks'],
  ...['parse NAR', 'render NAR from the store'],
];

test('--smoke --json measures every stage, three times', async () => {
  const { stdout } = await bench('--smoke', '--json');
  const { machine, rows }: { machine: { processors: number }; rows: Row[] } = JSON.parse(stdout);
  expect(machine.processors).toBeGreaterThan(0);
  const names = rows.map(({ what }) => what);
  for (const stage of [...SUMMED, ...OTHERS]) {
    expect(names.filter((name) => name.startsWith(stage))).toHaveLength(1);
  }
  for (const { of, unit, value, cpuSeconds } of rows) {
    expect({ of, unit, count: value.count }).toEqual({ of: 'stages', unit: 'MB/s', count: 3 });
    expect(value.min).toBeGreaterThan(0);
    expect(cpuSeconds?.median).toBeGreaterThan(0);
    expect(value.median).toBeGreaterThanOrEqual(value.min);
    expect(value.max).toBeGreaterThanOrEqual(value.median);
  }
}, 120_000);

test('an option that there is not is refused, with exit code 1', async () => {
  await expect(bench('--fast')).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^bench: .*'--fast'/),
  });
});

describe('Σ stage CPU', () => {
  /** Each stage costs 1 s a byte, decoding xz 10 s. */
  const costs = new StageCosts(
    SUMMED.map((name) => ({
      name: name.startsWith('decode') ? `${name} (some library)` : name,
      megabytesPerSecond: { median: 1, min: 1, max: 1, count: 3 },
      cpuSecondsPerByte: name === 'decode xz' ? 10 : 1,
    })),
  );
  const cache = (compression: string): BinaryCache => ({
    directory: '',
    publicKey: '',
    compression,
    narInfos: [],
    roots: [],
    narBytes: 100,
    fileBytes: 30,
  });

  test.each([
    // decode, NarHash, content, compress, append, index; and FileHash over the file
    { compression: 'none', seconds: 600 },
    { compression: 'zstd', seconds: 630 },
    { compression: 'xz', seconds: 1530 },
  ])('of a cache with $compression', ({ compression, seconds }) => {
    expect(costs.mirrorCpuSeconds(cache(compression))).toBe(seconds);
  });

  test('is not guessed where a decoder was not measured', () => {
    expect(() => costs.mirrorCpuSeconds(cache('br'))).toThrow(TypeError);
  });
});

describe('options', () => {
  test.each([
    ['too few rounds for a median', ['--rounds', '2']],
    ['a cache without its key', ['--cache', '/somewhere']],
    ['an argument that is no option', ['mirror']],
  ])('refuses %s', (_, args) => {
    expect(() => parseOptions(args, {})).toThrow();
  });

  test('keep caches in the XDG cache directory', () => {
    const directory = (env: NodeJS.ProcessEnv) => parseOptions([], env).workDirectory;
    expect(directory({ XDG_CACHE_HOME: '/c', HOME: '/h' })).toBe('/c/narthex-bench');
    expect(directory({ HOME: '/h' })).toBe('/h/.cache/narthex-bench');
    expect(parseOptions(['--work', '/w'], {}).workDirectory).toBe('/w');
  });
});
