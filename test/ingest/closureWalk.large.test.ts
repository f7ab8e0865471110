import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import type { LargeWalkReport } from './largeWalk.ts';

/** What must do for the JavaScript heap, or the process fails. */
const HEAP_LIMIT_MIB = 512;
/** That, and what Node takes besides. */
const PEAK_LIMIT_MIB = 1_000;

const rows: readonly [shape: string, kept: number, outcomes: LargeWalkReport['outcomes']][] = [
  ['chain 100,000', 100_000, { kept: 1 }],
  ['chain 100,000 whose end is absent', 0, { REFERENCE_FAILED: 1 }],
  ['cycle 100,000', 0, { REFERENCE_CYCLE: 1 }],
  ['diamond 10,000', 10_002, { kept: 1 }],
  ['cycles of two, 50,000 of them', 0, { REFERENCE_CYCLE: 50_000 }],
  ['referrers of one path, 200,000 of them', 200_001, { kept: 200_000 }],
];

test.each(rows)('%s', async (shape, kept, outcomes) => {
  const script = fileURLToPath(new URL('largeWalk.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [
    `--max-old-space-size=${HEAP_LIMIT_MIB}`,
    script,
    shape,
  ]);
  const report: LargeWalkReport = JSON.parse(stdout);
  process.stdout.write(`${shape}: ${report.seconds} s, peak ${report.peakMiB} MiB\n`);
  expect(report).toMatchObject({ kept, outcomes });
  expect(report.peakMiB).toBeLessThan(PEAK_LIMIT_MIB);
});
