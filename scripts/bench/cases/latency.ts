/**
 * A cache far away: every answer takes 50 ms. A closure of known depth takes as many round trips to
 * discover as it is deep, and its NARs come meanwhile.
 *
 * How many round trips of narinfos follow each other is how much longer their discovery takes where each of
 * them takes a second: next to that the time of processors, which is different in each run, is small.
 */
import { SecretKey } from '../../../src/signature.ts';
import type { BenchCase } from '../benchCase.ts';
import { syntheticPath } from '../data/syntheticCache.ts';
import { alternate } from '../measure/alternate.ts';
import { run } from '../measure/process.ts';
import { ratiosOf, spreadOf } from '../measure/spread.ts';
import type { Row } from '../table.ts';
import { Upstream } from '../upstream/upstream.ts';

const ROUND_TRIP_MS = 50;
const SLOW_NARINFO_MS = 1000;
const PATHS = 1000;
const DEPTH = 10;
const FILE_BYTES = 4096;
/** Beyond the depth: the cache's own description, and one to spare. */
const FURTHER_ROUND_TRIPS = 2;

interface Mirrored {
  readonly seconds: number;
  readonly discoveryMs: number;
}

export const latency: BenchCase = {
  name: 'latency',
  async *run({ options, places, narthex, nix, say }) {
    const key = SecretKey.generate('narthex-bench-latency-1');
    const synthetic = {
      paths: PATHS,
      layers: DEPTH,
      fileBytes: FILE_BYTES,
      secretKey: key.toString(),
    };
    await using opened = new AsyncDisposableStack();
    const start = async (delays: { readonly delayMs: number; readonly narinfoDelayMs?: number }) =>
      opened.use(await Upstream.start({ synthetic, ...delays }));
    const near = await start({ delayMs: 0 });
    const far = await start({ delayMs: ROUND_TRIP_MS });
    const slow = await start({ delayMs: 0, narinfoDelayMs: SLOW_NARINFO_MS });
    const source = (url: string) => ({
      url,
      publicKey: key.publicKey.toString(),
      paths: [syntheticPath(0).absolute],
    });
    const contender = (name: string, upstream: Upstream) => ({
      name,
      async run(): Promise<Mirrored> {
        const store = await places.fresh('disk');
        const { wallSeconds } = await run(narthex.mirror(source(upstream.url), store));
        return { seconds: wallSeconds, discoveryMs: (await upstream.report()).discoveryMs };
      },
    });
    const contenders = [
      contender('near', near),
      contender('far', far),
      contender('slow narinfos', slow),
    ];
    const results = await alternate(contenders, options.rounds, (line) => say(`latency, ${line}`));
    const [nearRuns = [], farRuns = [], slowRuns = []] = results.values();
    const seconds = (all: readonly Mirrored[]) => all.map((one) => one.seconds);
    const discoveryMs = (all: readonly Mirrored[]) => all.map((one) => one.discoveryMs);
    const nearMs = discoveryMs(nearRuns);
    const roundTrips = discoveryMs(slowRuns).map(
      (ms, i) => (ms - (nearMs[i] ?? 0)) / SLOW_NARINFO_MS,
    );
    const rows: Row[] = [
      {
        of: 'latency',
        what: `${PATHS} paths ${DEPTH} deep, discovery`,
        value: spreadOf(roundTrips),
        unit: 'round trips',
        target: { atMost: DEPTH + FURTHER_ROUND_TRIPS },
      },
      {
        of: 'latency',
        what: `the whole mirror at ${ROUND_TRIP_MS} ms`,
        value: spreadOf(seconds(farRuns)),
        unit: 's',
        ratio: ratiosOf(seconds(farRuns), seconds(nearRuns)),
        ratioOf: 'of that without latency',
      },
    ];
    yield* rows;
    if (options.scale !== 'full') return;
    // path after path, several round trips each: once is enough
    say('latency, nix-store');
    const store = await places.fresh('disk');
    const { wallSeconds } = await run(await nix.realise(source(far.url), store, 2));
    yield {
      of: 'latency',
      what: `nix-store -r -j2 at ${ROUND_TRIP_MS} ms`,
      value: spreadOf([wallSeconds]),
      unit: 's',
      ratio: spreadOf(seconds(farRuns).map((ours) => wallSeconds / ours)),
      ratioOf: 'narthex ÷ this',
    };
  },
};
