/** Many slow things, a few at a time. */

/** Runs of a program at once: it has little to wait for but the processor. */
const AT_ONCE = 3;

/** What `action` gives for each item, in order; no more than {@link AT_ONCE} run at a time. */
export async function eachOf<Item, Result>(
  items: readonly Item[],
  action: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results = new Map<number, Result>();
  const pending = items.entries(); // shared: each worker takes the next one
  const worker = async () => {
    for (const [index, item] of pending) results.set(index, await action(item));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  // every index was set, or a worker has thrown
  return items.map((_, index) => results.get(index) as Result);
}
