import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HashPartScanner } from '../../src/audit/hashPartScan.ts';
import { utf8 } from '../../src/bytes.ts';
import { hashPartOf } from '../support/nixbase32.ts';

function scan(pieces: readonly Uint8Array[]): string[] {
  const found: string[] = [];
  const scanner = new HashPartScanner((hashPart) => found.push(hashPart));
  for (const piece of pieces) scanner.update(piece);
  return found;
}

/** The same by regular expression, as a second opinion. */
function candidates(text: string): string[] {
  return Array.from(text.matchAll(/(?=([0-9a-df-np-sv-z]{32}))/g), ([, hashPart = '']) => hashPart);
}

const A = hashPartOf('a');
const B = hashPartOf('b');

describe('HashPartScanner', () => {
  test.each<[what: string, text: string, found: string[]]>([
    ['nothing', '', []],
    ['a store path', `/nix/store/${A}-a/bin`, [A]],
    ['two store paths', `${A}-a ${B}-b`, [A, B]],
    ['one twice', `${A}-a ${A}-a`, [A, A]],
    ['at the very beginning and end', A, [A]],
    ['31 characters', `/${A.slice(1)}/`, []],
    ['33 characters', `/x${A}/`, [`x${A.slice(0, 31)}`, A]],
    ['a character in it that is no digit', `/${A.slice(0, 20)}e${A.slice(20)}/`, []],
    ['capitals', `/${'A'.repeat(32)}/`, []],
    ['after many digits', `${'0'.repeat(40)}e${A}`, [...Array(9).fill('0'.repeat(32)), A]],
  ])('%s', (_, text, found) => {
    expect(scan([utf8(text)])).toEqual(found);
    expect(scan(Array.from(utf8(text), (byte) => Uint8Array.of(byte)))).toEqual(found);
  });

  test('finds the same however the bytes are cut', () => {
    // digits mostly, so that there are runs of all lengths
    const character = fc.oneof(
      { weight: 40, arbitrary: fc.constantFrom(...'0123456789abcdfghijklmnpqrsvwxyz') },
      { weight: 1, arbitrary: fc.constantFrom('e', 'o', 'u', 't', '-', '/', '\0', 'ÿ') },
    );
    const text = fc.array(character, { maxLength: 300 }).map((all) => all.join(''));
    const cuts = fc.array(fc.nat(80), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(text, cuts, (text, cuts) => {
        const bytes = Buffer.from(text, 'latin1');
        const pieces: Uint8Array[] = [];
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const end = at + Math.max(1, cuts[i % cuts.length] ?? 1);
          pieces.push(bytes.subarray(at, end));
          at = end;
        }
        // what lies on a seam is found before what follows it
        expect(scan(pieces).sort()).toEqual(candidates(text).sort());
      }),
      { numRuns: 500 },
    );
  });

  test('keeps nothing of the bytes that it was given', () => {
    const found: string[] = [];
    const scanner = new HashPartScanner((hashPart) => found.push(hashPart));
    const bytes = utf8(A.slice(0, 20));
    scanner.update(bytes);
    bytes.fill(0);
    scanner.update(utf8(A.slice(20)));
    expect(found).toEqual([A]);
  });
});
