import { describe, expect, test } from 'vitest';
import { claimFaults } from '../../src/audit/claimAudit.ts';
import { ContentAddress } from '../../src/narinfo/contentAddress.ts';
import { parseNarInfo } from '../../src/narinfo/parse.ts';
import { Claim, type ClaimFields } from '../../src/pathinfo/claim.ts';
import { PublicKey, Signature } from '../../src/signature.ts';
import { testKey } from '../support/signingKey.ts';
import { syntheticCache, TEST_KEY } from '../support/syntheticCache.ts';
import { file } from '../support/syntheticTree.ts';

const OTHER_KEY = testKey('other-1');
/** Another key under the same name. */
const SUCCESSOR = PublicKey.parse(
  `${TEST_KEY.publicKey.split(':')[0]}:${OTHER_KEY.publicKey.split(':')[1]}`,
);
const TRUSTED = [PublicKey.parse(TEST_KEY.publicKey)];
const byKey = (publicKey: string) => ({ by: 'key', publicKey }) as const;

const cache = await syntheticCache([
  { name: 'base', keys: [TEST_KEY, OTHER_KEY] },
  {
    name: 'addressed',
    tree: file('x'),
    contentAddress: { method: 'flat', algorithm: 'sha256' },
    keys: [],
  },
]);

function claimOf(name: string, verification: ClaimFields['verification']): ClaimFields {
  const info = parseNarInfo(Buffer.from(cache.path(name).narinfo));
  return { ...info, origin: undefined, verification };
}

const signed = claimOf('base', byKey(TEST_KEY.publicKey));
const addressed = claimOf('addressed', { by: 'ca' });
const otherAddress = ContentAddress.parse(`fixed:sha256:${'0'.repeat(52)}`);
const notByTestKey = { ...signed, signatures: signed.signatures.slice(1) };
const forged = {
  ...signed,
  signatures: [Signature.of(TRUSTED[0]?.name ?? '', new Uint8Array(64)), ...signed.signatures],
};

describe('claimFaults', () => {
  test.each<[what: string, claim: ClaimFields, codes: string[], keys?: readonly PublicKey[]]>([
    ['signed', signed, []],
    ['verified by a key that is not trusted now', signed, [], []],
    ['verified by nobody', { ...notByTestKey, verification: { by: 'nobody' } }, [], []],
    [
      'verified by an uploader',
      { ...notByTestKey, verification: { by: 'uploader', uploader: 'x' } },
      [],
    ],
    ['a changed NarSize', { ...signed, narSize: signed.narSize + 1 }, ['SIGNATURE_MISMATCH']],
    ['a changed deriver, which nobody signs', { ...signed, deriver: signed.storePath }, []],
    ['the signature is gone', notByTestKey, ['SIGNATURE_MISSING']],
    ['one of two signatures of a key is forged', forged, ['SIGNATURE_MISMATCH']],
    ['a signature by another key of that name', signed, [], [SUCCESSOR]],
    ['verified by what is no key', { ...signed, verification: byKey('x') }, ['SIGNATURE_MISSING']],
    [
      'verified by another key',
      { ...signed, verification: byKey(testKey('third-1').publicKey) },
      ['SIGNATURE_MISSING'],
    ],
    ['content-addressed', addressed, []],
    ['another content address', { ...addressed, ca: otherAddress }, ['CONTENT_ADDRESS_MISMATCH']],
    ['the content address is gone', { ...addressed, ca: undefined }, ['CONTENT_ADDRESS_MISMATCH']],
    [
      'a content address on what is signed',
      { ...signed, ca: otherAddress },
      ['CONTENT_ADDRESS_MISMATCH'],
    ],
  ])('%s', (_, claim, codes, keys = TRUSTED) => {
    const faults = claimFaults(new Claim(claim), keys);
    expect(faults.map(({ code }) => code)).toEqual(codes);
    for (const { facts } of faults) expect(facts['storePath']).toBe(claim.storePath.absolute);
  });
});
