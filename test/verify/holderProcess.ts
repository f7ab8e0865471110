/**
 * A process that begins to repair or to collect, says so, and goes on until its standard input ends:
 * `holderProcess.ts repair|collection DIRECTORY`.
 */
import { CollectionTurn } from '../../src/store/gc/barrier.ts';
import { indexPath } from '../../src/store/layout.ts';
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
} else {
  const options = { readOnly: false, create: false };
  await using index = await StoreIndex.open(indexPath(directory), options);
  await using _turn = await CollectionTurn.begin(index, undefined);
  await untilToldToEnd();
}
