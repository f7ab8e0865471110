/**
 * How long chunks should be and how hard they are compressed: what two versions of the same packages would take. Part of
 * `--full`, or asked for by name.
 */
import type { BenchCase, BenchContext } from '../benchCase.ts';
import { spreadOf } from '../measure/spread.ts';
import {
  bytesAtRest,
  type DistinctChunks,
  distinctChunks,
  distinctFileBytes,
  indexBytes,
  packBytes,
} from '../rest/chunks.ts';
import { type Corpus, readCorpus } from '../rest/corpus.ts';
import { IDEAS } from '../rest/ideas.ts';
import type { Row } from '../table.ts';

const MEGABYTE = 1e6;
const KIB = 1024;
const AVERAGES_KIB = [32, 64, 128, 256];
const LEVELS = [-3, 1, 2, 3, 6, 9, 12, 15, 19];
/** Higher levels, which take minutes for all chunks, are tried on one chunk in so many. */
const SAMPLED_ABOVE = 6;
const SAMPLE = 4;
/** Whose size for all chunks tells what a sample of them stands for. */
const REFERENCE_LEVEL = 3;
/** At which the ideas are tried, all chunks of them. */
const IDEA_LEVELS = [1, 3, 6];
const IDEA_AVERAGE_KIB = 64;

const NAME = 'parameters';

export const parameters: BenchCase = {
  name: NAME,
  async *run(context) {
    const { options, closures, say } = context;
    if (options.scale !== 'full' && !options.only.includes(NAME)) return;
    const corpus = await readCorpus(await closures.twoVersions());
    yield stored(corpus, 'equal files once, not compressed', distinctFileBytes(corpus));
    for (const average of AVERAGES_KIB) {
      say(`${NAME}: average ${average} KiB`);
      yield* await grid(context, corpus, average);
    }
    const { chunks } = distinctChunks(corpus, IDEA_AVERAGE_KIB * KIB);
    for (const level of IDEA_LEVELS) {
      const alone = chunks.reduce((sum, { bytes }) => sum + bytesAtRest(bytes, level), 0);
      for (const { name, bytesOf } of IDEAS) {
        say(`${NAME}: ${name}, level ${level}`);
        const cpuSeconds = cpuClock();
        const bytes = bytesOf(chunks, level);
        yield {
          of: NAME,
          what: `${IDEA_AVERAGE_KIB} KiB, level ${level}: ${name}`,
          value: spreadOf([bytes / MEGABYTE]),
          unit: 'MB',
          cpuSeconds: spreadOf([cpuSeconds()]),
          ratio: spreadOf([bytes / alone]),
          ratioOf: 'of each alone',
        };
      }
    }
  },
};

/** All levels for one average. */
async function grid({ places }: BenchContext, corpus: Corpus, average: number): Promise<Row[]> {
  const cutting = cpuClock();
  const distinct = distinctChunks(corpus, average * KIB);
  const cutSeconds = cutting();
  const index = await indexBytes(distinct, await places.fresh('disk'));
  return [
    {
      ...stored(corpus, `${average} KiB, not compressed`, distinct.bytes),
      cpuSeconds: spreadOf([cutSeconds]),
    },
    stored(corpus, `${average} KiB, index`, index),
    ...LEVELS.map((level) => atLevel(corpus, distinct, { average, level, index })),
  ];
}

function atLevel(
  corpus: Corpus,
  distinct: DistinctChunks,
  { average, level, index }: { average: number; level: number; index: number },
): Row {
  const { bytes, seconds } =
    level > SAMPLED_ABOVE ? sampled(distinct, level) : whole(distinct, level);
  return {
    ...stored(corpus, `${average} KiB, level ${level}`, packBytes(distinct, bytes) + index),
    cpuSeconds: spreadOf([seconds]),
  };
}

interface Encoded {
  readonly bytes: number;
  /** CPU time. */
  readonly seconds: number;
}

function whole({ chunks }: Pick<DistinctChunks, 'chunks'>, level: number): Encoded {
  const cpuSeconds = cpuClock();
  const bytes = chunks.reduce((sum, chunk) => sum + bytesAtRest(chunk.bytes, level), 0);
  return { bytes, seconds: cpuSeconds() };
}

function sampled(distinct: DistinctChunks, level: number): Encoded {
  const chunks = distinct.chunks.filter((_, number) => number % SAMPLE === 0);
  const share = chunks.reduce((sum, { bytes }) => sum + bytes.length, 0) / distinct.bytes;
  const { bytes, seconds } = whole({ chunks }, level);
  const scale = whole(distinct, REFERENCE_LEVEL).bytes / whole({ chunks }, REFERENCE_LEVEL).bytes;
  return { bytes: bytes * scale, seconds: seconds / share };
}

function stored({ zstdBytes }: Corpus, what: string, bytes: number): Row {
  return {
    of: NAME,
    what,
    value: spreadOf([bytes / MEGABYTE]),
    unit: 'MB',
    ratio: spreadOf([bytes / zstdBytes]),
    ratioOf: 'of zstd -3 per NAR',
  };
}

/** @returns the CPU time since, in seconds */
function cpuClock(): () => number {
  const before = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1e6;
  };
}
