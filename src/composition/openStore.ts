/** Opens the embedded store. */
import { Store, type StoreOptions } from '../store/store.ts';

/**
 * Opens the store in `directory`; one that is not there is made, unless it is only to be read.
 * @throws STORE_VERSION | STORE_INVALID | STORE_FAILED
 */
export async function openStore(directory: string, options: StoreOptions = {}): Promise<Store> {
  return await Store.open(directory, options);
}

export type { Store, StoreOptions };
