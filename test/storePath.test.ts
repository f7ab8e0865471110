import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Hash } from '../src/hash.ts';
import {
  formatHashPart,
  makeStorePath,
  parseHashPart,
  parseStorePathQuery,
  StorePath,
} from '../src/storePath.ts';
import { arbitraryStorePathName } from './narinfo/arbitraryNarInfo.ts';
import { thrownBy } from './support/errors.ts';

const HASH_PART = '7vk1iqj70h3hppxhq1vpd44lzv9kai4h';
const BASE_NAME = `${HASH_PART}-self-1.0`;
const DIGEST = new Uint8Array(Buffer.from('9088aa3627af21db8b47edd6e90338dd4e26d241', 'hex'));

describe('StorePath', () => {
  const storePath = StorePath.fromBaseName(BASE_NAME);

  it('knows its parts', () => {
    expect(storePath).toMatchObject({
      baseName: BASE_NAME,
      hashPart: HASH_PART,
      name: 'self-1.0',
      absolute: `/nix/store/${BASE_NAME}`,
      digest: parseHashPart(HASH_PART),
      isDerivation: false,
    });
    expect(`${storePath}`).toBe(`/nix/store/${BASE_NAME}`);
    expect(JSON.stringify([storePath])).toBe(`["/nix/store/${BASE_NAME}"]`);
  });

  it('is the same however it is made', () => {
    expect(StorePath.parse(`/nix/store/${BASE_NAME}`)).toEqual(storePath);
    expect(StorePath.parse(`/other/store/${BASE_NAME}`, '/other/store')).toEqual(storePath);
    expect(StorePath.of(storePath.digest, 'self-1.0')).toEqual(storePath);
  });

  it('is equal by digest and name', () => {
    expect(storePath.equals(StorePath.fromBaseName(BASE_NAME))).toBe(true);
    expect(storePath.equals(StorePath.fromBaseName(`${BASE_NAME}1`))).toBe(false);
    expect(storePath.equals(StorePath.of(new Uint8Array(20), 'self-1.0'))).toBe(false);
  });

  it('round-trips', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 20, maxLength: 20 }),
        arbitraryStorePathName,
        (digest, name) => {
          const made = StorePath.of(digest, name);
          expect(made).toMatchObject({ digest, name });
          expect(StorePath.parse(made.absolute)).toEqual(made);
          expect(parseStorePathQuery(made.hashPart).digest).toEqual(digest);
        },
      ),
    );
  });

  it.each([
    ['hello.drv', true],
    ['hello.drv.bak', false],
    ['.drv', true],
    ['drv', false],
  ])('%s is a derivation: %s', (name, isDerivation) => {
    expect(StorePath.of(DIGEST, name).isDerivation).toBe(isDerivation);
  });

  it.each([
    ['all characters that are allowed', 'azAZ09+-._?='],
    ['one character', 'x'],
    ['211 characters', 'x'.repeat(211)],
    ['a dot before the rest', '.x'],
    ['two dots before the rest', '..x'],
    ['three dots', '...'],
    ['a dash', '-'],
  ])('may be named with %s', (_, name) => {
    expect(StorePath.fromBaseName(`${HASH_PART}-${name}`).name).toBe(name);
    expect(StorePath.of(DIGEST, name).name).toBe(name);
  });

  it.each([
    ['nothing', ''],
    ['212 characters', 'x'.repeat(212)],
    ['.', '.'],
    ['..', '..'],
    ['.-', '.-x'],
    ['..-', '..-x'],
    ['a slash', 'a/b'],
    ['a space', 'a b'],
    ['a NUL', 'a\0b'],
    ['a final line feed', 'a\n'],
    ['a letter beyond ASCII', 'é'],
    ['a comma, which would split a fingerprint', 'a,b'],
  ])('may not be named %s', (_, name) => {
    for (const make of [
      () => StorePath.fromBaseName(`${HASH_PART}-${name}`),
      () => StorePath.of(DIGEST, name),
      () => makeStorePath('source', Hash.of('sha256', new Uint8Array(32)), name),
    ]) {
      expect(thrownBy(make).code).toBe('STORE_PATH_INVALID');
    }
  });

  it.each([
    ['nothing', ''],
    ['no hash part', 'hello'],
    ['no name', HASH_PART],
    ['no dash', `${HASH_PART}_x`],
    ['a hash part that is too short', `${HASH_PART.slice(1)}-x`],
    ['a hash part with an e', `e${HASH_PART.slice(1)}-x`],
    ['a hash part in capitals', `${HASH_PART.toUpperCase()}-x`],
    ['an absolute path', `/nix/store/${BASE_NAME}`],
  ])('refuses as a base name: %s', (_, text) => {
    expect(thrownBy(() => StorePath.fromBaseName(text))).toMatchObject({
      code: 'STORE_PATH_INVALID',
      facts: { actual: text },
    });
  });

  it.each([
    ['a base name', BASE_NAME, '/nix/store/…'],
    ['another store', `/gnu/store/${BASE_NAME}`, '/nix/store/…'],
    ['the store itself', '/nix/store', '/nix/store/…'],
    ['a neighbour of the store', `/nix/store2/${BASE_NAME}`, '/nix/store/…'],
    ['a place inside', `/nix/store/${BASE_NAME}/bin`, `/nix/store/${BASE_NAME}`],
    ['a slash at the end', `/nix/store/${BASE_NAME}/`, `/nix/store/${BASE_NAME}`],
  ])('refuses as an absolute path: %s', (_, text, expected) => {
    expect(thrownBy(() => StorePath.parse(text))).toMatchObject({
      code: 'STORE_PATH_INVALID',
      facts: { actual: text, expected },
    });
  });

  it('quotes no megabytes', () => {
    const error = thrownBy(() => StorePath.fromBaseName('x'.repeat(1_000_000)));
    expect(error.message.length).toBeLessThan(1000);
  });

  it('does not keep the text alive that it was cut from', () => {
    setFlagsFromString('--expose-gc');
    const collectGarbage: () => void = runInNewContext('gc');
    const LONG = 200_000;
    collectGarbage();
    const before = process.memoryUsage().heapUsed;
    const storePaths = Array.from({ length: 300 }, () =>
      StorePath.fromBaseName(
        `${BASE_NAME}${Buffer.alloc(LONG, ' ').toString('latin1')}`.slice(0, BASE_NAME.length),
      ),
    );
    collectGarbage();
    const kept = process.memoryUsage().heapUsed - before;
    expect(kept).toBeLessThan((storePaths.length * LONG) / 4);
  });
});

