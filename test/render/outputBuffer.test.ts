import { expect, test } from 'vitest';
import { OutputBuffer } from '../../src/render/outputBuffer.ts';

const SIZES = [1, 70_000, 30_000, 60_000, 60_000, 5, 65_536, 65_535, 65_535, 65_535, 200_000, 3];

const pieces = SIZES.map((size, i) => new Uint8Array(size).fill(i + 1));
const total = SIZES.reduce((sum, size) => sum + size, 0);

test.each([
  ['kept', false],
  ['lent', true],
])('pieces that are %s come in order', (_, lent) => {
  const output = new OutputBuffer(total, lent);
  const given: Uint8Array[] = [];
  // lent ones are looked at one by one, before the next is asked for
  const take = (due: readonly Uint8Array[]) => {
    for (const piece of due) given.push(lent ? Buffer.from(piece) : piece);
  };
  for (const piece of pieces) take(output.add(piece));
  take(output.flush());
  expect(Buffer.concat(given).equals(Buffer.concat(pieces))).toBe(true);
  expect(given.length).toBeLessThan(SIZES.length);
});

test('memory that is lent is used again, the last one excepted', () => {
  const output = new OutputBuffer(10_000_000, true);
  const memory: unknown[] = [];
  for (let i = 0; i < 40; i++) {
    for (const piece of output.add(new Uint8Array(60_000))) memory.push(piece.buffer);
  }
  expect(memory.length).toBeGreaterThan(10);
  expect(new Set(memory).size).toBe(2);
  for (const [i, one] of memory.entries()) expect(one).not.toBe(memory[i + 1]);
});
