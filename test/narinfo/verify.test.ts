import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { utf8 } from '../../src/bytes.ts';
import { Hash } from '../../src/hash.ts';
import { ContentAddress } from '../../src/narinfo/contentAddress.ts';
import { fingerprint, type ReferenceOrder } from '../../src/narinfo/fingerprint.ts';
import { parseNarInfo } from '../../src/narinfo/parse.ts';
import { requireVerified, type VerifiableClaim, verifyNarInfo } from '../../src/narinfo/verify.ts';
import { PublicKey, SecretKey, Signature } from '../../src/signature.ts';
import { StorePath } from '../../src/storePath.ts';
import { thrownBy } from '../support/errors.ts';
import { arbitraryNarInfo } from './arbitraryNarInfo.ts';
import { NIX_PUBLIC_KEY, NIX_SECRET_KEY, REAL_NARINFOS } from './realNarinfos.ts';

const nixKey = PublicKey.parse(NIX_PUBLIC_KEY);
const real = Object.entries(REAL_NARINFOS).map(
  ([name, text]) => [name, parseNarInfo(utf8(text))] as const,
);

describe('narinfos that Nix signed', () => {
  it.each(real)('verify: %s', (_, info) => {
    expect(verifyNarInfo(info, [nixKey])).toEqual({ kind: 'key', key: nixKey, order: 'given' });
    expect(requireVerified(info, [nixKey])).toEqual(verifyNarInfo(info, [nixKey]));
  });

  it.each(real)('have the signature that we make: %s', (_, info) => {
    const signature = SecretKey.parse(NIX_SECRET_KEY).sign(fingerprint(info, 'sorted'));
    expect(info.signatures).toEqual([signature]);
  });

  it.each(real)('verify by content address alone, if they have one: %s', (_, info) => {
    const expected = info.ca === undefined ? undefined : { kind: 'ca' };
    expect(verifyNarInfo({ ...info, signatures: [] }, [nixKey])).toEqual(expected);
    expect(verifyNarInfo(info, [])).toEqual(expected);
  });
});

const secret = SecretKey.generate('key-1');
const key = secret.publicKey;
const other = SecretKey.generate('other-1').publicKey;
const namesake = SecretKey.generate('key-1').publicKey;

const path = (name: string) => StorePath.fromBaseName(`${'0'.repeat(32)}-${name}`);

const CLAIM: VerifiableClaim = {
  storePath: path('x'),
  narHash: Hash.of('sha256', new Uint8Array(32)),
  narSize: 120,
  references: [path('b'), path('a'), path('b')],
  signatures: [],
  ca: undefined,
};

/** A claim signed by `key` over its references in this order. */
const signed = (claim: VerifiableClaim, order: ReferenceOrder): VerifiableClaim => ({
  ...claim,
  signatures: [secret.sign(fingerprint(claim, order))],
});

const bad = (name: string) => Signature.of(name, new Uint8Array(64));

/** An address from which the claim's store path does not follow. */
const wrongCa = ContentAddress.of('recursive', Hash.of('sha256', new Uint8Array(32)));

describe('verifyNarInfo', () => {
  const byGiven = signed(CLAIM, 'given');
  const bySorted = signed(CLAIM, 'sorted');

  it.each([
    ['references signed in the order given', byGiven, [key], 'given'],
    ['references signed sorted', bySorted, [key], 'sorted'],
    ['a trusted key beside others', byGiven, [other, key], 'given'],
    ['a new key of the same name', byGiven, [namesake, key], 'given'],
    [
      'a bad signature before the good one',
      {
        ...byGiven,
        signatures: [bad('key-1'), bad('nobody'), ...byGiven.signatures],
      },
      [key],
      'given',
    ],
    ['a wrong content address, which nobody signs', { ...byGiven, ca: wrongCa }, [key], 'given'],
  ] as const)('%s', (_, claim, trusted, order) => {
    expect(verifyNarInfo(claim, trusted)).toEqual({ kind: 'key', key, order });
  });

  it.each([
    ['no signature', CLAIM, [key]],
    ['no trusted key', byGiven, []],
    ['another key', byGiven, [other]],
    ['another key of the same name', byGiven, [namesake]],
    [
      'another NarHash',
      { ...byGiven, narHash: Hash.of('sha256', new Uint8Array(32).fill(1)) },
      [key],
    ],
    ['another NarSize', { ...byGiven, narSize: 121 }, [key]],
    ['another store path', { ...byGiven, storePath: path('y') }, [key]],
    ['a reference less', { ...byGiven, references: CLAIM.references.slice(1) }, [key]],
    ['a reference more', { ...byGiven, references: [...CLAIM.references, path('c')] }, [key]],
    [
      'references in a third order',
      { ...byGiven, references: CLAIM.references.toReversed().slice(1) },
      [key],
    ],
    ['a wrong content address', { ...CLAIM, ca: wrongCa }, [key]],
  ])('fails with %s', (_, claim, trusted) => {
    expect(verifyNarInfo(claim, trusted)).toBeUndefined();
  });

  it('verifies whatever can be said, and nothing else', () => {
    fc.assert(
      fc.property(arbitraryNarInfo, arbitraryNarInfo, (info, another) => {
        const claim = { ...signed(info, 'sorted'), ca: undefined };
        expect(verifyNarInfo(claim, [key])).toMatchObject({ kind: 'key' });
        expect(verifyNarInfo({ ...claim, narHash: another.narHash }, [key])?.kind).toBe(
          another.narHash.equals(info.narHash) ? 'key' : undefined,
        );
      }),
      { numRuns: 30 },
    );
  });
});

describe('requireVerified', () => {
  const byGiven = signed(CLAIM, 'given');
  const storePath = CLAIM.storePath.absolute;
  const url = 'http://cache.example/x.narinfo';

  it.each([
    ['no signature', CLAIM, [key], 'SIGNATURE_MISSING', { signedBy: [], trusted: ['key-1'] }],
    [
      'a signature by a stranger',
      byGiven,
      [other],
      'SIGNATURE_MISSING',
      {
        signedBy: ['key-1'],
        trusted: ['other-1'],
      },
    ],
    ['no trusted key', byGiven, [], 'SIGNATURE_MISSING', { signedBy: ['key-1'], trusted: [] }],
    [
      'a bad signature',
      { ...CLAIM, signatures: [bad('key-1'), bad('z')] },
      [key, namesake, other],
      'SIGNATURE_MISMATCH',
      {
        signedBy: ['key-1', 'z'],
        trusted: ['key-1', 'other-1'],
      },
    ],
    [
      'a bad signature and a wrong CA',
      { ...CLAIM, signatures: [bad('key-1')], ca: wrongCa },
      [key],
      'SIGNATURE_MISMATCH',
      {},
    ],
    [
      'a wrong CA',
      { ...CLAIM, ca: wrongCa },
      [key],
      'CONTENT_ADDRESS_MISMATCH',
      {
        ca: wrongCa.toString(),
      },
    ],
  ] as const)('%s', (_, claim, trusted, code, facts) => {
    expect(thrownBy(() => requireVerified(claim, trusted, { url }))).toMatchObject({
      code,
      message: expect.stringContaining(storePath),
      facts: { ...facts, storePath, url },
    });
  });
});
