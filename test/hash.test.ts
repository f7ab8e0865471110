import { blake3 as nobleBlake3 } from '@noble/hashes/blake3.js';
import { md5, sha1 } from '@noble/hashes/legacy.js';
import { sha256, sha512 } from '@noble/hashes/sha2.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { utf8 } from '../src/bytes.ts';
import {
  compressHash,
  createStreamingHash,
  HASH_BYTES,
  Hash,
  type HashAlgorithm,
  hashBytes,
} from '../src/hash.ts';
import { thrownBy } from './support/errors.ts';

/** Another implementation of each algorithm. */
const SECOND_OPINION: Readonly<Record<HashAlgorithm, (bytes: Uint8Array) => Uint8Array>> = {
  md5,
  sha1,
  sha256,
  sha512,
  blake3: nobleBlake3,
};

const ALGORITHMS: readonly HashAlgorithm[] = ['md5', 'sha1', 'sha256', 'sha512', 'blake3'];

/**
 * The file "flat\n" as Nix 2.8 spells its hashes (`nix-hash --flat --type …`, the same with
 * `--base32`, `nix hash file --sri`). Nix 2.8 has no BLAKE3: that one is the empty input of BLAKE3's
 * own test vectors, its spellings converted by Nix as if it were a SHA-256.
 */
const SPELLINGS: Readonly<
  Record<HashAlgorithm, { content: string; hex: string; nixbase32: string; base64: string }>
> = {
  md5: {
    content: 'flat\n',
    hex: 'c9a5aa53b1891aa96b1bb76c7d4619b3',
    nixbase32: '5k3537sv5p3dmsj6l9n59sm9f9',
    base64: 'yaWqU7GJGqlrG7dsfUYZsw==',
  },
  sha1: {
    content: 'flat\n',
    hex: 'd207e330d76bb6b3391473e92393b4f2c772e9bd',
    nixbase32: 'pplp5izjnj9j7sbk2hwv7dkbswqf61yj',
    base64: '0gfjMNdrtrM5FHPpI5O08sdy6b0=',
  },
  sha256: {
    content: 'flat\n',
    hex: '6bc66a827fe86925af680be5e00da2b7a7f22947c8c0209b22563890258462f6',
    nixbase32: '1xk2hhjr0f2n4adj1h688wlz59xpl86y1r8bd2pjasg8gy16mikb',
    base64: 'a8Zqgn/oaSWvaAvl4A2it6fyKUfIwCCbIlY4kCWEYvY=',
  },
  sha512: {
    content: 'flat\n',
    hex: '932c12551b9e09391d9fe8d8a7596886cf97a17b1d2ce6e7b48685851da52ace4812ea28662e3efe041af44cb03f5409bdf0a18c40f8ea5d023da5da1174b6f3',
    nixbase32:
      '3rvcx0ivajks0jxxbw41351y2yhjm1zn16g86h4zqz2wri8x894ikiallfqb1c6nkkycb0xgfhrgkw6d1csgn78kwfkj2cy3dai4b4k',
    base64:
      'kywSVRueCTkdn+jYp1lohs+XoXsdLObntIaFhR2lKs5IEuooZi4+/gQa9EywP1QJvfChjED46l0CPaXaEXS28w==',
  },
  blake3: {
    content: '',
    hex: 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262',
    nixbase32: '0qij3zjcm4wsrjvi5hddr4jwp6s9r7f3dsjd82had8grynwlj4xg',
    base64: 'rxNJufX5oaagQE3qNtzJSZvLJcmtwRK3zJqTyuQfMmI=',
  },
};

