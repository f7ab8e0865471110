import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeNixbase32, encodeNixbase32 } from '../src/nixbase32.ts';
import { thrownBy } from './support/errors.ts';
import { nixbase32 } from './support/nixbase32.ts';

/** Printed by `nix-hash --flat --type … [--base32]` (Nix 2.8) for the file "flat\n". */
const OF_REAL_NIX = [
  ['c9a5aa53b1891aa96b1bb76c7d4619b3', '5k3537sv5p3dmsj6l9n59sm9f9'],
  ['d207e330d76bb6b3391473e92393b4f2c772e9bd', 'pplp5izjnj9j7sbk2hwv7dkbswqf61yj'],
  [
    '6bc66a827fe86925af680be5e00da2b7a7f22947c8c0209b22563890258462f6',
    '1xk2hhjr0f2n4adj1h688wlz59xpl86y1r8bd2pjasg8gy16mikb',
  ],
  [
    '932c12551b9e09391d9fe8d8a7596886cf97a17b1d2ce6e7b48685851da52ace4812ea28662e3efe041af44cb03f5409bdf0a18c40f8ea5d023da5da1174b6f3',
    '3rvcx0ivajks0jxxbw41351y2yhjm1zn16g86h4zqz2wri8x894ikiallfqb1c6nkkycb0xgfhrgkw6d1csgn78kwfkj2cy3dai4b4k',
  ],
] as const;

const hex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'));

describe('encodeNixbase32', () => {
  it.each(OF_REAL_NIX)('writes %s as Nix does', (bytes, text) => {
    expect(encodeNixbase32(hex(bytes))).toBe(text);
  });

  it.each([
    ['', ''],
    ['00', '00'],
    ['1f', '0z'],
    ['20', '10'],
    ['ff', '7z'],
  ])('writes %s as %s', (bytes, text) => {
    expect(encodeNixbase32(hex(bytes))).toBe(text);
  });

  it('agrees with an implementation over big integers', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        expect(encodeNixbase32(bytes)).toBe(nixbase32(bytes));
      }),
    );
  });
});

describe('decodeNixbase32', () => {
  it.each(OF_REAL_NIX)('reads %s', (bytes, text) => {
    expect(decodeNixbase32(text)).toEqual(hex(bytes));
  });

  it('reads what encodeNixbase32 writes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        expect(decodeNixbase32(encodeNixbase32(bytes))).toEqual(bytes);
      }),
    );
  });

  it('accepts one spelling only', () => {
    const character = fc.constantFrom(...'0123456789abcdfghijklmnpqrsvwxyz');
    fc.assert(
      fc.property(fc.string({ unit: character, maxLength: 20 }), (text) => {
        let bytes: Uint8Array;
        try {
          bytes = decodeNixbase32(text);
        } catch {
          return; // refused
        }
        expect(encodeNixbase32(bytes)).toBe(text);
      }),
    );
  });

  it.each([
    ['e', '0e', { index: 1 }],
    ['o', 'o0', { index: 0 }],
    ['u', '000u0', { index: 3 }],
    ['t', '0t', { index: 1 }],
    ['a capital', '0A', { index: 1 }],
    ['a character beyond ASCII', '0é', { index: 1 }],
    ['spare bits that are not zero', 'zz', { index: 0, expected: '7z' }],
    ['one spare bit that is not zero', '80', { index: 0, expected: '00' }],
    ['a length of 1', '0', { length: 1 }],
    ['a length of 3', '000', { length: 3 }],
    ['a length of 6', '000000', { length: 6 }],
    ['a length of 51', '0'.repeat(51), { length: 51 }],
  ])('refuses %s', (_, text, facts) => {
    const error = thrownBy(() => decodeNixbase32(text));
    expect(error.code).toBe('NIXBASE32_INVALID');
    expect(error.facts).toMatchObject({ actual: text, ...facts });
  });
});
