import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { utf8 } from '../src/bytes.ts';
import {
  CACHE_NIXOS_ORG_KEY,
  PublicKey,
  parsePublicKeys,
  SecretKey,
  Signature,
} from '../src/signature.ts';
import { NIX_PUBLIC_KEY, NIX_SECRET_KEY } from './narinfo/realNarinfos.ts';
import { thrownBy } from './support/errors.ts';

const MESSAGE = utf8('message');
const base64 = (bytes: number) => Buffer.alloc(bytes).toString('base64');

/** A key that is not like Nix's. */
const other = SecretKey.generate('other-1');

describe('PublicKey', () => {
  it('reads and writes its text', () => {
    const key = PublicKey.parse(NIX_PUBLIC_KEY);
    expect(key.name).toBe('narthex-test_key-1');
    expect(key.bytes).toHaveLength(32);
    expect(key.toString()).toBe(NIX_PUBLIC_KEY);
    expect(key.equals(PublicKey.parse(NIX_PUBLIC_KEY))).toBe(true);
    expect(key.equals(other.publicKey)).toBe(false);
  });

  it.each([
    ['nothing', ''],
    ['no colon', 'name'],
    ['no name', `:${base64(32)}`],
    ['a space in the name', `a b:${base64(32)}`],
    ['no bytes', 'name:'],
    ['31 bytes', `name:${base64(31)}`],
    ['33 bytes', `name:${base64(33)}`],
    ['a secret key', NIX_SECRET_KEY],
    ['another colon', `na:me:${base64(32)}`],
    ['no base64', `name:${'!'.repeat(44)}`],
    ['a final line feed', `${NIX_PUBLIC_KEY}\n`],
  ])('refuses %s', (_, text) => {
    const error = thrownBy(() => PublicKey.parse(text));
    expect(error.code).toBe('KEY_INVALID');
    // what was given may be a secret key
    expect(JSON.stringify(error)).not.toContain(NIX_SECRET_KEY.slice(-40));
  });
});

describe('parsePublicKeys', () => {
  it('splits at white space', () => {
    const keys = parsePublicKeys(`  ${NIX_PUBLIC_KEY}\n\t${other.publicKey} `);
    expect(keys.map(String)).toEqual([NIX_PUBLIC_KEY, other.publicKey.toString()]);
  });

  it('finds none in nothing', () => {
    expect(parsePublicKeys(' \n')).toEqual([]);
  });

  it('refuses the list when one key is wrong', () => {
    expect(thrownBy(() => parsePublicKeys(`${NIX_PUBLIC_KEY} x:y`)).code).toBe('KEY_INVALID');
  });
});

describe('SecretKey', () => {
  it('reads what Nix writes, also from a file that ends with a line feed', () => {
    const key = SecretKey.parse(`${NIX_SECRET_KEY}\n`);
    expect(key.name).toBe('narthex-test_key-1');
    expect(key.publicKey.toString()).toBe(NIX_PUBLIC_KEY);
    expect(key.toString()).toBe(NIX_SECRET_KEY);
  });

  it('signs what its public key verifies', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (message) => {
        const signature = other.sign(message);
        expect(signature.keyName).toBe('other-1');
        expect(other.publicKey.verify(message, signature)).toBe(true);
        expect(other.sign(message).equals(signature)).toBe(true);
      }),
      { numRuns: 20 },
    );
  });

  it('is random when generated, and can be written and read', () => {
    const key = SecretKey.generate('fresh-1');
    expect(key.toString()).not.toBe(SecretKey.generate('fresh-1').toString());
    const again = SecretKey.parse(key.toString());
    expect(key.publicKey.verify(MESSAGE, again.sign(MESSAGE))).toBe(true);
  });

  it('is not shown by accident', () => {
    const key = SecretKey.parse(NIX_SECRET_KEY);
    const secret = NIX_SECRET_KEY.slice(NIX_SECRET_KEY.indexOf(':') + 1).slice(0, 40);
    const seed = Buffer.from(secret, 'base64');
    for (const shown of [inspect(key, { depth: 9, showHidden: true }), JSON.stringify({ key })]) {
      expect(shown).not.toContain(secret);
      expect(shown).not.toContain(seed.subarray(0, 8).toString('hex').replace(/../g, '$& ').trim());
    }
  });

  it.each([
    ['nothing', ''],
    ['no name', NIX_SECRET_KEY.slice(NIX_SECRET_KEY.indexOf(':'))],
    ['a public key', NIX_PUBLIC_KEY],
    ['65 bytes', `name:${base64(65)}`],
    ['halves that do not belong together', `name:${base64(64)}`],
  ])('refuses %s', (_, text) => {
    expect(thrownBy(() => SecretKey.parse(text)).code).toBe('KEY_INVALID');
  });

  it.each([[''], ['a:b'], ['a b'], ['a\n']])('is not generated with the name %j', (name) => {
    expect(thrownBy(() => SecretKey.generate(name)).code).toBe('KEY_INVALID');
  });
});

