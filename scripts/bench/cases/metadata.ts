/** Many paths in a store: narinfos out of it, and walks over closures. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'undici';
import type { Digest } from '../../../src/castore/digest.ts';
import { FileNode } from '../../../src/castore/node.ts';
import { hashBytes } from '../../../src/hash.ts';
import { Claim } from '../../../src/pathinfo/claim.ts';
import { walkClosure } from '../../../src/pathinfo/closure.ts';
import { PathInfo } from '../../../src/pathinfo/pathInfo.ts';
import { Store } from '../../../src/store/store.ts';
import type { BenchCase, BenchContext } from '../benchCase.ts';
import { syntheticPath, syntheticReferences } from '../data/syntheticCache.ts';
import { type Run, run, timed } from '../measure/process.ts';
import { spreadOf } from '../measure/spread.ts';
import type { Scale } from '../options.ts';
import type { Row } from '../table.ts';

const PATHS: Readonly<Record<Scale, number>> = {
  smoke: 100,
  quick: 10_000,
  usual: 10_000,
  full: 100_000,
};
/** Paths of the closure that is walked. */
const CLOSURE = 10_000;
const LAYERS = 20;
const LOOKUPS = 2000;
/** Put at once: what one call gathers lies in memory. */
const PUT_BATCH = 1000;

const MOST_MS_FOR_LOOKUP = 1;
const MOST_SECONDS_FOR_WALK = 1;

export const metadata: BenchCase = {
  name: 'metadata',
  async *run(context) {
    const paths = PATHS[context.options.scale];
    const directory = await context.places.fresh('disk');
    context.say(`metadata: putting ${paths} paths`);
    const put = await timed(() => fill(directory, paths));
    const label = (what: string) => `${paths} paths, ${what}`;
    yield* [
      {
        of: 'metadata',
        what: label('put'),
        value: spreadOf([paths / put.wallSeconds]),
        unit: '/s',
        cpuSeconds: spreadOf([put.cpuSeconds]),
      },
      ...(await lookupRows(context, directory, paths, label)),
      ...(await walkRows(context, directory, paths)),
    ];
  },
};

/**
 * Closures of {@link CLOSURE} paths, as many as it takes, each as `syntheticReferences` has it. All paths
 * have the same small content.
 */
async function fill(directory: string, paths: number): Promise<void> {
  await using store = await Store.open(directory);
  const content = Buffer.from('the same everywhere\n');
  const writer = store.blobs.openWrite();
  await writer.write(content);
  const { digest } = await writer.close();
  const node = new FileNode(digest, content.length, false);
  const narHash = hashBytes('sha256', content);
  const size = { paths: Math.min(CLOSURE, paths), layers: LAYERS };
  const closureDigests = new Map<number, Digest>();
  let batch: PathInfo[] = [];
  // references have higher numbers than their referrers within a closure
  for (let start = 0; start < paths; start += size.paths) {
    const end = Math.min(paths, start + size.paths);
    for (let index = end - 1; index >= start; index--) {
      const references = syntheticReferences(index - start, { ...size, paths: end - start }).map(
        (reference) => reference + start,
      );
      const claim = new Claim({
        storePath: syntheticPath(index),
        narHash,
        narSize: content.length,
        references: references.map(syntheticPath),
        signatures: [],
        deriver: undefined,
        ca: undefined,
        origin: undefined,
        verification: { by: 'nobody' },
      });
      const contents = references.map((reference) => {
        const closureDigest = closureDigests.get(reference);
        if (closureDigest === undefined) throw new TypeError('references come first');
        const found = { node, closureDigest, evidence: 'unchecked' as const };
        return [syntheticPath(reference).baseName, found] as const;
      });
      const pathInfo = new PathInfo(claim, node, new Map(contents));
      closureDigests.set(index, pathInfo.closureDigest);
      batch.push(pathInfo);
      if (batch.length < PUT_BATCH && index > start) continue;
      await store.pathInfos.putAll(batch);
      batch = [];
    }
  }
}

async function lookupRows(
  { options, narthex, say }: BenchContext,
  directory: string,
  paths: number,
  label: (what: string) => string,
): Promise<Row[]> {
  await using served = await narthex.serve(directory);
  const client = new Client(served.url);
  const medians: number[] = [];
  const slow: number[] = [];
  try {
    for (let round = 0; round < options.rounds; round++) {
      say(`metadata: lookups, round ${round + 1} of ${options.rounds}`);
      const milliseconds: number[] = [];
      for (let i = 0; i < LOOKUPS; i++) {
        // all over the store, in no order
        const index = (i * 7919 + round * 104_729) % paths;
        const began = performance.now();
        const path = `/${syntheticPath(index).hashPart}.narinfo`;
        const { statusCode, body } = await client.request({ path, method: 'GET' });
        await body.text();
        milliseconds.push(performance.now() - began);
        if (statusCode !== 200) throw new TypeError(`${path}: ${statusCode}`);
      }
      milliseconds.sort((a, b) => a - b);
      medians.push(milliseconds[LOOKUPS >> 1] ?? 0);
      slow.push(milliseconds[Math.floor(0.99 * LOOKUPS)] ?? 0);
      await sleep(0);
    }
  } finally {
    await client.destroy();
  }
  return [
    {
      of: 'metadata',
      what: label('narinfo over HTTP, median'),
      value: spreadOf(medians),
      unit: 'ms',
      target: { atMost: MOST_MS_FOR_LOOKUP },
    },
    {
      of: 'metadata',
      what: label('narinfo over HTTP, 99 of 100 within'),
      value: spreadOf(slow),
      unit: 'ms',
    },
  ];
}

async function walkRows(
  { options, narthex, say }: BenchContext,
  directory: string,
  paths: number,
): Promise<Row[]> {
  const library: Pick<Run, 'wallSeconds' | 'cpuSeconds'>[] = [];
  const commandLine: Run[] = [];
  let walked = 0;
  for (let round = 0; round < options.rounds; round++) {
    say(`metadata: walks, round ${round + 1} of ${options.rounds}`);
    {
      await using store = await Store.open(directory, { readOnly: true });
      const walk = await timed(() => countClosure(store));
      walked = walk.result;
      library.push(walk);
    }
    const command = narthex.command('closure', '--store', directory, syntheticPath(0).absolute);
    commandLine.push(await run(command));
  }
  if (walked !== Math.min(CLOSURE, paths)) throw new TypeError(`walked ${walked} paths only`);
  const times = (all: readonly Pick<Run, 'wallSeconds' | 'cpuSeconds'>[]) => ({
    value: spreadOf(all.map(({ wallSeconds }) => wallSeconds)),
    unit: 's' as const,
    cpuSeconds: spreadOf(all.map(({ cpuSeconds }) => cpuSeconds)),
  });
  return [
    {
      of: 'metadata',
      what: `walk of a closure of ${walked} paths`,
      ...times(library),
      target: { atMost: MOST_SECONDS_FOR_WALK },
    },
    {
      of: 'metadata',
      what: 'the same by narthex closure, start and output included',
      ...times(commandLine),
    },
  ];
}

/** How many paths the closure of path 0 has. */
async function countClosure(store: Store): Promise<number> {
  const root = await store.pathInfos.get(syntheticPath(0).digest);
  if (root === undefined) throw new TypeError('the root was put');
  let walked = 0;
  for await (const _ of walkClosure(store.pathInfos, [root])) walked++;
  return walked;
}
