/** A process that collects, and kills itself after so many steps: `killedCollectionProcess.ts DIRECTORY STEPS`. */
import { promises } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const [directory = '', steps = ''] = process.argv.slice(2);
let left = Number(steps);

function step(): void {
  if (left-- === 0) process.kill(process.pid, 'SIGKILL');
}

const { rm } = promises;
promises.rm = async (...args) => {
  await rm(...args);
  step();
};
syncBuiltinESMExports();
const file = await promises.open('/dev/null');
const prototype: typeof file = Object.getPrototypeOf(file);
await file.close();
const { datasync } = prototype;
prototype.datasync = async function (this: typeof file) {
  await datasync.call(this);
  step();
};

// after that, so that it imports what was changed
const { StoreIndex } = await import('../../../src/store/storeIndex.ts');
const { Store } = await import('../../../src/store/store.ts');
const { transaction } = StoreIndex.prototype;
StoreIndex.prototype.transaction = async function <T>(action: () => T): Promise<T> {
  const result: T = await transaction.call<typeof this, [() => T], Promise<T>>(this, action);
  step();
  return result;
};
await using store = await Store.open(directory);
await store.collectGarbage();
