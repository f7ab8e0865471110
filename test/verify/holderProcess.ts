/**
 * A process that begins to repair, to collect or to compress, says so, and goes on until its standard input ends:
 * `holderProcess.ts repair|collection|compression DIRECTORY`.
 */
import { CollectionTurn } from '../../src/store/gc/barrier.ts';
import { indexPath } from '../../src/store/layout.ts';
import { type EncoderOfLevel, zstdEncoder } from '../../src/store/recordEncoding.ts';
import { Store } from '../../src/store/store.ts';
import { StoreIndex } from '../../src/store/storeIndex.ts';

const [what = '', directory = ''] = process.argv.slice(2);

async function untilToldToEnd(): Promise<void> {
  process.stdout.write('begun\n');
  for await (const _ of process.stdin);
}

if (what === 'repair') {
  await using store = await Store.open(directory);
  await using _repair = await store.repair();
  await untilToldToEnd();
} else if (what === 'compression') {
  await using store = await Store.open(directory);
  let told: Promise<void> | undefined;
  const encoderOf: EncoderOfLevel = (level) => async (raw) => {
    const encoded = zstdEncoder(level)(raw);
    told ??= untilToldToEnd();
    await told;
    return await encoded;
  };
  await store.compress({ encoderOf });
} else {
  const options = { readOnly: false, create: false };
  await using index = await StoreIndex.open(indexPath(directory), options);
  await using _turn = await CollectionTurn.begin(index, undefined);
  await untilToldToEnd();
}
