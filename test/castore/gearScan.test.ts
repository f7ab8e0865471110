import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { assembleGearScan } from '../../scripts/assemble-gear-scan.ts';
import { GearHash } from '../../src/castore/gearScan.ts';
import { noise } from '../contracts/sampleBytes.ts';
import { GEAR } from './gearReference.ts';

/** The same, byte by byte. */
function reference(bytes: Uint8Array, mask: number): number {
  let hash = 0;
  for (const [i, byte] of bytes.entries()) {
    hash = ((hash << 1) + (GEAR[byte] ?? 0)) | 0;
    if ((hash & mask) === 0) return i + 1;
  }
  return 0;
}

const BYTES = noise(300_000, 7);
/** From one hit in 2 bytes to none. */
const masks = fc.integer({ min: 0, max: 31 }).map((bits) => -(2 ** bits) | 0);

test('the binary is what the text is assembled to', async () => {
  const binary = new URL('../../src/castore/gearScanBinary.ts', import.meta.url);
  expect(readFileSync(binary, 'utf8')).toBe(await assembleGearScan());
});

test('finds what a plain loop finds, wherever it lies and however it comes', () => {
  const places = fc.integer({ min: 0, max: BYTES.length });
  fc.assert(
    fc.property(
      fc.tuple(places, places),
      fc.array(fc.oneof(fc.integer({ min: 1, max: 9 }), places), { maxLength: 8 }),
      masks,
      ([one, other], pieces, mask) => {
        const [start, end] = [Math.min(one, other), Math.max(one, other)];
        const hash = new GearHash();
        let found = 0;
        let at = start;
        for (const length of [...pieces, end]) {
          const to = Math.min(at + length, end);
          found ||= hash.scan(BYTES, at, to, mask);
          at = to;
        }
        const expected = reference(BYTES.subarray(start, end), mask);
        expect(found).toBe(expected && start + expected);
      },
    ),
    { numRuns: 300 },
  );
});

test('two hashes do not mix', () => {
  const mask = 0xffff0000 | 0;
  const expected = reference(BYTES, mask);
  const [one, other] = [new GearHash(), new GearHash()];
  expect(one.scan(BYTES, 0, expected - 20, mask)).toBe(0);
  other.scan(BYTES, 1000, 1999, mask);
  expect(one.scan(BYTES, expected - 20, BYTES.length, mask)).toBe(expected);
});
