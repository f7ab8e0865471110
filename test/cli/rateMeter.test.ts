/** How fast something goes right now. */
import { expect, test } from 'vitest';
import { RateMeter } from '../../src/cli/rateMeter.ts';

function meter() {
  let now = 1000;
  const rate = new RateMeter(() => now);
  return {
    rate,
    /** For so long, `perSecond` of it comes in pieces of 10 ms. */
    flow(seconds: number, perSecond: number) {
      for (let i = 0; i < 100 * seconds; i++) {
        now += 10;
        rate.add(perSecond / 100);
      }
    },
    wait(seconds: number) {
      now += 1000 * seconds;
    },
  };
}

test('nothing at first', () => {
  const { rate } = meter();
  expect(rate.perSecond).toBe(0);
  rate.add(1000);
  expect(rate.perSecond).toBe(0); // in no time at all
});

test('is that of the last seconds', () => {
  const { rate, flow } = meter();
  flow(60, 100);
  expect(rate.perSecond).toBeCloseTo(100, -1);
  flow(6, 900);
  expect(rate.perSecond).toBeGreaterThan(850);
});

test('falls while nothing comes', () => {
  const { rate, flow, wait } = meter();
  flow(10, 1000);
  wait(2.5);
  expect(rate.perSecond).toBeGreaterThan(400);
  expect(rate.perSecond).toBeLessThan(800);
  wait(60);
  expect(rate.perSecond).toBeLessThan(10);
});

test('one large piece after a long time', () => {
  const { rate, wait } = meter();
  wait(10);
  rate.add(1000);
  wait(1);
  expect(rate.perSecond).toBeGreaterThan(0);
  expect(rate.perSecond).toBeLessThan(1001);
});
