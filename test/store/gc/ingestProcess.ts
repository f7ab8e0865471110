/**
 * A process that ingests: `ingestProcess.ts DIRECTORY ROUNDS` puts the same paths again and again, each referring to
 * the one before, reads them back whole, and lets go of them. It prints a line for each round.
 */
import type { PathInfo } from '../../../src/pathinfo/pathInfo.ts';
import { Store } from '../../../src/store/store.ts';
import { readWhole, writePath } from '../randomPath.ts';

const PATHS = 4;
/** Rounds with one open store: its lease goes on. */
const ROUNDS_OPEN = 5;

const [directory = '', rounds = '0'] = process.argv.slice(2);
for (let round = 0; round < Number(rounds); ) {
  // what was let go can be collected at once
  await using store = await Store.open(directory, { graceMs: 0 });
  for (let i = 0; i < ROUNDS_OPEN; i++, round++) {
    using _held = store.hold();
    const chain: PathInfo[] = [];
    for (let path = 0; path < PATHS; path++) {
      const pathInfo = await writePath(store, `path-${path}`, path + (round % 2), chain.slice(-1));
      chain.push(await store.pathInfos.put(pathInfo));
    }
    for (const { node, storePath, closureDigest } of chain) {
      const found = await store.pathInfos.getVariant(storePath.digest, closureDigest);
      if (found === undefined) throw new Error(`${storePath} is not there in round ${round}`);
      await readWhole(store, node);
    }
    process.stdout.write(`${round}\n`);
  }
}
