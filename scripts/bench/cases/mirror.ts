/** Mirroring a closure: against what Nix does of it, the raw limit, and the sum of the stages. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { BenchCase, BenchContext } from '../benchCase.ts';
import type { BinaryCache } from '../data/binaryCache.ts';
import { alternate, type Contender } from '../measure/alternate.ts';
import { type Command, type Run, run, runTogether } from '../measure/process.ts';
import { ratiosOf, spreadOf } from '../measure/spread.ts';
import type { NixSource } from '../nix.ts';
import type { Medium } from '../places.ts';
import type { Row, Target } from '../table.ts';
import { Upstream } from '../upstream/upstream.ts';

const MEGABYTE = 1e6;
/** Stores of all contenders at once have room in so many times the NARs. */
const ROOM = 3;
const NIX_JOBS = 2;

const OURS = 'narthex mirror';
const OURS_LATER = 'narthex mirror --compress later';
const OTHER_CHECKOUT = 'narthex mirror of the other checkout';
const NIX_COPY = 'nix copy';
const NIX_STORE = `nix-store -r -j${NIX_JOBS}`;
const NIX_MIRROR = 'nix copy to a zstd cache';
const RAW_LIMIT = 'decoders into openssl sha256';

/** The share of what the processors could do in which nothing else may wait. */
const LEAST_OF_CEILING = 0.9;
/** How much faster mirroring must be, by compression and by what it is compared with. */
const TARGETS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  xz: { [NIX_MIRROR]: 2.6, [NIX_COPY]: 1.7, [NIX_STORE]: 1.7 },
  zstd: { [NIX_MIRROR]: 1.5 },
  none: { [NIX_MIRROR]: 1.5 },
};

/** How much faster than mirroring by Nix it must be when what comes in is compressed later. */
const LATER_TARGETS: Readonly<Record<string, number>> = { zstd: 2.3, none: 2.3 };

/** Peak memory with two workers, and with each further one, in bytes. */
const PEAK_RSS_BYTES = 400e6;
const PEAK_RSS_WORKER_BYTES = 60e6;

/** The most memory that mirroring may take. */
export function memoryTarget(processors: number): Target {
  const bytes = PEAK_RSS_BYTES + PEAK_RSS_WORKER_BYTES * Math.max(0, processors - 2);
  return { atMost: bytes / MEGABYTE };
}

/** Programs that decode files to standard output. */
const DECODERS: Readonly<Record<string, readonly string[]>> = {
  none: ['cat'],
  zstd: ['zstd', '-dc'],
  xz: ['xz', '-dc'],
};

export const mirror: BenchCase = {
  name: 'mirror',
  async *run(context) {
    const { options, closures, places } = context;
    const caches = await closures.mirrored(options.scale === 'quick' ? 'small' : 'usual');
    for (const cache of caches) {
      const fitting = await places.mediaFor(ROOM * cache.narBytes);
      const wanted = fitting.filter((medium) => (options.on ?? medium) === medium);
      const media = options.scale === 'quick' ? wanted.slice(0, 1) : wanted;
      for (const medium of media) yield* await compare(context, cache, medium);
    }
  },
};

