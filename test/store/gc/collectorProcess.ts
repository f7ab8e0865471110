/**
 * A process that collects: `collectorProcess.ts DIRECTORY [COUNT]` gives up all current paths that nobody relies
 * on, again and again until it is killed or has done so COUNT times, and prints a line of JSON for each.
 */
import { Store } from '../../../src/store/store.ts';

/** Later than any use. */
const LATER_MS = 24 * 60 * 60_000;

const [directory = '', count = 'Infinity'] = process.argv.slice(2);
for (let i = 0; i < Number(count); i++) {
  await using store = await Store.open(directory);
  const report = await store.collectGarbage({ olderThanMs: 0, now: Date.now() + LATER_MS });
  const { directories, chunks, rewrittenPacks, removedPacks, damagedPacks } = report;
  const facts = { directories, chunks, rewrittenPacks, removedPacks, damagedPacks };
  process.stdout.write(`${JSON.stringify(facts)}\n`);
}
