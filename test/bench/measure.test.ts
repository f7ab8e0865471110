/** Medians, ratios round by round, and measuring in turn. */
import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { BenchError } from '../../scripts/bench/benchError.ts';
import { alternate } from '../../scripts/bench/measure/alternate.ts';
import { run, runTogether } from '../../scripts/bench/measure/process.ts';
import { ratiosOf, spreadOf } from '../../scripts/bench/measure/spread.ts';

describe('spreadOf', () => {
  test.each([
    { values: [5], median: 5, min: 5, max: 5 },
    { values: [3, 10, 1], median: 3, min: 1, max: 10 },
    { values: [4, 1, 3, 2], median: 2.5, min: 1, max: 4 },
  ])('of $values', ({ values, ...ends }) => {
    expect(spreadOf(values)).toEqual({ ...ends, count: values.length });
  });

  test('of nothing is an error', () => {
    expect(() => spreadOf([])).toThrow(RangeError);
  });
});

test('ratios are of the same round, not of medians', () => {
  // the machine was half as fast in the second round: both noticed
  expect(ratiosOf([10, 20, 12], [5, 10, 6])).toEqual({ median: 2, min: 2, max: 2, count: 3 });
  expect(() => ratiosOf([1, 2], [1])).toThrow(RangeError);
});

test('contenders take turns', async () => {
  const order: string[] = [];
  const contender = (name: string) => ({
    name,
    async run(round: number) {
      order.push(`${name}${round}`);
      return round;
    },
  });
  const results = await alternate([contender('a'), contender('b')], 3);
  expect(order).toEqual(['a0', 'b0', 'a1', 'b1', 'a2', 'b2']);
  expect([...results]).toEqual([
    ['a', [0, 1, 2]],
    ['b', [0, 1, 2]],
  ]);
});

describe.skipIf(!existsSync('/usr/bin/time'))('run, with GNU time', () => {
  const node = (script: string) => ({ program: process.execPath, args: ['-e', script] });
  const BUSY_MS = 150;
  const busy = `const end = performance.now() + ${BUSY_MS}; while (performance.now() < end);`;

  test('tells output, time and memory', async () => {
    const result = await run(node(`${busy} console.log('done')`), { watchMemory: true });
    expect(result.stdout).toBe('done\n');
    expect(result.wallSeconds).toBeGreaterThanOrEqual(BUSY_MS / 1000);
    expect(result.cpuSeconds).toBeGreaterThan(0);
    expect(result.peakRssBytes).toBeGreaterThan(10e6); // no Node has less
    expect(result.peakAnonymousBytes).toBeGreaterThan(0);
    expect(result.peakAnonymousBytes).toBeLessThan(result.peakRssBytes);
  });

  test('counts the CPU time of all that ran together', async () => {
    const one = await run(node(busy));
    const two = await runTogether([node(busy), node(busy)]);
    expect(two.cpuSeconds).toBeGreaterThan(0);
    expect(two.wallSeconds).toBeGreaterThanOrEqual(BUSY_MS / 1000);
    expect(one.stdout + two.stdout).toBe('');
  });

  test('says what failed, with the end of its errors', async () => {
    const failing = run(node(`console.error('no such cache'); process.exit(3)`));
    await expect(failing).rejects.toThrow(BenchError);
    await expect(failing).rejects.toThrow(/exit 3\n.*no such cache/s);
  });
});
