import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { utf8 } from '../../src/bytes.ts';
import { HASH_BYTES, Hash, type HashAlgorithm, hashBytes } from '../../src/hash.ts';
import {
  ContentAddress,
  type ContentAddressMethod,
  isStorePathOf,
  storePathOf,
} from '../../src/narinfo/contentAddress.ts';
import { parseNarInfo } from '../../src/narinfo/parse.ts';
import { StorePath } from '../../src/storePath.ts';
import { thrownBy } from '../support/errors.ts';
import { nixbase32 } from '../support/nixbase32.ts';
import { arbitraryContentAddress } from './arbitraryNarInfo.ts';
import { REAL_NARINFOS } from './realNarinfos.ts';

const zeros = (algorithm: HashAlgorithm) =>
  Hash.of(algorithm, new Uint8Array(HASH_BYTES[algorithm]));
const sha256 = zeros('sha256');

describe('ContentAddress', () => {
  it.each<[string, ContentAddressMethod, HashAlgorithm]>([
    [`text:sha256:${'0'.repeat(52)}`, 'text', 'sha256'],
    [`fixed:md5:${'0'.repeat(26)}`, 'flat', 'md5'],
    [`fixed:sha1:${'0'.repeat(32)}`, 'flat', 'sha1'],
    [`fixed:sha256:${'0'.repeat(52)}`, 'flat', 'sha256'],
    [`fixed:blake3:${'0'.repeat(52)}`, 'flat', 'blake3'],
    [`fixed:r:sha256:${'0'.repeat(52)}`, 'recursive', 'sha256'],
    [`fixed:r:sha512:${'0'.repeat(103)}`, 'recursive', 'sha512'],
    [`fixed:git:sha1:${'0'.repeat(32)}`, 'git', 'sha1'],
    [`fixed:git:sha256:${'0'.repeat(52)}`, 'git', 'sha256'],
  ])('reads and writes %s', (text, method, algorithm) => {
    const ca = ContentAddress.parse(text);
    expect(ca).toMatchObject({ method, hash: zeros(algorithm) });
    expect(ca.toString()).toBe(text);
  });

  it('reads what it writes', () => {
    fc.assert(
      fc.property(arbitraryContentAddress, (ca) => {
        const again = ContentAddress.parse(ca.toString());
        expect(again).toEqual(ca);
        expect(again.equals(ca)).toBe(true);
      }),
    );
  });

  it('takes the hash in hex and base64 too, and writes nixbase32', () => {
    const hash = hashBytes('sha256', utf8('x'));
    const expected = `fixed:r:${hash.toNixbase32()}`;
    expect(ContentAddress.parse(`fixed:r:${hash.toHex()}`).toString()).toBe(expected);
    expect(ContentAddress.parse(`fixed:r:${hash.toSri().replace('-', ':')}`).toString()).toBe(
      expected,
    );
  });

  it('is equal by method and hash', () => {
    const flat = ContentAddress.of('flat', sha256);
    expect(flat.equals(ContentAddress.of('recursive', sha256))).toBe(false);
    expect(flat.equals(ContentAddress.of('flat', zeros('sha1')))).toBe(false);
  });

  it.each([
    ['nothing', ''],
    ['no method', sha256.toNixbase32()],
    ['an unknown method', `source:${sha256}`],
    ['a method in capitals', `TEXT:${sha256}`],
    ['an unknown way to hash', `fixed:x:${sha256}`],
    ['two ways to hash', `fixed:r:git:${sha256}`],
    ['no hash', 'fixed:'],
    ['no hash after r', 'fixed:r:'],
    ['no digest', 'fixed:sha256:'],
    ['an SRI hash', `fixed:${sha256.toSri()}`],
    ['an unknown algorithm', `fixed:crc32:00000000`],
    ['a malformed hash', `fixed:${sha256}0`],
    ['a text by sha1', `text:${zeros('sha1')}`],
    ['a text by blake3', `text:${zeros('blake3')}`],
    ['a git tree by md5', `fixed:git:${zeros('md5')}`],
    ['a git tree by sha512', `fixed:git:${zeros('sha512')}`],
  ])('refuses %s', (_, text) => {
    expect(thrownBy(() => ContentAddress.parse(text)).code).toBe('CONTENT_ADDRESS_INVALID');
  });
});

