/**
 * Collects garbage, one time after the other, while clients fetch NARs from a server over the same store and while
 * another process mirrors paths that are given up again as soon as it has ended. What is served is pinned, and
 * shares content and packs with what comes and goes: its packs are rewritten under the server's feet.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Store } from '../../src/store/store.ts';
import { StorePath } from '../../src/storePath.ts';
import { noise, prose } from '../../test/contracts/sampleBytes.ts';
import { type CliResult, type TemporaryCli, temporaryCli } from '../../test/support/cli.ts';
import { narinfoField } from '../../test/support/narinfoText.ts';
import { serveStatic } from '../../test/support/staticCache.ts';
import { type SyntheticPath, syntheticCache, TEST_KEY } from '../../test/support/syntheticCache.ts';
import { directory, file } from '../../test/support/syntheticTree.ts';

/** How much of it. */
export interface LoadOptions {
  readonly clients: number;
  /** For so long; and until each loop has come round at least twice. */
  readonly seconds: number;
}

/** What came of it. */
export interface LoadCounts {
  /** NARs that came as they should. */
  nars: number;
  narBytes: number;
  mirrors: number;
  /** Paths that these brought in. */
  mirroredPaths: number;
  collections: number;
  /** What these removed. */
  removedVariants: number;
  removedChunks: number;
  rewrittenPacks: number;
  removedPacks: number;
  /** What went wrong. */
  readonly errors: string[];
}

const PINNED = 16;
const CHURNED = 24;
/** Errors that are told; one that happens all the time happens for each client. */
const MOST_ERRORS = 20;

/** Paths of some hundred KB. Each shares a file with others, of the pinned ones and of those that come and go. */
function specs(): SyntheticPath[] {
  const specOf = (name: string, i: number): SyntheticPath => ({
    name,
    tree: directory({
      shared: file(noise(150_000, 100 + (i % 5))),
      own: file(noise(60_000 + 1000 * i, name.length + i)),
      text: file(prose(30_000, 7 + i)),
    }),
    references: i % 4 === 3 ? [name.replace(/\d+$/, String(i - 1)), name] : [],
  });
  return [
    ...Array.from({ length: PINNED }, (_, i) => specOf(`pinned-${i}`, i)),
    ...Array.from({ length: CHURNED }, (_, i) => specOf(`churned-${i}`, i)),
  ];
}