describe('hash parts', () => {
  it('are nixbase32 of 20 bytes', () => {
    expect(formatHashPart(parseHashPart(HASH_PART))).toBe(HASH_PART);
    expect(formatHashPart(new Uint8Array(20))).toBe('0'.repeat(32));
    expect(formatHashPart(new Uint8Array(20).fill(0xff))).toBe('z'.repeat(32));
  });

  it.each([
    ['too short', HASH_PART.slice(1)],
    ['too long', `${HASH_PART}0`],
    ['an o', `o${HASH_PART.slice(1)}`],
    ['a base name', BASE_NAME],
  ])('refuse %s', (_, text) => {
    expect(thrownBy(() => parseHashPart(text)).code).toBe('STORE_PATH_INVALID');
  });

  it('refuse another number of bytes', () => {
    expect(thrownBy(() => formatHashPart(new Uint8Array(32))).facts).toEqual({
      expected: 20,
      actual: 32,
    });
    expect(thrownBy(() => StorePath.of(new Uint8Array(19), 'x')).code).toBe('STORE_PATH_INVALID');
  });
});

describe('parseStorePathQuery', () => {
  const storePath = StorePath.fromBaseName(BASE_NAME);
  const known = {
    digest: storePath.digest,
    hashPart: HASH_PART,
    name: 'self-1.0',
    storePath,
  };

  it.each([
    ['an absolute path', `/nix/store/${BASE_NAME}`, known],
    ['a slash after it', `/nix/store/${BASE_NAME}/`, known],
    ['several', `/nix/store/${BASE_NAME}///`, known],
    ['a base name', BASE_NAME, known],
    ['a hash part', HASH_PART, { ...known, name: undefined, storePath: undefined }],
  ])('accepts %s', (_, text, query) => {
    expect(parseStorePathQuery(text)).toEqual(query);
  });

  it.each([
    ['nothing', ''],
    ['slashes', '//'],
    ['a name', 'hello'],
    ['a place inside', `/nix/store/${BASE_NAME}/bin/hello`],
    ['a place beside', `/nix/store/../store/${BASE_NAME}`],
    ['another store', `/gnu/store/${BASE_NAME}`],
    ['a slash after a base name', `${BASE_NAME}/`],
    ['a slash after a hash part', `${HASH_PART}/`],
    ['32 characters that are no hash part', 'o'.repeat(32)],
    ['32 characters of an absolute path', `/nix/store/${'a'.repeat(21)}`],
    ['a narinfo', `${HASH_PART}.narinfo`],
    ['a final line feed', `${BASE_NAME}\n`],
  ])('refuses %s', (_, text) => {
    expect(thrownBy(() => parseStorePathQuery(text)).code).toBe('STORE_PATH_INVALID');
  });
});