describe('storePathOf', () => {
  const infos = Object.entries(REAL_NARINFOS).flatMap(([name, text]) => {
    const { ca, storePath, references } = parseNarInfo(utf8(text));
    return ca === undefined ? [] : [[name, ca, storePath, references] as const];
  });

  it.each(infos)('is the path that Nix gave: %s', (_, ca, storePath, references) => {
    const others = references.filter((reference) => !reference.equals(storePath));
    const self = others.length < references.length;
    expect(storePathOf(ca, storePath.name, others, self)).toEqual(storePath);
    expect(isStorePathOf(ca, storePath, references)).toBe(true);
  });

  it.each(infos)('is another path when anything differs: %s', (_, ca, storePath, references) => {
    const renamed = StorePath.of(storePath.digest, `${storePath.name}x`);
    const more = [...references, StorePath.fromBaseName(`${'0'.repeat(32)}-more`)];
    const flipped = ca.hash.digest.with(0, (ca.hash.digest[0] ?? 0) ^ 1);
    const otherHash = ContentAddress.of(ca.method, Hash.of(ca.hash.algorithm, flipped));
    expect(isStorePathOf(ca, renamed, references)).toBe(false);
    expect(isStorePathOf(ca, storePath, more)).toBe(false);
    expect(isStorePathOf(otherHash, storePath, references)).toBe(false);
    if (references.length > 0) expect(isStorePathOf(ca, storePath, [])).toBe(false);
  });

  const a = StorePath.fromBaseName(`${'0'.repeat(32)}-a`);
  const b = StorePath.fromBaseName(`${'0'.repeat(32)}-b`);
  const hex = '00'.repeat(32);

  /** The digest by the formula of Nix's manual, spelled out. */
  function storePathBy(fingerprint: string): string {
    const hash = createHash('sha256').update(fingerprint).digest();
    const folded = Buffer.alloc(20);
    hash.forEach((byte, index) => {
      folded[index % 20] = (folded[index % 20] ?? 0) ^ byte;
    });
    return `/nix/store/${nixbase32(folded)}-x`;
  }
  const inner = (text: string) => createHash('sha256').update(text).digest('hex');

  it.each<[string, ContentAddressMethod, HashAlgorithm, StorePath[], boolean, string]>([
    ['text', 'text', 'sha256', [], false, `text:sha256:${hex}`],
    [
      'text with references, in any order',
      'text',
      'sha256',
      [b, a, b],
      false,
      `text:${a}:${b}:sha256:${hex}`,
    ],
    ['recursive sha256', 'recursive', 'sha256', [], false, `source:sha256:${hex}`],
    [
      'recursive sha256 with references',
      'recursive',
      'sha256',
      [b, a],
      false,
      `source:${a}:${b}:sha256:${hex}`,
    ],
    [
      'recursive sha256 with itself',
      'recursive',
      'sha256',
      [b, a],
      true,
      `source:${a}:${b}:self:sha256:${hex}`,
    ],
    [
      'recursive blake3',
      'recursive',
      'blake3',
      [],
      false,
      `output:out:sha256:${inner(`fixed:out:r:blake3:${hex}:`)}`,
    ],
    [
      'flat sha256',
      'flat',
      'sha256',
      [],
      false,
      `output:out:sha256:${inner(`fixed:out:sha256:${hex}:`)}`,
    ],
    [
      'git sha256',
      'git',
      'sha256',
      [],
      false,
      `output:out:sha256:${inner(`fixed:out:git:sha256:${hex}:`)}`,
    ],
  ])('%s', (_, method, algorithm, references, self, type) => {
    const ca = ContentAddress.of(method, zeros(algorithm));
    expect(storePathOf(ca, 'x', references, self).absolute).toBe(
      storePathBy(`${type}:/nix/store:x`),
    );
  });

  it.each<[string, ContentAddressMethod, HashAlgorithm, StorePath[], boolean]>([
    ['a text to itself', 'text', 'sha256', [], true],
    ['a flat file to another path', 'flat', 'sha256', [a], false],
    ['a flat file to itself', 'flat', 'sha256', [], true],
    ['a NAR by sha512 to another path', 'recursive', 'sha512', [a], false],
    ['a NAR by sha1 to itself', 'recursive', 'sha1', [], true],
    ['a NAR by blake3 to another path', 'recursive', 'blake3', [a], false],
    ['a git tree to another path', 'git', 'sha256', [a], false],
  ])('lets not refer %s', (_, method, algorithm, references, self) => {
    const ca = ContentAddress.of(method, zeros(algorithm));
    expect(thrownBy(() => storePathOf(ca, 'x', references, self))).toMatchObject({
      code: 'CONTENT_ADDRESS_INVALID',
      facts: { actual: ca.toString() },
    });
    expect(isStorePathOf(ca, b, self ? [b] : references)).toBe(false);
  });

  it('refuses a name that no store path has', () => {
    const ca = ContentAddress.of('flat', sha256);
    expect(thrownBy(() => storePathOf(ca, '.')).code).toBe('STORE_PATH_INVALID');
  });
});
