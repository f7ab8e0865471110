/** Closures that are deep and wide, through the real service: outcome, time and peak memory. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import type { LargeServiceReport } from './ingest/largeService.ts';
import { lazyChain, lazyDiamond } from './support/lazyCache.ts';
import { serveStatic } from './support/staticCache.ts';
import { temporaryDirectory } from './support/temporaryDirectory.ts';

/** What must do for the JavaScript heap, or the process fails. */
const HEAP_LIMIT_MIB = 512;
/** That, Node itself, young and native memory, and the index that is mapped. */
const PEAK_LIMIT_MIB = 1_200;
/** A quarter of a millisecond for each narinfo goes into its signature alone. */
const TIMEOUT_MS = 300_000;

const rows = [
  ['chain', 100_000, 'without a network', 'in the embedded store'],
  ['chain', 5_000, 'over HTTP', 'in memory'],
  ['diamond', 10_000, 'over HTTP', 'in the embedded store'],
] as const;

test.each(rows)(
  'a %s of %i, %s, kept %s',
  async (shape, count, transport, kept) => {
    await using stack = new AsyncDisposableStack();
    let url = '-';
    if (transport === 'over HTTP') {
      const cache = shape === 'chain' ? lazyChain(count) : lazyDiamond(count);
      ({ url } = stack.use(await serveStatic(cache.source)));
    }
    let directory = '-';
    if (kept === 'in the embedded store') {
      directory = join(stack.use(await temporaryDirectory('large')).path, 'store');
    }
    const script = fileURLToPath(new URL('ingest/largeService.ts', import.meta.url));
    const heap = `--max-old-space-size=${HEAP_LIMIT_MIB}`;
    const args = [heap, script, shape, String(count), url, directory];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    const report: LargeServiceReport = JSON.parse(stdout);
    const { seconds, secondsAgain, peakMiB } = report;
    process.stdout.write(
      `${shape} of ${count}, ${transport}, ${kept}: ${seconds} s, again ${secondsAgain} s, peak ${peakMiB} MiB\n`,
    );
    expect(report).toMatchObject({
      outcome: 'kept',
      kept: shape === 'chain' ? count : count + 2,
      outcomeAgain: 'kept',
      presentAgain: 1,
    });
    expect(peakMiB).toBeLessThan(PEAK_LIMIT_MIB);
  },
  TIMEOUT_MS,
);
