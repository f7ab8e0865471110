/**
 * A process that mirrors: `writerProcess.ts DIRECTORY NAME COUNT SEED` puts COUNT paths, each
 * referring to the one before, and prints a line for each that was acknowledged.
 */
import type { PathInfo } from '../../src/pathinfo/pathInfo.ts';
import { Store } from '../../src/store/store.ts';
import { writePath } from './randomPath.ts';

const [directory = '', name = '', count = '0', seed = '0'] = process.argv.slice(2);
await using store = await Store.open(directory);
let previous: PathInfo[] = [];
for (let i = 0; i < Number(count); i++) {
  const pathInfo = await writePath(store, `${name}-${i}`, Number(seed) + i, previous);
  await store.pathInfos.put(pathInfo);
  process.stdout.write(`${pathInfo.storePath.name}\n`);
  previous = [pathInfo];
}