describe.each(ALGORITHMS)('%s', (algorithm) => {
  const { content, hex, nixbase32, base64 } = SPELLINGS[algorithm];
  const hash = hashBytes(algorithm, utf8(content));

  it('is what Nix computes', () => {
    expect(hash.algorithm).toBe(algorithm);
    expect(hash.digest).toEqual(new Uint8Array(Buffer.from(hex, 'hex')));
  });

  it('is written as Nix writes it', () => {
    expect(hash.toHex()).toBe(`${algorithm}:${hex}`);
    expect(hash.toSri()).toBe(`${algorithm}-${base64}`);
    expect(hash.toNixbase32()).toBe(`${algorithm}:${nixbase32}`);
    expect(`${hash}`).toBe(`${algorithm}:${nixbase32}`);
  });

  it.each([
    ['nixbase32', `${algorithm}:${nixbase32}`],
    ['hex', `${algorithm}:${hex}`],
    ['hex in capitals', `${algorithm}:${hex.toUpperCase()}`],
    ['base64', `${algorithm}:${base64}`],
    ['SRI', `${algorithm}-${base64}`],
    ['SRI without padding', `${algorithm}-${base64.replace(/=+$/, '')}`],
  ])('is read from %s', (_, text) => {
    expect(Hash.parse(text)).toEqual(hash);
    expect(Hash.parse(text, algorithm)).toEqual(hash);
  });

  it.each([
    ['nixbase32', nixbase32],
    ['hex', hex],
    ['base64', base64],
  ])('is read from bare %s only when the algorithm is known', (_, text) => {
    expect(Hash.parse(text, algorithm)).toEqual(hash);
    expect(thrownBy(() => Hash.parse(text)).code).toBe('HASH_INVALID');
  });

  it('agrees with a second opinion, however the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 6 }), (parts) => {
        const whole = new Uint8Array(Buffer.concat(parts));
        const streaming = createStreamingHash(algorithm);
        // each part is a view into the middle of a larger buffer, as network reads are
        for (const part of parts) {
          const around = new Uint8Array(part.length + 7).fill(0xaa);
          around.set(part, 3);
          streaming.update(around.subarray(3, 3 + part.length));
        }
        const digest = SECOND_OPINION[algorithm](whole);
        expect(streaming.digest()).toEqual(digest);
        expect(hashBytes(algorithm, whole).digest).toEqual(digest);
      }),
      { numRuns: 30 },
    );
  });

  it('ends with the digest', () => {
    const streaming = createStreamingHash(algorithm);
    streaming.digest();
    expect(() => streaming.update(utf8('more'))).toThrow();
    expect(() => streaming.digest()).toThrow();
  });

  it('does not mix streams that run at the same time or after each other', () => {
    const of = (text: string) => hashBytes(algorithm, utf8(text)).digest;
    const first = createStreamingHash(algorithm).update(utf8('a'));
    const second = createStreamingHash(algorithm).update(utf8('b'));
    expect(first.update(utf8('1')).digest()).toEqual(of('a1'));
    const third = createStreamingHash(algorithm).update(utf8('c'));
    expect(second.digest()).toEqual(of('b'));
    expect(third.digest()).toEqual(of('c'));
    expect(createStreamingHash(algorithm).digest()).toEqual(of(''));
  });

  it('has the length of its digest', () => {
    const tooShort = new Uint8Array(HASH_BYTES[algorithm] - 1);
    expect(thrownBy(() => Hash.of(algorithm, tooShort)).facts).toEqual({
      algorithm,
      expected: HASH_BYTES[algorithm],
      actual: HASH_BYTES[algorithm] - 1,
    });
  });
});

describe('Hash', () => {
  it('copies the bytes it is made of', () => {
    const bytes = new Uint8Array(32);
    const hash = Hash.of('sha256', bytes);
    bytes[0] = 1;
    expect(hash.digest[0]).toBe(0);
  });

  it('is equal by algorithm and digest', () => {
    const bytes = new Uint8Array(32);
    expect(Hash.of('sha256', bytes).equals(Hash.of('sha256', bytes))).toBe(true);
    expect(Hash.of('sha256', bytes).equals(Hash.of('blake3', bytes))).toBe(false);
    expect(Hash.of('sha256', bytes).equals(Hash.of('sha256', bytes.with(31, 1)))).toBe(false);
  });

  const { hex, nixbase32, base64 } = SPELLINGS.sha256;

  it.each([
    ['nothing', ''],
    ['no digest', 'sha256:'],
    ['no SRI digest', 'sha256-'],
    ['an unknown algorithm', `sha3:${hex}`],
    ['an algorithm in capitals', `SHA256:${hex}`],
    ['a name that every object has', `constructor:${hex}`],
    ['the digest of another algorithm', `sha1:${hex}`],
    ['hex with a letter beyond f', `sha256:${hex.slice(0, -1)}g`],
    ['hex cut off', `sha256:${hex.slice(0, -1)}`],
    ['nixbase32 with an e', `sha256:${nixbase32.slice(0, -1)}e`],
    ['nixbase32 with spare bits', `sha256:z${nixbase32.slice(1)}`],
    ['nixbase32 cut off', `sha256:${nixbase32.slice(0, -1)}`],
    ['base64 cut off', `sha256:${base64.slice(0, -2)}`],
    ['base64 with half of its padding', `md5-${SPELLINGS.md5.base64.slice(0, -1)}`],
    ['hex as SRI', `sha256-${hex}`],
    ['nixbase32 as SRI', `sha256-${nixbase32}`],
    ['two prefixes', `sha256:sha256:${hex}`],
    ['SRI after a colon', `sha256:sha256-${base64}`],
    ['white space around it', ` sha256:${hex}`],
    ['a final line feed', `sha256:${hex}\n`],
  ])('refuses %s', (_, text) => {
    expect(thrownBy(() => Hash.parse(text)).code).toBe('HASH_INVALID');
  });

  it('names the cause where nixbase32 is at fault', () => {
    const error = thrownBy(() => Hash.parse(`sha256:${nixbase32.slice(0, -1)}e`));
    expect(error.cause).toMatchObject({ code: 'NIXBASE32_INVALID', facts: { index: 51 } });
  });

  it('refuses another algorithm than expected', () => {
    expect(thrownBy(() => Hash.parse(`sha1:${SPELLINGS.sha1.hex}`, 'sha256'))).toMatchObject({
      code: 'HASH_INVALID',
      facts: { expected: 'sha256', actual: 'sha1' },
    });
  });
});

describe('compressHash', () => {
  const bytes = (...list: number[]) => new Uint8Array(list);

  it.each([
    ['folds the tail onto the head', bytes(1, 2, 4, 8, 16), 3, bytes(9, 18, 4)],
    ['folds more than once', bytes(1, 2, 4, 8, 16), 1, bytes(31)],
    ['leaves the rest zero', bytes(1, 2), 4, bytes(1, 2, 0, 0)],
    ['keeps what fits', bytes(1, 2), 2, bytes(1, 2)],
  ])('%s', (_, digest, length, folded) => {
    expect(compressHash(digest, length)).toEqual(folded);
  });
});
