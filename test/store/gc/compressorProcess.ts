/**
 * A process that compresses: `compressorProcess.ts DIRECTORY` compresses harder each time, until it is killed, and prints
 * how many packs it was.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { MAX_COMPRESSION_LEVEL } from '../../../src/store/recordEncoding.ts';
import { Store } from '../../../src/store/store.ts';

const PAUSE_MS = 20;

const [directory = ''] = process.argv.slice(2);
for (let level = 3; ; level = Math.min(level + 1, MAX_COMPRESSION_LEVEL)) {
  await using store = await Store.open(directory);
  const { compressedPacks, damagedPacks } = await store.compress({ level });
  if (damagedPacks.length > 0) throw damagedPacks[0];
  process.stdout.write(`${compressedPacks}\n`);
  await sleep(PAUSE_MS);
}
