/** Numbers for people. */
import { expect, test } from 'vitest';
import { counted, formatBytes, formatDuration } from '../../src/cli/format.ts';

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [999.5, '1.0 kB'],
  [1000, '1.0 kB'],
  [9_949, '9.9 kB'],
  [9_951, '10 kB'],
  [999_499, '999 kB'],
  [999_500, '1.0 MB'],
  [650_000_000, '650 MB'],
  [1_234_567_890, '1.2 GB'],
  [12e15, '12000 TB'],
])('%d bytes: %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

test.each([
  [0, '0.0 s'],
  [0.42, '0.4 s'],
  [9.94, '9.9 s'],
  [9.96, '10 s'],
  [59.4, '59 s'],
  [59.6, '1:00'],
  [75, '1:15'],
  [3599.6, '1:00:00'],
  [4000, '1:06:40'],
])('%d seconds: %s', (seconds, text) => {
  expect(formatDuration(seconds)).toBe(text);
});

test('one path, two paths', () => {
  expect([0, 1, 2].map((count) => counted(count, 'path'))).toEqual([
    '0 paths',
    '1 path',
    '2 paths',
  ]);
});
