/** Works through a queue that grows while it is worked through. */
import type { Queue } from './queue.ts';

/**
 * Takes items from the front, `limit` at once, until the queue is empty and no work is under way.
 * @throws what the first failing work threw, after what was under way has ended
 */
export async function drain<T>(
  queue: Queue<T>,
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const finished = Promise.withResolvers<void>();
  let failure: { readonly error: unknown } | undefined;
  let active = 0;
  const pump = () => {
    while (failure === undefined && active < limit) {
      const item = queue.shift();
      if (item === undefined) break;
      active++;
      work(item)
        .catch((error) => {
          failure ??= { error };
        })
        .then(() => {
          active--;
          pump();
        });
    }
    if (active > 0) return;
    if (failure === undefined) finished.resolve();
    else finished.reject(failure.error);
  };
  pump();
  await finished.promise;
}
