import { describe, expect, test } from 'vitest';
import { ClosureQueue } from '../../src/pullThrough/closureQueue.ts';
import { RecentFailures } from '../../src/pullThrough/recentFailures.ts';
import { Slots } from '../../src/pullThrough/slots.ts';
import { thrownBy } from '../support/errors.ts';

describe('a line of closures', () => {
  /** A queue, and work that goes on until it is told to end. */
  function scene(maxRunning: number, maxWaiting: number) {
    const queue = new ClosureQueue({ maxRunning, maxWaiting });
    const begun: string[] = [];
    const ends = new Map<string, () => void>();
    const add = (name: string) =>
      queue.add(name, async () => {
        begun.push(name);
        await new Promise<void>((resolve) => ends.set(name, resolve));
      });
    return { queue, begun, add, end: (name: string) => ends.get(name)?.() };
  }

  test('runs so many at once, in the order in which they came', async () => {
    const { queue, begun, add, end } = scene(2, 10);
    for (const name of ['a', 'b', 'c', 'd']) add(name);
    expect(begun).toEqual(['a', 'b']);
    expect([queue.drop('a'), queue.drop('c')]).toEqual([false, true]);
    end('b');
    await expect.poll(() => begun).toEqual(['a', 'b', 'd']);
    end('a');
    end('d');
    await queue.close();
  });

  test('refuses what has no room to wait', () => {
    const { begun, add } = scene(1, 1);
    add('a');
    add('b');
    expect(thrownBy(() => add('c'))).toMatchObject({
      code: 'LIMIT_EXCEEDED',
      facts: { limit: 'waitingClosures', expected: 1 },
    });
    expect(begun).toEqual(['a']);
  });

  test('closing waits for what runs and drops the rest', async () => {
    const { queue, begun, add, end } = scene(1, 1);
    add('a');
    add('b');
    const closed = queue.close();
    end('a');
    await closed;
    add('c');
    expect(begun).toEqual(['a']);
  });
});

describe('slots', () => {
  test('are given in turn; who leaves the line gets none', async () => {
    const slots = new Slots(1);
    await slots.take(undefined);
    const leaving = new AbortController();
    const left = slots.take(leaving.signal);
    const order: string[] = [];
    const first = slots.take(undefined).then(() => order.push('first'));
    const second = slots.take(undefined).then(() => order.push('second'));
    leaving.abort(new Error('left'));
    await expect(left).rejects.toThrow('left');
    slots.giveBack();
    await first;
    expect(order).toEqual(['first']);
    slots.giveBack();
    await second;
  });

  test('one that is given in the moment of leaving is passed on', async () => {
    const slots = new Slots(1);
    await slots.take(undefined);
    const leaving = new AbortController();
    const left = slots.take(leaving.signal);
    leaving.abort(new Error('left'));
    slots.giveBack();
    await expect(left).rejects.toThrow('left');
    await slots.take(undefined);
  });
});

test('failures are forgotten in time, and with 0 at once', () => {
  let now = 0;
  const failures = new RecentFailures(10, () => now);
  failures.add('a', new Error('failed'));
  now = 9;
  expect(() => failures.check('a')).toThrow('failed');
  expect(() => failures.check('b')).not.toThrow();
  now = 10;
  expect(() => failures.check('a')).not.toThrow();
  const none = new RecentFailures(0, () => now);
  none.add('a', new Error('failed'));
  expect(() => none.check('a')).not.toThrow();
});