describe('Signature', () => {
  const signature = other.sign(MESSAGE);

  it('reads and writes its text', () => {
    expect(Signature.parse(signature.toString())).toEqual(signature);
    expect(Signature.of('other-1', signature.bytes)).toEqual(signature);
    expect(signature.equals(Signature.of('other-2', signature.bytes))).toBe(false);
    expect(signature.equals(other.sign(utf8('another')))).toBe(false);
  });

  it('is named by everything before the first colon', () => {
    expect(Signature.parse(`a_b.c-1:${base64(64)}`).keyName).toBe('a_b.c-1');
    expect(Signature.parse(`schlüssel-1:${base64(64)}`).keyName).toBe('schlüssel-1');
  });

  it.each([
    ['nothing', ''],
    ['no colon', base64(64)],
    ['no name', `:${base64(64)}`],
    ['63 bytes', `name:${base64(63)}`],
    ['65 bytes', `name:${base64(65)}`],
    ['no base64', 'name:?'],
    ['another colon', `na:me:${base64(64)}`],
  ])('refuses %s', (_, text) => {
    expect(thrownBy(() => Signature.parse(text)).code).toBe('SIGNATURE_INVALID');
  });

  it.each([
    ['a name that would forge a line', 'a\nSig', 64],
    ['63 bytes', 'name', 63],
  ])('is not made of %s', (_, name, length) => {
    expect(thrownBy(() => Signature.of(name, new Uint8Array(length))).code).toBe(
      'SIGNATURE_INVALID',
    );
  });
});

describe('verify', () => {
  const signature = other.sign(MESSAGE);
  const key = other.publicKey;
  const renamed = PublicKey.parse(`other-2:${key.toString().split(':')[1]}`);
  const namesake = SecretKey.generate('other-1').publicKey;

  it.each([
    ['the message', key, MESSAGE, signature, true],
    ['another message', key, utf8('Message'), signature, false],
    ['a longer message', key, utf8('message '), signature, false],
    ['no message', key, new Uint8Array(), signature, false],
    ['the same key by another name', renamed, MESSAGE, signature, false],
    ['another key of the same name', namesake, MESSAGE, signature, false],
    ['zeros', key, MESSAGE, Signature.of('other-1', new Uint8Array(64)), false],
    ['ones', key, MESSAGE, Signature.of('other-1', new Uint8Array(64).fill(0xff)), false],
  ])('%s', (_, by, message, of, expected) => {
    expect(by.verify(message, of)).toBe(expected);
  });

  it('fails when any bit of the signature is another', () => {
    fc.assert(
      fc.property(fc.nat(511), (bit) => {
        const bytes = new Uint8Array(signature.bytes);
        bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(key.verify(MESSAGE, Signature.of('other-1', bytes))).toBe(false);
      }),
    );
  });

  it('knows the key of cache.nixos.org', () => {
    expect(CACHE_NIXOS_ORG_KEY.name).toBe('cache.nixos.org-1');
    expect(CACHE_NIXOS_ORG_KEY.verify(MESSAGE, signature)).toBe(false);
  });
});
