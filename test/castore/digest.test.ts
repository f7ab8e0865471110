import { blake3 as nobleBlake3 } from '@noble/hashes/blake3.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concatBytes, toHex, utf8 } from '../../src/bytes.ts';
import { Digest, DigestHasher, derivedDigest } from '../../src/castore/digest.ts';
import { noise } from '../contracts/sampleBytes.ts';
import { thrownBy } from '../support/errors.ts';

describe('Digest', () => {
  // the first test vectors of BLAKE3 (test_vectors.json), input bytes 0, 1, 2, … modulo 251
  test.each([
    [0, 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262'],
    [1, '2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213'],
    [1024, '42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7'],
  ])('of %i bytes', (length, hex) => {
    const content = Uint8Array.from({ length }, (_, i) => i % 251);
    expect(Digest.of(content).hex).toBe(hex);
  });

  test('is what another implementation computes, in one piece and in many', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 5000 }), { maxLength: 8 }), (pieces) => {
        const hasher = new DigestHasher();
        for (const piece of pieces) hasher.update(piece);
        const expected = toHex(nobleBlake3(concatBytes([...pieces, Uint8Array.of()])));
        expect(hasher.finish().hex).toBe(expected);
      }),
      { numRuns: 50 },
    );
  });

  test('derived for a use is what another implementation computes', () => {
    const content = noise(3000);
    expect(derivedDigest('some use', content).hex).toBe(
      toHex(nobleBlake3(content, { context: utf8('some use') })),
    );
    expect(derivedDigest('some use', content).hex).not.toBe(Digest.of(content).hex);
  });

  test('is read in both spellings, and written as snix does', () => {
    const empty = Digest.of(Uint8Array.of());
    expect(String(empty)).toBe('blake3-rxNJufX5oaagQE3qNtzJSZvLJcmtwRK3zJqTyuQfMmI=');
    expect(Digest.parse(String(empty)).equals(empty)).toBe(true);
    expect(Digest.parse(empty.hex).equals(empty)).toBe(true);
    expect(JSON.stringify({ empty })).toBe(`{"empty":"${empty}"}`);
  });

  test.each([
    ['nothing', ''],
    ['another algorithm', 'sha256-rxNJufX5oaagQE3qNtzJSZvLJcmtwRK3zJqTyuQfMmI='],
    ['no padding', 'blake3-rxNJufX5oaagQE3qNtzJSZvLJcmtwRK3zJqTyuQfMmI'],
    ['spare bits that are not zero', 'blake3-rxNJufX5oaagQE3qNtzJSZvLJcmtwRK3zJqTyuQfMmJ='],
    ['a byte too few', 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f32'],
    ['capitals', 'AF1349B9F5F9A1A6A0404DEA36DCC9499BCB25C9ADC112B7CC9A93CAE41F3262'],
  ])('is not read from %s', (_, text) => {
    expect(thrownBy(() => Digest.parse(text))).toMatchObject({
      code: 'DIGEST_INVALID',
      facts: { actual: text },
    });
  });

  test.each([0, 31, 33])('has 32 bytes, not %i', (length) => {
    expect(thrownBy(() => new Digest(new Uint8Array(length)))).toMatchObject({
      code: 'DIGEST_INVALID',
      facts: { expected: 32, actual: length },
    });
  });
});

test('a hasher is not used after it is finished', () => {
  const hasher = new DigestHasher();
  hasher.finish();
  expect(() => hasher.update(Uint8Array.of(1))).toThrow(TypeError);
  expect(() => hasher.finish()).toThrow(TypeError);
  // nor does the next one see what this one had
  expect(new DigestHasher().finish().equals(Digest.of(Uint8Array.of()))).toBe(true);
});
