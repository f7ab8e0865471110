/**
 * Kills the program at random moments, again and again, and looks at the store after each: that it opens, that
 * everything in it leads to what is there, that nothing is lost that was told to be kept, and that in
 * the end the same commands complete.
 */
import { readFile, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { isNarthexError } from '../../src/errors.ts';
import { indexPath } from '../../src/store/layout.ts';
import { Store } from '../../src/store/store.ts';
import { checkStore } from '../store/checkStore.ts';
import { readWhole } from '../store/randomPath.ts';
import { jsonLines, type TemporaryCli, temporaryCli } from '../support/cli.ts';

import { serveStatic } from '../support/staticCache.ts';
import { type SyntheticPath, syntheticCache, TEST_KEY } from '../support/syntheticCache.ts';
import { directory as directoryOf, file } from '../support/syntheticTree.ts';

/** What is killed. */
const COMMANDS = ['mirror', 'gc', 'compress'] as const;
type CommandName = (typeof COMMANDS)[number];

/** What runs at once, round by round. */
const ROUNDS: readonly (readonly CommandName[])[] = [
  ['mirror'],
  ['gc'],
  ['mirror', 'gc'],
  ['compress'],
  ['mirror', 'compress'],
  ['compress', 'gc'],
];

/** What came of it. */
export interface KillCounts {
  /** Processes that were killed before they had ended, by the command. */
  readonly killed: Record<CommandName, number>;
  /** Those that were done before they could be killed. */
  ended: number;
  /** Stores that were begun. */
  stores: number;
  /** Paths that were told to be kept, over all stores. */
  acknowledged: number;
  /** The most pages that an index lacked at its end, which LMDB had in use and never wrote. */
  unwrittenPages: number;
}

const PATHS = 24;
/** Some are let go on to their end, as times vary: so much longer than usual at the most. */
const LONGEST = 1.3;

/** A closure of some megabytes, in which much is shared, so that there is garbage of all kinds. */
function specs(): SyntheticPath[] {
  return Array.from({ length: PATHS }, (_, i) => {
    const shared = file(`shared by some ${i % 4} `.repeat(20_000 + 1000 * (i % 5)));
    const own = file(`only in ${i} `.repeat(3000 + 500 * i));
    const references = i % 3 === 2 ? [...new Set([i - 1, Math.floor(i / 2)])] : [];
    return {
      name: `path-${i}`,
      tree: directoryOf({ shared, own, [`empty-${i}`]: file('') }),
      references: references.map((index) => `path-${index}`),
    };
  });
}

/**
 * Runs so many rounds: mirror, gc and compress, one or two of them at once, killed within the time that it has taken to complete.
 * @param random from 0 to 1
 * @throws an `Error` that says what is wrong with the store
 */
export async function killRounds(
  rounds: number,
  random: () => number = Math.random,
  onRound: (counts: KillCounts) => void = () => {},
): Promise<KillCounts> {
  const cache = await syntheticCache(specs(), { compression: 'none' });
  await using server = await serveStatic(cache.files);
  await using cli = await temporaryCli();
  const wanted = cache.paths.map(({ storePath }) => storePath);
  const keys = ['--trusted-public-keys', TEST_KEY.publicKey];
  const mirror = ['mirror', '--json', '--from', server.url, ...keys, '--jobs', '3', ...wanted];
  const args: Readonly<Record<CommandName, readonly string[]>> = {
    mirror: [...mirror, '--compress', 'later'],
    gc: ['gc', '--json'],
    compress: ['compress', '--json'],
  };
  const counts: KillCounts = {
    killed: { mirror: 0, gc: 0, compress: 0 },
    ended: 0,
    stores: 0,
    acknowledged: 0,
    unwrittenPages: 0,
  };
  const typicalMs = {
    mirror: await timeOf(cli, args.mirror),
    compress: await timeOf(cli, args.compress),
    gc: await timeOf(cli, args.gc),
  };
  let kept = new Set<string>();
  await rm(cli.storeDirectory, { recursive: true });
  for (let round = 0; round < rounds; round++) {
    const names = ROUNDS[round % ROUNDS.length] ?? [];
    const running = names.map((name) => ({ name, run: cli.start(args[name]) }));
    const most = Math.max(...running.map(({ name }) => typicalMs[name]));
    const startedAt = performance.now();
    for (const { name, run } of running) {
      void run.ended.then(({ signal }) => {
        // other things go on on this machine, more or less of them
        if (signal === null)
          typicalMs[name] = (typicalMs[name] + performance.now() - startedAt) / 2;
      });
    }
    await sleep(random() * most * LONGEST);
    for (const { run } of running) run.child.kill('SIGKILL');
    for (const { name, run } of running) {
      const { signal, exitCode, stdout, stderr } = await run.ended;
      if (signal === 'SIGKILL') counts.killed[name]++;
      else counts.ended++;
      if (signal === null) expectDone(name, exitCode, stdout + stderr);
      const keptNow = name === 'mirror' ? (signal === null ? wanted : told(stdout)) : [];
      for (const path of keptNow) kept.add(path);
    }
    await expectWhole(cli.storeDirectory, kept, counts);
    if (kept.size === PATHS) {
      await complete(cli, [args.mirror, args.compress, args.gc, args.mirror], wanted);
      counts.acknowledged += kept.size;
      counts.stores++;
      kept = new Set();
      await rm(cli.storeDirectory, { recursive: true });
    }
    onRound(counts);
  }
  await complete(cli, [args.mirror, args.gc, args.compress], wanted);
  counts.acknowledged += kept.size;
  counts.stores++;
  return counts;
}

async function timeOf(cli: TemporaryCli, args: readonly string[]): Promise<number> {
  const from = performance.now();
  const { exitCode, stderr } = await cli.run(args);
  if (exitCode !== 0) throw new Error(`${args[0]} failed: ${stderr}`);
  return performance.now() - from;
}

/** Other commands than mirror may come before there is a store. */
function expectDone(name: string, exitCode: number | null, output: string): void {
  if (exitCode === 0 || (name !== 'mirror' && output.includes('there is no store'))) return;
  throw new Error(`${name} ended with ${exitCode}: ${output}`);
}

/** The paths that a mirror said are kept. */
function told(stdout: string): string[] {
  const whole = stdout.slice(0, stdout.lastIndexOf('\n') + 1); // the last line may be cut off
  return jsonLines(whole)
    .filter(({ event }) => event === 'kept')
    .map(({ path }) => String(path));
}

async function expectWhole(
  directory: string,
  kept: ReadonlySet<string>,
  counts: KillCounts,
): Promise<void> {
  try {
    await checkStore(directory);
  } catch (error) {
    // killed before there was a store
    const isNone = isNarthexError(error, 'STORE_FAILED') && error.facts['systemCode'] === 'ENOENT';
    if (isNone && kept.size === 0) return;
    throw error;
  }
  counts.unwrittenPages = Math.max(counts.unwrittenPages, await unwrittenPages(directory));
  await using store = await Store.open(directory, { readOnly: true });
  const found = new Set<string>();
  for await (const { storePath, node } of store.pathInfos.list()) {
    found.add(storePath.absolute);
    await readWhole(store, node);
  }
  for (const path of kept) {
    if (!found.has(path)) throw new Error(`${path} was told to be kept, and is lost`);
  }
}

/** By how much the last page in use of an index lies beyond the end of its file (`indexFile.ts`). */
async function unwrittenPages(directory: string): Promise<number> {
  const index = await readFile(indexPath(directory));
  const pageBytes = index.readUInt32LE(48);
  const metas = [0, pageBytes].map((start) => ({
    last: Number(index.readBigUInt64LE(start + 144)),
    transaction: index.readBigUInt64LE(start + 152),
  }));
  const [newest] = metas.sort((a, b) => Number(b.transaction - a.transaction));
  return (newest?.last ?? 0) + 1 - index.length / pageBytes;
}

async function complete(
  cli: TemporaryCli,
  commands: readonly (readonly string[])[],
  wanted: readonly string[],
): Promise<void> {
  for (const args of [...commands, ['verify', '--deep']]) await timeOf(cli, args);
  await using store = await Store.open(cli.storeDirectory, { readOnly: true });
  const paths = await Array.fromAsync(
    store.pathInfos.list(),
    ({ storePath }) => storePath.absolute,
  );
  if (paths.sort().join() !== wanted.toSorted().join()) throw new Error('not all paths are there');
}