async function compare(context: BenchContext, cache: BinaryCache, medium: Medium): Promise<Row[]> {
  const { options, processors } = context;
  await using upstream = await Upstream.start({ directory: cache.directory, delayMs: 0 });
  const contenders = await contendersOf(context, cache, upstream.url, medium);
  const results = await alternate(contenders, options.rounds, (line) =>
    context.say(`mirror ${cache.compression} → ${medium}, ${line}`),
  );
  const label = (what: string) => `${cache.compression} → ${medium}, ${what}`;
  const megabytes = cache.narBytes / MEGABYTE;
  const ours = results.get(OURS) ?? [];
  const seconds = (runs: readonly Run[]) => runs.map(({ wallSeconds }) => wallSeconds);
  const cpu = (runs: readonly Run[]) => spreadOf(runs.map(({ cpuSeconds }) => cpuSeconds));
  const speed = (runs: readonly Run[]) => spreadOf(seconds(runs).map((wall) => megabytes / wall));

  const stageSeconds = (await context.stageCosts()).mirrorCpuSeconds(cache);
  const ceilingSeconds = stageSeconds / processors;
  const rows: Row[] = [
    {
      of: 'mirror',
      what: label(OURS),
      value: speed(ours),
      unit: 'MB/s',
      cpuSeconds: cpu(ours),
      ratio: spreadOf(seconds(ours).map((wall) => ceilingSeconds / wall)),
      ratioOf: 'of processors × bytes ÷ Σ stage CPU',
      target: { atLeast: LEAST_OF_CEILING },
    },
    {
      of: 'mirror',
      what: label(`${OURS}, CPU`),
      value: cpu(ours),
      unit: 's',
      ratio: spreadOf(ours.map(({ cpuSeconds }) => cpuSeconds / stageSeconds)),
      ratioOf: 'of Σ stage CPU',
    },
    {
      of: 'mirror',
      what: label(`${OURS}, peak RSS without mapped files`),
      value: spreadOf(ours.map((one) => (one.peakAnonymousBytes ?? 0) / MEGABYTE)),
      unit: 'MB',
      target: memoryTarget(processors),
    },
  ];
  const later = results.get(OURS_LATER) ?? [];
  const least = LATER_TARGETS[cache.compression];
  rows.push({
    of: 'mirror',
    what: label(OURS_LATER),
    value: speed(later),
    unit: 'MB/s',
    cpuSeconds: cpu(later),
    ratio: ratiosOf(seconds(results.get(NIX_MIRROR) ?? []), seconds(later)),
    ratioOf: `this ÷ ${NIX_MIRROR}`,
    target: least === undefined ? undefined : { atLeast: least },
  });
  for (const [name, runs] of results) {
    if (name === OURS || name === OURS_LATER) continue;
    const least = TARGETS[cache.compression]?.[name];
    rows.push({
      of: 'mirror',
      what: label(name),
      value: speed(runs),
      unit: 'MB/s',
      cpuSeconds: cpu(runs),
      ratio: ratiosOf(seconds(runs), seconds(ours)),
      ratioOf: 'narthex ÷ this',
      target: least === undefined ? undefined : { atLeast: least },
    });
  }
  return rows;
}

async function contendersOf(
  context: BenchContext,
  cache: BinaryCache,
  url: string,
  medium: Medium,
): Promise<Contender<Run>[]> {
  const { places, nix, narthex, against, processors } = context;
  const source: NixSource = { url, publicKey: cache.publicKey, paths: cache.roots };
  /** Runs what writes into a new directory. */
  const into = (name: string, command: (to: string) => Command | Promise<Command>) => ({
    name,
    async run() {
      const to = await places.fresh(medium);
      const result = await run(await command(to), { watchMemory: true });
      await places.done(medium, to);
      return result;
    },
  });
  const contenders: Contender<Run>[] = [
    into(OURS, (to) => narthex.mirror(source, to)),
    into(OURS_LATER, (to) => narthex.mirror(source, to, '--compress', 'later')),
  ];
  if (against !== undefined) {
    contenders.push(into(OTHER_CHECKOUT, (to) => against.mirror(source, to)));
  }
  contenders.push(
    into(NIX_COPY, (to) => nix.copy(source, to)),
    into(NIX_STORE, (to) => nix.realise(source, to, NIX_JOBS)),
    into(NIX_MIRROR, (to) => nix.copy(source, `file://${to}?compression=zstd`)),
  );
  const limit = await rawLimit(cache, await places.fresh(medium), processors);
  if (limit !== undefined) contenders.push({ name: RAW_LIMIT, run: () => runTogether(limit) });
  return contenders;
}

/** A decoder and a hasher for each processor, with about as much to do; no store is written. */
async function rawLimit(
  cache: BinaryCache,
  listPath: string,
  processors: number,
): Promise<Command[] | undefined> {
  const decoder = DECODERS[cache.compression];
  if (decoder === undefined) return undefined;
  const shares = Array.from({ length: processors }, () => ({ bytes: 0, files: [] as string[] }));
  for (const { url, narSize } of cache.narInfos.toSorted((a, b) => b.narSize - a.narSize)) {
    const least = shares.toSorted((a, b) => a.bytes - b.bytes)[0];
    if (least === undefined) break;
    least.bytes += narSize;
    least.files.push(join(cache.directory, url));
  }
  await mkdir(dirname(listPath), { recursive: true });
  return await Promise.all(
    shares.map(async ({ files }, index) => {
      const list = `${listPath}-${index}`;
      await writeFile(list, files.map((file) => `${file}\0`).join(''));
      const script = `set -euo pipefail; xargs -0 -a "$0" ${decoder.join(' ')} | openssl sha256`;
      return { program: 'bash', args: ['-c', script, list] };
    }),
  );
}
