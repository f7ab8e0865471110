import { describe, expect, test } from 'vitest';
import { utf8 } from '../../src/bytes.ts';
import { SymlinkNode } from '../../src/castore/node.ts';
import { hashBytes } from '../../src/hash.ts';
import { ContentAddress } from '../../src/narinfo/contentAddress.ts';
import { Claim, type ClaimFields } from '../../src/pathinfo/claim.ts';
import { type Evidence, PathInfo, type ReferenceContent } from '../../src/pathinfo/pathInfo.ts';
import {
  BY_KEY,
  BY_NOBODY,
  pathInfoOf,
  plain,
  signatureBy,
  storePathOf,
} from '../contracts/pathInfos.ts';
import { thrownBy } from '../support/errors.ts';

const LIBC = pathInfoOf({ name: 'libc' });
const ZLIB = pathInfoOf({ name: 'zlib', references: [LIBC] });
const NODE = new SymlinkNode(utf8('app'));

const FIELDS: ClaimFields = {
  storePath: storePathOf('app'),
  narHash: hashBytes('sha256', utf8('nar')),
  narSize: 7,
  references: [],
  signatures: [],
  deriver: undefined,
  ca: undefined,
  origin: undefined,
  verification: BY_KEY,
};

const contentOf = ({ node, closureDigest }: PathInfo): ReferenceContent => ({
  node,
  closureDigest,
  evidence: 'unchecked',
});

/** A PathInfo of `app` that names these references and gives these contents. */
function make(named: readonly string[], given: readonly (readonly [string, PathInfo])[]): PathInfo {
  const claim = new Claim({ ...FIELDS, references: named.map(storePathOf) });
  const contents = given.map(
    ([name, pathInfo]) => [storePathOf(name).baseName, contentOf(pathInfo)] as const,
  );
  return new PathInfo(claim, NODE, new Map(contents));
}

describe('a claim is refused', () => {
  test.each([
    ['a NarHash that is not SHA-256', 'narHash', { narHash: hashBytes('sha512', utf8('nar')) }],
    ['a NarSize of 0', 'narSize', { narSize: 0 }],
    ['a NarSize of 1.5', 'narSize', { narSize: 1.5 }],
    ['a NarSize of 2^53', 'narSize', { narSize: 2 ** 53 }],
  ])('with %s', (_, field, fields) => {
    expect(thrownBy(() => new Claim({ ...FIELDS, ...fields }))).toMatchObject({
      code: 'PATH_INFO_INVALID',
      facts: { field, storePath: storePathOf('app').absolute },
    });
  });
});

describe('two claims about the same content', () => {
  const ca = ContentAddress.of('recursive', hashBytes('sha256', utf8('ca')));
  const [one, two] = [signatureBy('one'), signatureBy('two')];

  test('that say the same are the first', () => {
    const claim = new Claim({ ...FIELDS, signatures: [one] });
    expect(claim.unitedWith(new Claim({ ...FIELDS, signatures: [one] }))).toBe(claim);
  });

  test('unite signatures, and keep or fill in deriver and CA', () => {
    const first = new Claim({ ...FIELDS, signatures: [one], deriver: storePathOf('a.drv') });
    const second = new Claim({
      ...FIELDS,
      signatures: [two, one],
      deriver: storePathOf('b.drv'),
      ca,
    });
    const united = first.unitedWith(second);
    expect(united.signatures.map(String)).toEqual([String(one), String(two)]);
    expect(united.deriver?.name).toBe('a.drv');
    expect(united.ca?.toString()).toBe(ca.toString());
  });

  test('take origin, order of references and verification of the verified one', () => {
    const [a, b] = [storePathOf('a'), storePathOf('b')];
    const unverified = new Claim({
      ...FIELDS,
      references: [a, b],
      origin: 'https://one.example',
      verification: BY_NOBODY,
    });
    const verified = new Claim({ ...FIELDS, references: [b, a], origin: 'https://two.example' });
    for (const united of [unverified.unitedWith(verified), verified.unitedWith(unverified)]) {
      expect(united.origin).toBe('https://two.example');
      expect(united.references.map(({ name }) => name)).toEqual(['b', 'a']);
      expect(united.verification).toEqual(BY_KEY);
    }
  });
});

