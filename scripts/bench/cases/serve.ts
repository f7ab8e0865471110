/** Serving NARs: to curl, and to `nix copy`, against the cache that they came from. */
import { writeFile } from 'node:fs/promises';
import type { BenchCase, BenchContext } from '../benchCase.ts';
import { BenchError } from '../benchError.ts';
import type { BinaryCache } from '../data/binaryCache.ts';
import { alternate } from '../measure/alternate.ts';
import { run } from '../measure/process.ts';
import { ratiosOf, spreadOf } from '../measure/spread.ts';
import type { Row } from '../table.ts';
import { Upstream } from '../upstream/upstream.ts';

const MEGABYTE = 1e6;
const LEAST_MEGABYTES_PER_SECOND = 400;
const MOST_MS_TO_FIRST_BYTE = 20;

/** What curl told of some transfers, one after the other on one connection. */
interface Transfers {
  readonly megabytesPerSecond: number;
  readonly medianFirstByteMs: number;
}

export const serve: BenchCase = {
  name: 'serve',
  async *run(context) {
    const { options, closures, places, narthex } = context;
    const caches = await closures.mirrored(options.scale === 'quick' ? 'small' : 'usual');
    const [cache] = caches;
    if (cache === undefined) return;
    await using original = await Upstream.start({ directory: cache.directory, delayMs: 0 });
    const store = await places.fresh('disk');
    const source = { url: original.url, publicKey: cache.publicKey, paths: cache.roots };
    await run(narthex.mirror(source, store));
    await using served = await narthex.serve(store);
    yield* await curlRows(context, cache, served.url, original.url);
    yield* await nixRows(context, cache, served.url, original.url);
  },
};

/** The URLs of all NARs of a cache, as a server of it names them. */
async function narUrls(base: string, cache: BinaryCache): Promise<string[]> {
  const urls: string[] = [];
  for (const { storePath } of cache.narInfos) {
    const response = await fetch(`${base}/${storePath.hashPart}.narinfo`);
    const url = /^URL: (.*)$/m.exec(await response.text())?.[1];
    if (url === undefined) throw new BenchError(`${base} lacks ${storePath.absolute}`);
    urls.push(`${base}/${url}`);
  }
  return urls;
}

/** Writes a configuration by which curl fetches URLs to nowhere. */
async function curlConfig(path: string, urls: readonly string[]): Promise<string> {
  await writeFile(path, urls.map((url) => `url = "${url}"\noutput = "/dev/null"\n`).join(''));
  return path;
}

async function transfer(config: string): Promise<Transfers> {
  const format = '%{time_starttransfer} %{time_total} %{size_download}\\n';
  const args = [
    '--silent',
    '--show-error',
    '--fail',
    '--fail-early',
    '--config',
    config,
    '--write-out',
    format,
  ];
  const { stdout } = await run({ program: 'curl', args });
  const lines = stdout.trim().split('\n');
  const transfers = lines.map((line) => line.split(' ').map(Number));
  const sum = (column: number) => transfers.reduce((total, one) => total + (one[column] ?? 0), 0);
  return {
    megabytesPerSecond: sum(2) / MEGABYTE / sum(1),
    medianFirstByteMs: spreadOf(transfers.map(([first = 0]) => 1000 * first)).median,
  };
}

async function curlRows(
  { options, places, say }: BenchContext,
  cache: BinaryCache,
  served: string,
  original: string,
): Promise<Row[]> {
  const contender = async (name: string, base: string) => {
    const config = await curlConfig(await places.freshFile(), await narUrls(base, cache));
    return { name, run: () => transfer(config) };
  };
  const contenders = [
    await contender('narthex serve', served),
    await contender('static files', original),
  ];
  const results = await alternate(contenders, options.rounds, (line) =>
    say(`serve, curl, ${line}`),
  );
  const [ours = [], theirs = []] = results.values();
  const speeds = (all: readonly Transfers[]) => all.map((one) => one.megabytesPerSecond);
  const firstBytes = (all: readonly Transfers[]) => all.map((one) => one.medianFirstByteMs);
  return [
    {
      of: 'serve',
      what: 'all NARs to one curl',
      value: spreadOf(speeds(ours)),
      unit: 'MB/s',
      target: { atLeast: LEAST_MEGABYTES_PER_SECOND },
    },
    {
      of: 'serve',
      what: `all NARs to one curl, from files (${cache.compression}) by a plain Node server`,
      value: spreadOf(speeds(theirs)),
      unit: 'MB/s',
      ratio: ratiosOf(speeds(ours), speeds(theirs)),
      ratioOf: 'narthex ÷ this',
    },
    {
      of: 'serve',
      what: 'first byte of a NAR',
      value: spreadOf(firstBytes(ours)),
      unit: 'ms',
      target: { atMost: MOST_MS_TO_FIRST_BYTE },
    },
  ];
}

async function nixRows(
  { options, places, nix, say }: BenchContext,
  cache: BinaryCache,
  served: string,
  original: string,
): Promise<Row[]> {
  const [medium] = await places.mediaFor(cache.narBytes);
  if (medium === undefined) return [];
  const contender = (name: string, url: string) => ({
    name,
    async run() {
      const to = await places.fresh(medium);
      const source = { url, publicKey: cache.publicKey, paths: cache.roots };
      const { wallSeconds } = await run(await nix.copy(source, to));
      await places.done(medium, to);
      return wallSeconds;
    },
  });
  const contenders = [contender('narthex serve', served), contender('original', original)];
  const results = await alternate(contenders, options.rounds, (line) =>
    say(`serve, nix copy, ${line}`),
  );
  const [ours = [], theirs = []] = results.values();
  const speed = (seconds: readonly number[]) =>
    spreadOf(seconds.map((wall) => cache.narBytes / MEGABYTE / wall));
  return [
    { of: 'serve', what: 'closure to nix copy', value: speed(ours), unit: 'MB/s' },
    {
      of: 'serve',
      what: `closure to nix copy, from the original cache (${cache.compression})`,
      value: speed(theirs),
      unit: 'MB/s',
      ratio: ratiosOf(theirs, ours),
      ratioOf: 'narthex ÷ this',
    },
  ];
}
