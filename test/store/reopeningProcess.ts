/**
 * A process that opens one store again and again while it writes to it: `reopeningProcess.ts DIRECTORY TIMES`. Prints
 * how often it has.
 */
import { Store } from '../../src/store/store.ts';
import { writePath } from './randomPath.ts';

const [directory = '', times = ''] = process.argv.slice(2);
await using first = await Store.open(directory);
let opened = 0;
let written = 0;
const writing = Promise.all(
  [0, 1, 2].map(async () => {
    while (opened < Number(times)) {
      const seed = written++;
      await first.pathInfos.put(await writePath(first, `path-${seed}`, seed));
    }
  }),
);
while (opened < Number(times)) {
  await using second = await Store.open(directory);
  await second.pathInfos.put(await writePath(second, `reopened-${opened}`, opened));
  opened++;
}
await writing;
process.stdout.write(`${opened}\n`);