describe('a PathInfo', () => {
  test('has a content for each reference once, sorted by base name', () => {
    const named = ['zlib', 'libc', 'zlib', 'app'];
    const pathInfo = make(named, [
      ['zlib', ZLIB],
      ['libc', LIBC],
    ]);
    const names = named.slice(1).map((name) => storePathOf(name).baseName);
    expect([...pathInfo.references.keys()]).toEqual(names.sort());
    expect(pathInfo.claim.references.map(({ name }) => name)).toEqual(named);
  });

  test('that refers to itself refers to its own content', () => {
    const pathInfo = make(['app'], []);
    const own = pathInfo.references.get(pathInfo.storePath.baseName);
    expect(own?.closureDigest.hex).toBe(pathInfo.closureDigest.hex);
    expect(own?.node).toBe(NODE);
    // and giving it is the same as leaving it out
    expect(plain(new PathInfo(pathInfo.claim, NODE, pathInfo.references))).toEqual(plain(pathInfo));
  });

  test('has a closure digest that signatures, deriver and order do not change', () => {
    const base = { name: 'app', references: [LIBC, ZLIB] };
    const digests = [
      pathInfoOf(base),
      pathInfoOf({ ...base, references: [ZLIB, LIBC] }),
      pathInfoOf({ ...base, signedBy: ['one'], deriver: 'x.drv', verification: BY_NOBODY }),
    ].map(({ closureDigest }) => closureDigest.hex);
    expect(new Set(digests).size).toBe(1);
  });

  test.each<[string, readonly string[], readonly (readonly [string, PathInfo])[], string]>([
    ['a reference whose content is not given', ['libc'], [], 'libc'],
    ['content for what is no reference', [], [['libc', LIBC]], 'libc'],
    ['other content for itself', ['app'], [['app', LIBC]], 'app'],
    ['content for itself where it does not refer to itself', [], [['app', LIBC]], 'app'],
  ])('is refused with %s', (_, named, given, reference) => {
    expect(thrownBy(() => make(named, given))).toMatchObject({
      code: 'PATH_INFO_INVALID',
      facts: { field: 'references', reference: storePathOf(reference).baseName },
    });
  });

  test('united with another keeps the evidence of whoever looked', () => {
    const recipe = { name: 'app', references: [LIBC] };
    const unchecked = pathInfoOf(recipe);
    const mixed = pathInfoOf({ ...recipe, evidence: 'mixed' });
    const same = pathInfoOf({ ...recipe, evidence: 'same' });
    const evidenceOf = (pathInfo: PathInfo) =>
      [...pathInfo.references.values()].map(({ evidence }) => evidence);
    expect(evidenceOf(unchecked.unitedWith(mixed))).toEqual(['mixed']);
    expect(evidenceOf(mixed.unitedWith(unchecked))).toEqual(['mixed']);
    // some upstream has this very closure, whatever others have
    expect(evidenceOf(mixed.unitedWith(same))).toEqual(['same']);
    expect(evidenceOf(same.unitedWith(mixed))).toEqual(['same']);
    expect(same.unitedWith(mixed)).toBe(same);
    expect(unchecked.unitedWith(pathInfoOf(recipe))).toBe(unchecked);
    expect(unchecked.sameVariant(same)).toBe(true);
    expect(unchecked.sameVariant(LIBC)).toBe(false);
  });

  test.each<[string, string, string]>([
    ['same unchecked', 'unchecked mixed', 'same mixed'],
    ['unchecked mixed', 'same unchecked', 'same mixed'],
    ['mixed same', 'same mixed', 'mixed same'],
    ['mixed unchecked', 'same same', 'same same'],
    ['same same', 'mixed unchecked', 'same same'],
    // one upstream has the one, another the other: nobody has both
    ['same unchecked', 'unchecked same', 'same unchecked'],
    ['unchecked same', 'same mixed', 'unchecked same'],
    ['unchecked unchecked', 'same unchecked', 'same unchecked'],
  ])('with %s, united with %s, has %s', (one, other, united) => {
    const withEvidence = (text: string) => {
      const evidence = text.split(' ') as Evidence[]; // the words of the table
      const contents = [LIBC, ZLIB].map(({ storePath, node, closureDigest }, i) => {
        const content = { node, closureDigest, evidence: evidence[i] ?? 'unchecked' };
        return [storePath.baseName, content] as const;
      });
      const { claim, node } = pathInfoOf({ name: 'app', references: [LIBC, ZLIB] });
      return new PathInfo(claim, node, new Map(contents));
    };
    const { references } = withEvidence(one).unitedWith(withEvidence(other));
    const evidenceOf = ({ storePath }: PathInfo) => references.get(storePath.baseName)?.evidence;
    expect([LIBC, ZLIB].map(evidenceOf).join(' ')).toBe(united);
  });
});
