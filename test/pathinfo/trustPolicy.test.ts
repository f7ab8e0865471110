import { describe, expect, test } from 'vitest';
import { NarthexError } from '../../src/errors.ts';
import { Hash } from '../../src/hash.ts';
import { ContentAddress, storePathOf } from '../../src/narinfo/contentAddress.ts';
import { fingerprint } from '../../src/narinfo/fingerprint.ts';
import type { NarInfo } from '../../src/narinfo/narinfo.ts';
import { Claim, type Verification } from '../../src/pathinfo/claim.ts';
import { TrustPolicy } from '../../src/pathinfo/trustPolicy.ts';
import type { SecretKey } from '../../src/signature.ts';
import { narInfoOf } from '../ingest/fakeWalk.ts';
import { byKey, secretKey } from '../ingest/signedPathInfos.ts';
import { thrownBy } from '../support/errors.ts';

const trusted = secretKey('trusted-1');
const alsoTrusted = secretKey('trusted-2');
const stranger = secretKey('stranger-1');
/** Another key that has the name of a trusted one. */
const impostor = secretKey('impostor');
const URL = 'http://cache.test/x.narinfo';

const strict = new TrustPolicy([trusted.publicKey, alsoTrusted.publicKey]);
const lax = new TrustPolicy([trusted.publicKey], { checkSignatures: false });

const plain = narInfoOf('thing', ['reference']);
const sha256 = Hash.of('sha256', new Uint8Array(32).fill(7));
const ca = ContentAddress.of('recursive', sha256);
/** A path that follows from its content address. */
const addressed: NarInfo = {
  ...narInfoOf('thing', []),
  ca,
  storePath: storePathOf(ca, 'thing'),
};

function signed(narInfo: NarInfo, ...keys: SecretKey[]): NarInfo {
  return { ...narInfo, signatures: keys.map((key) => key.sign(fingerprint(narInfo))) };
}

/** A signature by one key under the name of another. */
function forged(narInfo: NarInfo): NarInfo {
  const [signature] = signed(narInfo, impostor).signatures;
  if (signature === undefined) throw new Error('signed by one key');
  return {
    ...narInfo,
    signatures: [Object.assign(Object.create(signature), { keyName: trusted.name })],
  };
}

describe('a narinfo', () => {
  const rows: readonly [string, NarInfo, strict: Verification | string, lax: Verification][] = [
    ['signed by a trusted key', signed(plain, trusted), byKey(trusted), byKey(trusted)],
    [
      'signed by a stranger and a trusted key',
      signed(plain, stranger, trusted),
      byKey(trusted),
      byKey(trusted),
    ],
    ['signed by a stranger', signed(plain, stranger), 'SIGNATURE_MISSING', { by: 'nobody' }],
    ['signed by nobody', plain, 'SIGNATURE_MISSING', { by: 'nobody' }],
    ['with a forged signature', forged(plain), 'SIGNATURE_MISMATCH', { by: 'nobody' }],
    [
      'changed after it was signed',
      { ...signed(plain, trusted), narSize: 101 },
      'SIGNATURE_MISMATCH',
      { by: 'nobody' },
    ],
    ['with a content address', addressed, { by: 'ca' }, { by: 'ca' }],
    [
      'with a content address, signed: the key says more',
      signed(addressed, trusted),
      byKey(trusted),
      byKey(trusted),
    ],
    [
      'with a content address and a forged signature',
      forged(addressed),
      { by: 'ca' },
      { by: 'ca' },
    ],
    [
      "with another path's content address",
      { ...plain, ca },
      'CONTENT_ADDRESS_MISMATCH',
      { by: 'nobody' },
    ],
    [
      'with a content address that does not go with references',
      { ...addressed, ca: ContentAddress.of('flat', sha256), references: plain.references },
      'CONTENT_ADDRESS_MISMATCH',
      { by: 'nobody' },
    ],
  ];

  test.each(rows)('%s', (_, narInfo, whenStrict, whenLax) => {
    if (typeof whenStrict === 'string') {
      const error = thrownBy(() => strict.verify(narInfo, URL));
      expect(error.code).toBe(whenStrict);
      expect(error.facts).toMatchObject({ url: URL, storePath: narInfo.storePath.absolute });
    } else {
      expect(strict.verify(narInfo, URL)).toEqual(whenStrict);
    }
    expect(lax.verify(narInfo, URL)).toEqual(whenLax);
  });

  test('without any trusted key only content addresses are believed', () => {
    const none = new TrustPolicy([]);
    expect(thrownBy(() => none.verify(signed(plain, trusted), URL)).code).toBe('SIGNATURE_MISSING');
    expect(none.verify(addressed, URL)).toEqual({ by: 'ca' });
  });
});

describe('a kept claim', () => {
  const claimOf = (narInfo: NarInfo, verification: Verification) =>
    new Claim({ ...narInfo, origin: 'test:', verification });
  const uploader: Verification = { by: 'uploader', uploader: 'ci' };

  const rows: readonly [string, Claim, strict: Verification | undefined][] = [
    ['verified by a trusted key', claimOf(plain, byKey(trusted)), byKey(trusted)],
    ['verified by another trusted key', claimOf(plain, byKey(alsoTrusted)), byKey(alsoTrusted)],
    ['verified by content address', claimOf(addressed, { by: 'ca' }), { by: 'ca' }],
    ['vouched for by an uploader', claimOf(plain, uploader), uploader],
    ['verified by a key that is no longer trusted', claimOf(plain, byKey(stranger)), undefined],
    [
      'verified by a key of the same name as a trusted one',
      claimOf(plain, {
        by: 'key',
        publicKey: String(impostor.publicKey).replace('impostor', trusted.name),
      }),
      undefined,
    ],
    [
      'verified by a stranger, signed by a trusted key too',
      claimOf(signed(plain, stranger, trusted), byKey(stranger)),
      byKey(trusted),
    ],
    [
      'verified by nobody, signed by a trusted key',
      claimOf(signed(plain, trusted), { by: 'nobody' }),
      byKey(trusted),
    ],
    [
      'verified by nobody, signed by a stranger',
      claimOf(signed(plain, stranger), { by: 'nobody' }),
      undefined,
    ],
    ['verified by nobody, not signed', claimOf(plain, { by: 'nobody' }), undefined],
    ['verified by nobody, forged', claimOf(forged(plain), { by: 'nobody' }), undefined],
    // whether its content has that address nobody looked, so the store path proves nothing
    ['verified by nobody, with a content address', claimOf(addressed, { by: 'nobody' }), undefined],
  ];

  test.each(rows)('%s', (_, claim, verification) => {
    const accepted = strict.accept(claim);
    expect(accepted?.verification).toEqual(verification);
    if (accepted !== undefined) {
      expect({ ...accepted, verification: claim.verification }).toEqual({ ...claim });
    }
    if (accepted?.verification === claim.verification) expect(accepted).toBe(claim);
  });

  test.each(rows)(
    '%s: accepted at the least as it is where signatures are not checked',
    (_, claim) => {
      expect(lax.accept(claim)).toBeDefined();
      if (strict.accept(claim) === undefined) expect(lax.accept(claim)).toBe(claim);
    },
  );

  test('what is accepted is never less verified than it was', () => {
    for (const [, claim] of rows) {
      for (const policy of [strict, lax]) {
        const accepted = policy.accept(claim);
        if (claim.verified && accepted !== undefined) expect(accepted.verified).toBe(true);
      }
    }
  });
});

test('an error is one of ours', () => {
  expect(thrownBy(() => strict.verify(plain, URL))).toBeInstanceOf(NarthexError);
});
