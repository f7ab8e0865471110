/** A store that is open for one thing. */
import { Store, type StoreOptions } from '../../src/store/store.ts';

/** Opens, does something, and closes. */
export async function withStore<T>(
  directory: string,
  action: (store: Store) => Promise<T>,
  options?: StoreOptions,
): Promise<T> {
  await using store = await Store.open(directory, options);
  return await action(store);
}
