/** Mirroring again what is there: nothing is fetched, and next to no time passes. */
import type { BenchCase } from '../benchCase.ts';
import { alternate } from '../measure/alternate.ts';
import { type Run, run } from '../measure/process.ts';
import { ratiosOf, spreadOf } from '../measure/spread.ts';
import { Upstream } from '../upstream/upstream.ts';

/** Of the time of the first. */
const MOST_OF_FIRST = 0.05;

export const again: BenchCase = {
  name: 'again',
  async *run({ options, closures, places, narthex, say }) {
    const caches = await closures.mirrored(options.scale === 'quick' ? 'small' : 'usual');
    for (const cache of caches) {
      await using upstream = await Upstream.start({ directory: cache.directory, delayMs: 0 });
      const source = { url: upstream.url, publicKey: cache.publicKey, paths: cache.roots };
      let store = '';
      let narsFetched = 0;
      const mirror = () => run(narthex.mirror(source, store));
      const contenders = [
        {
          name: 'first',
          async run() {
            store = await places.fresh('disk');
            const result = await mirror();
            await upstream.report();
            return result;
          },
        },
        {
          name: 'second',
          async run() {
            const result = await mirror();
            narsFetched += (await upstream.report()).nars;
            return result;
          },
        },
        {
          name: 'start',
          run: () => run(narthex.command('stats', '--store', store)),
        },
      ];
      const results = await alternate(contenders, options.rounds, (line) =>
        say(`again ${cache.compression}, ${line}`),
      );
      const [first = [], second = [], start = []] = results.values();
      const walls = (runs: readonly Run[]) => runs.map(({ wallSeconds }) => wallSeconds);
      const times = (runs: readonly Run[]) => ({
        value: spreadOf(walls(runs)),
        unit: 's' as const,
        cpuSeconds: spreadOf(runs.map(({ cpuSeconds }) => cpuSeconds)),
      });
      yield {
        of: 'again',
        what: `${cache.compression}, second mirror`,
        ...times(second),
        ratio: ratiosOf(walls(second), walls(first)),
        ratioOf: 'of the first',
        target: { atMost: MOST_OF_FIRST },
      };
      yield {
        of: 'again',
        what: `${cache.compression}, NARs fetched by it`,
        value: spreadOf([narsFetched]),
        unit: '',
        target: { atMost: 0 },
      };
      yield {
        of: 'again',
        what: `${cache.compression}, start alone (narthex stats)`,
        ...times(start),
        ratio: ratiosOf(walls(start), walls(second)),
        ratioOf: 'of the second',
      };
    }
  },
};
