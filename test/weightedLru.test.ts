import { expect, test } from 'vitest';
import { WeightedLru } from '../src/weightedLru.ts';

const lruOf = (maxWeight: number) => new WeightedLru<number>(maxWeight, (value) => value);

test('what was not used for longest goes first', () => {
  const lru = lruOf(6);
  lru.set('a', 1);
  lru.set('b', 2);
  lru.set('c', 3);
  expect(lru.get('a')).toBe(1);
  lru.set('d', 4);
  expect(['a', 'b', 'c', 'd'].map((key) => lru.get(key))).toEqual([1, undefined, undefined, 4]);
});

test('a value in place of another weighs once', () => {
  const lru = lruOf(6);
  lru.set('a', 6);
  lru.set('a', 2);
  lru.set('b', 4);
  expect([lru.get('a'), lru.get('b')]).toEqual([2, 4]);
});

test('what is too heavy alone is not kept, and drives all out', () => {
  const lru = lruOf(6);
  lru.set('a', 1);
  lru.set('b', 7);
  expect([lru.get('a'), lru.get('b')]).toEqual([undefined, undefined]);
  lru.set('c', 6);
  expect(lru.get('c')).toBe(6);
});

test('what is deleted makes room', () => {
  const lru = lruOf(6);
  lru.set('a', 3);
  lru.set('b', 3);
  lru.delete('a');
  lru.delete('a');
  lru.set('c', 3);
  expect([lru.get('a'), lru.get('b'), lru.get('c')]).toEqual([undefined, 3, 3]);
});
