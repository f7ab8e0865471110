/** A store that lives as long as a test. */
import { Store, type StoreOptions } from '../../src/store/store.ts';
import { temporaryDirectory } from '../support/temporaryDirectory.ts';

/** A store in a directory of its own. */
export interface TemporaryStore extends AsyncDisposable {
  readonly store: Store;
}

/** Opens a new store; disposing closes and removes it. */
export async function temporaryStore(options: StoreOptions = {}): Promise<TemporaryStore> {
  const directory = await temporaryDirectory('store');
  const store = await Store.open(directory.path, options);
  return {
    store,
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}
