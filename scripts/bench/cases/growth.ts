/** Cost grows as bytes do: closures of one, four and sixteen times as much. */
import { SecretKey } from '../../../src/signature.ts';
import type { BenchCase } from '../benchCase.ts';
import { syntheticPath } from '../data/syntheticCache.ts';
import { alternate } from '../measure/alternate.ts';
import { type Run, run } from '../measure/process.ts';
import { ratiosOf, spreadOf } from '../measure/spread.ts';
import type { Row } from '../table.ts';
import { Upstream } from '../upstream/upstream.ts';

const MEGABYTE = 1e6;
const FACTORS = [1, 4, 16];
const FILE_BYTES = 1_000_000;
/** Paths of the smallest closure, of a megabyte each. */
const PATHS = 32;
const QUICK_PATHS = 8;
const LAYERS = 4;
/** What a byte may cost of what it costs in the smallest closure, where starting is part of it. */
const MOST_PER_BYTE = 1.1;

export const growth: BenchCase = {
  name: 'growth',
  async *run({ options, places, narthex, say }) {
    const key = SecretKey.generate('narthex-bench-growth-1');
    const paths = options.scale === 'quick' ? QUICK_PATHS : PATHS;
    await using opened = new AsyncDisposableStack();
    const contenders = [];
    for (const factor of FACTORS) {
      const synthetic = {
        paths: paths * factor,
        layers: LAYERS,
        fileBytes: FILE_BYTES,
        secretKey: key.toString(),
      };
      const upstream = opened.use(await Upstream.start({ synthetic, delayMs: 0 }));
      const source = {
        url: upstream.url,
        publicKey: key.publicKey.toString(),
        paths: [syntheticPath(0).absolute],
      };
      contenders.push({
        name: `${factor}×`,
        run: async () =>
          run(narthex.mirror(source, await places.fresh('disk')), { watchMemory: true }),
      });
    }
    const results = await alternate(contenders, options.rounds, (line) => say(`growth, ${line}`));
    const perByte = (runs: readonly Run[], factor: number) =>
      runs.map(({ wallSeconds }) => wallSeconds / factor);
    const [smallest = []] = results.values();
    yield* FACTORS.map((factor): Row => {
      const runs = results.get(`${factor}×`) ?? [];
      const megabytes = (paths * factor * FILE_BYTES) / MEGABYTE;
      const peak = spreadOf(runs.map((one) => (one.peakAnonymousBytes ?? 0) / MEGABYTE));
      return {
        of: 'growth',
        what: `${factor}×: ${megabytes} MB of NAR, peak ${Math.round(peak.median)} MB without mapped files`,
        value: spreadOf(runs.map(({ wallSeconds }) => wallSeconds)),
        unit: 's',
        cpuSeconds: spreadOf(runs.map(({ cpuSeconds }) => cpuSeconds)),
        ratio: ratiosOf(perByte(runs, factor), perByte(smallest, 1)),
        ratioOf: 'of the cost of a byte at 1×',
        target: factor === 1 ? undefined : { atMost: MOST_PER_BYTE },
      };
    });
  },
};
