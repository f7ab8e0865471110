/** How much a store takes at rest, against compressed caches. */
import type { BenchCase, BenchContext } from '../benchCase.ts';
import type { BinaryCache } from '../data/binaryCache.ts';
import type { CacheSet } from '../data/closures.ts';
import { run } from '../measure/process.ts';
import { spreadOf } from '../measure/spread.ts';
import type { Row } from '../table.ts';
import { Upstream } from '../upstream/upstream.ts';

const MEGABYTE = 1e6;
/** Of the same NARs compressed one by one with `zstd -3`, which is what Nix's zstd caches are. */
const MOST_OF_CACHE = 1.2;
const MOST_OF_TWO_CACHES = 0.75;

/** What `narthex stats --json` tells. */
interface Stats {
  readonly storedBytes: number;
  readonly indexBytes: number;
  readonly uniqueBytes: number;
  readonly narBytes: number;
}

export const rest: BenchCase = {
  name: 'rest',
  async *run(context) {
    const { options, closures } = context;
    const mirrored = await closures.mirrored(options.scale === 'quick' ? 'small' : 'usual');
    yield* await measure(context, 'closure', [mirrored], MOST_OF_CACHE);
    // a cache that was given has no other versions
    if (options.scale === 'quick' || options.cache !== undefined) return;
    const sets = await closures.twoVersions();
    const [older, newer] = sets;
    const name = `two versions of ${older[0]?.narInfos.length} packages`;
    yield* await measure(context, `${name}, the newer alone`, [newer], undefined);
    yield* await measure(context, `${name}, together`, sets, MOST_OF_TWO_CACHES);
  },
};

const isZstd = ({ compression }: BinaryCache) => compression === 'zstd';

/** Mirrors closures into one store and weighs it. */
async function measure(
  { places, narthex, say }: BenchContext,
  name: string,
  sets: readonly CacheSet[],
  most: number | undefined,
): Promise<Row[]> {
  const caches = sets.flatMap((set) => set.filter(isZstd));
  if (caches.length < sets.length) return [];
  const store = await places.fresh('disk');
  for (const cache of caches) {
    say(`rest, ${name}: ${cache.directory}`);
    await using upstream = await Upstream.start({ directory: cache.directory, delayMs: 0 });
    const source = { url: upstream.url, publicKey: cache.publicKey, paths: cache.roots };
    await run(narthex.mirror(source, store));
  }
  const statsOf = async (): Promise<Stats> => {
    const { stdout } = await run(narthex.command('stats', '--json', '--store', store));
    return JSON.parse(stdout); // our own output
  };
  const stats = await statsOf();
  const { cpuSeconds } = await run(narthex.command('compress', '--store', store));
  const compressed = await statsOf();
  const cacheBytes = caches.reduce((sum, { fileBytes }) => sum + fileBytes, 0);
  return [
    {
      of: 'rest',
      what: `${name}: on disk`,
      value: spreadOf([stats.storedBytes / MEGABYTE]),
      unit: 'MB',
      ratio: spreadOf([stats.storedBytes / cacheBytes]),
      ratioOf: 'of zstd -3 per NAR',
      target: most === undefined ? undefined : { atMost: most },
    },
    {
      of: 'rest',
      what: `${name}: of it the index`,
      value: spreadOf([stats.indexBytes / MEGABYTE]),
      unit: 'MB',
      ratio: spreadOf([stats.indexBytes / stats.storedBytes]),
      ratioOf: 'of what is on disk',
    },
    {
      of: 'rest',
      what: `${name}: on disk after narthex compress`,
      value: spreadOf([compressed.storedBytes / MEGABYTE]),
      unit: 'MB',
      cpuSeconds: spreadOf([cpuSeconds]),
      ratio: spreadOf([compressed.storedBytes / cacheBytes]),
      ratioOf: 'of zstd -3 per NAR',
      target: most === undefined ? undefined : { atMost: most },
    },
    {
      of: 'rest',
      what: `${name}: unique, not compressed`,
      value: spreadOf([stats.uniqueBytes / MEGABYTE]),
      unit: 'MB',
      ratio: spreadOf([stats.uniqueBytes / stats.narBytes]),
      ratioOf: 'of the NARs',
    },
  ];
}
