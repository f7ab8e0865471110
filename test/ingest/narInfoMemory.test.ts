import { expect, test } from 'vitest';
import { NarInfoMemory } from '../../src/ingest/narInfoMemory.ts';

const MINUTE_MS = 60_000;
const REMEMBERED = 100_000;

function memory() {
  const clock = { nowMs: 1_000 };
  return { clock, narInfos: new NarInfoMemory<string>(() => clock.nowMs) };
}

test('what is set is remembered for five minutes', () => {
  const { clock, narInfos } = memory();
  narInfos.set('a', 'one');
  expect(narInfos.get('a')).toBe('one');
  expect(narInfos.get('b')).toBeUndefined();
  clock.nowMs += 5 * MINUTE_MS - 1;
  expect(narInfos.get('a')).toBe('one');
  clock.nowMs += 1;
  expect(narInfos.get('a')).toBeUndefined();
  // also for those who ask with another clock
  clock.nowMs -= MINUTE_MS;
  expect(narInfos.get('a')).toBeUndefined();
});

test('reading does not prolong it, setting anew does', () => {
  const { clock, narInfos } = memory();
  narInfos.set('read', 'one');
  narInfos.set('set', 'one');
  clock.nowMs += 4 * MINUTE_MS;
  narInfos.get('read');
  narInfos.set('set', 'two');
  clock.nowMs += 2 * MINUTE_MS;
  expect(narInfos.get('read')).toBeUndefined();
  expect(narInfos.get('set')).toBe('two');
});

test('what is deleted is forgotten', () => {
  const { narInfos } = memory();
  narInfos.set('a', 'one');
  narInfos.delete('a');
  narInfos.delete('b');
  expect(narInfos.get('a')).toBeUndefined();
});

test('the oldest is forgotten when there are too many, and only that', () => {
  const { narInfos } = memory();
  for (let i = 0; i < REMEMBERED; i++) narInfos.set(`${i}`, 'one');
  narInfos.set('0', 'two'); // as new as any
  narInfos.set('one more', 'one');
  expect(narInfos.get('1')).toBeUndefined();
  expect(narInfos.get('0')).toBe('two');
  expect(narInfos.get('2')).toBe('one');
  expect(narInfos.get('one more')).toBe('one');
});