/** @throws an `Error` when it cannot begin, or what is left is not whole */
export async function gcUnderLoad({ clients, seconds }: LoadOptions): Promise<LoadCounts> {
  const cache = await syntheticCache(specs(), { compression: 'none' });
  await using upstream = await serveStatic(cache.files);
  await using cli = await temporaryCli();
  const counts: LoadCounts = {
    ...{ nars: 0, narBytes: 0, mirrors: 0, mirroredPaths: 0, collections: 0, removedVariants: 0 },
    ...{ removedChunks: 0, rewrittenPacks: 0, removedPacks: 0, errors: [] },
  };
  const fail = (message: string) => {
    if (counts.errors.length < MOST_ERRORS) counts.errors.push(message);
  };
  const pinned = cache.paths.filter(({ name }) => name.startsWith('pinned'));
  const churned = cache.paths.filter(({ name }) => name.startsWith('churned'));
  const keys = ['--trusted-public-keys', TEST_KEY.publicKey];
  const mirror = ['mirror', '--json', '--from', upstream.url, ...keys];
  // what is pinned comes in together with what goes, so that they lie in the same packs
  const all = cache.paths.map(({ storePath }) => storePath);
  expectDone('mirror', await cli.run([...mirror, ...all]));
  await pinAll(cli.storeDirectory, pinned);
  await using server = cli.start(['serve', '--json', '--listen', '127.0.0.1:0']);
  const { url } = JSON.parse(await server.line(/"url"/));

  const endsAt = performance.now() + seconds * 1000;
  const isOver = () =>
    counts.errors.length > 0 ||
    (performance.now() > endsAt && counts.collections > 1 && counts.mirrors > 1);
  const fetching = Array.from({ length: clients }, async (_, client) => {
    for (let round = client; !isOver(); round += 7) {
      const path = pinned[round % pinned.length];
      if (path === undefined) return;
      try {
        const narinfo = await textOf(`${url}/${path.hashPart}.narinfo`);
        const response = await fetch(`${url}/${narinfoField(narinfo, 'URL')}`);
        const nar = Buffer.from(await response.arrayBuffer());
        if (response.status !== 200 || !nar.equals(path.nar)) {
          fail(`${path.name}: ${response.status}, ${nar.length} bytes of ${path.nar.length}`);
        }
        counts.nars++;
        counts.narBytes += nar.length;
      } catch (error) {
        fail(`${path.name}: ${error}`);
      }
    }
  });
  const mirroring = (async () => {
    for (let round = 0; !isOver(); round++) {
      const some = churned.filter((_, i) => (i + round) % 3 !== 0);
      const paths = some.map(({ storePath }) => storePath);
      const result = await cli.run([...mirror, '--jobs', '2', ...paths]);
      if (result.exitCode !== 0) fail(`mirror ended with ${result.exitCode}: ${textsOf(result)}`);
      counts.mirrors++;
      counts.mirroredPaths += paths.length;
    }
  })();
  const collecting = (async () => {
    while (!isOver()) {
      const result = await cli.run(['gc', '--json', '--older-than', '0s']);
      if (result.exitCode !== 0) {
        fail(`gc ended with ${result.exitCode}: ${textsOf(result)}`);
        return;
      }
      const report = JSON.parse(result.stdout);
      counts.collections++;
      counts.removedVariants += report.removedVariants.length;
      counts.removedChunks += report.chunks;
      counts.rewrittenPacks += report.rewrittenPacks;
      counts.removedPacks += report.removedPacks;
      await sleep(0);
    }
  })();
  await Promise.all([...fetching, mirroring, collecting]);
  server.child.kill('SIGTERM');
  const { exitCode, stderr } = await server.ended;
  if (exitCode !== 0) fail(`serve ended with ${exitCode}`);
  const complaint = stderr.split('\n').find((line) => /error/i.test(line));
  if (complaint !== undefined) fail(`serve said: ${complaint}`);
  await expectPinned(cli);
  return counts;
}

async function pinAll(
  directory: string,
  paths: readonly { readonly name: string; readonly storePath: string }[],
): Promise<void> {
  await using store = await Store.open(directory);
  for (const { name, storePath } of paths) {
    const pathInfo = await store.pathInfos.get(StorePath.parse(storePath).digest);
    if (pathInfo === undefined) throw new Error(`${storePath} was not mirrored`);
    const { digest } = pathInfo.storePath;
    await store.pins.put(name, { digest, closureDigest: pathInfo.closureDigest }, Date.now());
  }
}

/** What is left is whole, and it is what is pinned. */
async function expectPinned(cli: TemporaryCli): Promise<void> {
  expectDone('gc', await cli.run(['gc', '--older-than', '0s']));
  expectDone('verify', await cli.run(['verify', '--deep']));
  const stats = await cli.run(['stats', '--json']);
  const { paths } = JSON.parse(stats.stdout);
  if (paths !== PINNED) throw new Error(`${paths} paths are left, and ${PINNED} are pinned`);
}

function expectDone(name: string, result: CliResult): void {
  if (result.exitCode === 0) return;
  throw new Error(`${name} ended with ${result.exitCode}: ${textsOf(result)}`);
}

function textsOf({ stdout, stderr }: CliResult): string {
  return (stderr + stdout).slice(0, 500);
}

async function textOf(url: string): Promise<string> {
  const response = await fetch(url);
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${url}: ${response.status}`);
  return text;
}
