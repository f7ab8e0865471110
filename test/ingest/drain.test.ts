import { expect, test } from 'vitest';
import { drain } from '../../src/ingest/drain.ts';
import { Queue } from '../../src/ingest/queue.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('an empty queue is done at once', async () => {
  await drain(new Queue<number>(), 3, async () => {
    throw new Error('nobody is there');
  });
});

test('items are taken in order, also those that come while it works', async () => {
  const queue = Queue.of([1, 2, 3]);
  const taken: number[] = [];
  await drain(queue, 2, async (item) => {
    taken.push(item);
    await turn();
    if (item < 3) queue.push(item * 10);
  });
  expect(taken).toEqual([1, 2, 3, 10, 20]);
});

test('it is not done before the last work is, which may add to the queue', async () => {
  const queue = Queue.of([1]);
  const taken: number[] = [];
  await drain(queue, 8, async (item) => {
    for (let i = 0; i < 5; i++) await turn();
    taken.push(item);
    if (item < 4) queue.push(item + 1);
  });
  expect(taken).toEqual([1, 2, 3, 4]);
});

test.each([1, 2, 5])(
  'no more than %i at once, and so many where there is enough',
  async (limit) => {
    let active = 0;
    let most = 0;
    await drain(Queue.of(Array.from({ length: 20 }, (_, i) => i)), limit, async (item) => {
      most = Math.max(most, ++active);
      for (let i = 0; i <= item % 3; i++) await turn();
      active--;
    });
    expect(most).toBe(limit);
    expect(active).toBe(0);
  },
);

test('a failure stops it: nothing more is taken, what is under way ends first, the first one counts', async () => {
  const log: string[] = [];
  const draining = drain(Queue.of(['slow', 'fails', 'fails later', 'never']), 3, async (item) => {
    log.push(item);
    if (item === 'fails') throw new Error('first');
    await turn();
    if (item === 'fails later') throw new Error('second');
    await turn();
    log.push(`${item} ended`);
  });
  await expect(draining).rejects.toThrow('first');
  expect(log).toEqual(['slow', 'fails', 'fails later', 'slow ended']);
});

test('100,000 items, whether they take time or not', async () => {
  const count = 100_000;
  const queue = Queue.of([0]);
  let done = 0;
  await drain(queue, 1, async (item) => {
    done++;
    if (item + 1 < count) queue.push(item + 1);
  });
  expect(done).toBe(count);
});
