import { expect, test } from 'vitest';
import {
  LEAST_SPAN_BYTES,
  MOST_SPAN_BYTES,
  READ_AHEAD_BYTES,
  ReadAhead,
} from '../../src/store/readAhead.ts';

test('one reader gets the most', () => {
  const readAhead = new ReadAhead();
  expect(readAhead.spanBytes).toBe(MOST_SPAN_BYTES);
  expect(readAhead.spansAhead).toBeGreaterThan(1);
});

test('many readers that hold what they have stay within the budget, and what is least for each', () => {
  const readAhead = new ReadAhead();
  const READERS = 1000;
  let held = 0;
  using holding = new DisposableStack();
  for (let i = 0; i < READERS; i++) {
    for (let ahead = readAhead.spansAhead; ahead >= 0; ahead--) {
      const bytes = readAhead.spanBytes;
      held += bytes;
      holding.use(readAhead.hold(bytes));
    }
  }
  expect(held).toBeLessThanOrEqual(READ_AHEAD_BYTES + READERS * 2 * LEAST_SPAN_BYTES);
  expect(readAhead.spanBytes).toBe(LEAST_SPAN_BYTES);
  expect(readAhead.spansAhead).toBe(1);
});

test('what is given back is there for others, once', () => {
  const readAhead = new ReadAhead();
  const held = readAhead.hold(READ_AHEAD_BYTES);
  expect(readAhead.spanBytes).toBe(LEAST_SPAN_BYTES);
  held[Symbol.dispose]();
  held[Symbol.dispose]();
  expect(readAhead.spanBytes).toBe(MOST_SPAN_BYTES);
  using _all = readAhead.hold(READ_AHEAD_BYTES);
  expect(readAhead.spanBytes).toBe(LEAST_SPAN_BYTES);
});
