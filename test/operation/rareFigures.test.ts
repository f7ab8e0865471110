import { expect, test } from 'vitest';
import { RareFigures } from '../../src/operation/rareFigures.ts';

/** Figures that count how often they were gathered, each taking `takesMs` of a clock that a test sets. */
function figures(takesMs: number, failing: () => boolean = () => false) {
  const clock = { nowMs: 0 };
  const failures: unknown[] = [];
  let gathered = 0;
  const rare = new RareFigures({
    async gather() {
      clock.nowMs += takesMs;
      if (failing()) throw new Error('no');
      return ++gathered;
    },
    onFailure: (error) => failures.push(error),
    now: () => clock.nowMs,
  });
  return { rare, clock, failures };
}

test('are gathered when they are first asked for, and again half a minute later', async () => {
  const { rare, clock } = figures(0);
  expect(await rare.latest()).toBe(1);
  clock.nowMs = 29_999;
  expect(await rare.latest()).toBe(1);
  clock.nowMs = 30_000;
  // the old ones, while new ones are gathered
  expect(await rare.latest()).toBe(1);
  expect(await rare.latest()).toBe(2);
});

test('take one percent of the time at most', async () => {
  const { rare, clock } = figures(1_000);
  await rare.latest();
  clock.nowMs = 100_000;
  await rare.latest();
  expect(await rare.latest()).toBe(1);
  clock.nowMs = 101_000;
  await rare.latest();
  expect(await rare.latest()).toBe(2);
});

test('a failure is told, and tried again later; the last ones stay', async () => {
  let failing = true;
  const { rare, clock, failures } = figures(0, () => failing);
  expect(await rare.latest()).toBeUndefined();
  expect(await rare.latest()).toBeUndefined();
  expect(failures).toHaveLength(1);
  failing = false;
  clock.nowMs = 30_000;
  expect(await rare.latest()).toBe(1);
});

test('disposing waits for those that are being gathered, and no more are', async () => {
  const gate = Promise.withResolvers<number>();
  let begun = 0;
  const rare = new RareFigures({
    gather: () => {
      begun++;
      return gate.promise;
    },
    onFailure: () => {},
  });
  const first = rare.latest();
  let isDisposed = false;
  const disposed = rare[Symbol.asyncDispose]().then(() => {
    isDisposed = true;
  });
  await new Promise(setImmediate);
  expect(isDisposed).toBe(false);
  gate.resolve(7);
  await disposed;
  expect(await first).toBe(7);
  await rare.latest();
  expect(begun).toBe(1);
});
