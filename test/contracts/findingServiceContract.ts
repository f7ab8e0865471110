/** What every FindingService does (src/pathinfo/finding.ts), as tests. */
import { describe, expect, test } from 'vitest';
import { utf8 } from '../../src/bytes.ts';
import { Digest } from '../../src/castore/digest.ts';
import { hashBytes } from '../../src/hash.ts';
import type { Finding, FindingService, KeptFinding } from '../../src/pathinfo/finding.ts';
import { itemsOf } from './collect.ts';
import { storePathOf } from './pathInfos.ts';

/** A service for one test. */
export interface OpenFindingService extends AsyncDisposable {
  readonly service: FindingService;
}

const narHashOf = (text: string) => hashBytes('sha256', utf8(text));

const FINDING: Finding = {
  referrer: storePathOf('app'),
  reference: storePathOf('lib'),
  differing: storePathOf('libc'),
  ours: { narHash: narHashOf('ours'), signedBy: ['one', 'two'] },
  ourClosureDigest: Digest.of(utf8('ours')),
  theirs: { narHash: narHashOf('theirs'), signedBy: [] },
  upstream: 'https://cache.example.org',
};

/** As plain data that `toEqual` compares. */
function plain(finding: Finding | KeptFinding): unknown {
  const { ours, theirs } = finding;
  return {
    ...finding,
    referrer: finding.referrer?.baseName,
    reference: finding.reference.baseName,
    differing: finding.differing?.baseName,
    ours: { ...ours, narHash: String(ours.narHash) },
    ourClosureDigest: finding.ourClosureDigest.hex,
    theirs: { ...theirs, narHash: String(theirs.narHash) },
  };
}

const MONDAY = Date.UTC(2026, 10, 16);
const TUESDAY = Date.UTC(2026, 10, 17);
const WEDNESDAY = Date.UTC(2026, 10, 18);

/** Findings that are not the same as {@link FINDING}. */
const OTHERS: readonly (readonly [name: string, finding: Finding])[] = [
  ['referrer', { ...FINDING, referrer: storePathOf('other') }],
  ['absence of a referrer', { ...FINDING, referrer: undefined }],
  ['reference', { ...FINDING, reference: storePathOf('other') }],
  ['path that differs', { ...FINDING, differing: storePathOf('other') }],
  ['absence of a path that differs', { ...FINDING, differing: undefined }],
  ['NarHash of ours', { ...FINDING, ours: { ...FINDING.ours, narHash: narHashOf('other') } }],
  ['closure digest of ours', { ...FINDING, ourClosureDigest: Digest.of(utf8('other')) }],
  ['NarHash of theirs', { ...FINDING, theirs: { ...FINDING.theirs, narHash: narHashOf('other') } }],
  ['upstream', { ...FINDING, upstream: 'https://cache.example.org/other' }],
];

/** Runs the contract. */
export function findingServiceContract(
  name: string,
  open: () => Promise<OpenFindingService>,
): void {
  describe(`${name} as a FindingService`, () => {
    test('keeps findings whole', async () => {
      await using opened = await open();
      const { service } = opened;
      const findings = [FINDING, ...OTHERS.map(([, finding]) => finding)];
      await service.recordFindings(findings, MONDAY);
      const kept = (await itemsOf(service.listFindings())).map(plain);
      expect(kept).toHaveLength(findings.length);
      for (const finding of findings) {
        const expected = plain({ ...finding, firstSeen: MONDAY, lastSeen: MONDAY });
        expect(kept).toContainEqual(expected);
      }
    });

    test('has none at first, and none after none was recorded', async () => {
      await using opened = await open();
      const { service } = opened;
      expect(await itemsOf(service.listFindings())).toEqual([]);
      await service.recordFindings([], MONDAY);
      expect(await itemsOf(service.listFindings())).toEqual([]);
    });

    test('what is seen again stays one, with the newer signers', async () => {
      await using opened = await open();
      const { service } = opened;
      await service.recordFindings([FINDING], MONDAY);
      const again: Finding = {
        ...FINDING,
        ours: { ...FINDING.ours, signedBy: ['three'] },
        theirs: { ...FINDING.theirs, signedBy: ['four', 'five'] },
      };
      await service.recordFindings([again, again], TUESDAY);
      expect((await itemsOf(service.listFindings())).map(plain)).toEqual([
        plain({ ...again, firstSeen: MONDAY, lastSeen: TUESDAY }),
      ]);
    });

    test('a clock that goes back makes nothing newer', async () => {
      await using opened = await open();
      const { service } = opened;
      for (const now of [TUESDAY, MONDAY, WEDNESDAY, TUESDAY]) {
        await service.recordFindings([FINDING], now);
      }
      expect(await itemsOf(service.listFindings())).toMatchObject([
        { firstSeen: MONDAY, lastSeen: WEDNESDAY },
      ]);
    });

    test.each(OTHERS)('another %s makes it another finding', async (_, other) => {
      await using opened = await open();
      const { service } = opened;
      await service.recordFindings([FINDING], MONDAY);
      await service.recordFindings([other], TUESDAY);
      expect(await itemsOf(service.listFindings())).toHaveLength(2);
    });

    test('lists by referrer, reference and upstream: none first, then by digest', async () => {
      await using opened = await open();
      const { service } = opened;
      const byDigest = ['one', 'two', 'three', 'four']
        .map(storePathOf)
        .sort((a, b) => Buffer.compare(a.digest, b.digest));
      const longUrl = `https://cache.example.org/${'very/'.repeat(500)}long`;
      const ordered: Finding[] = [undefined, ...byDigest].flatMap((referrer) =>
        byDigest.flatMap((reference) =>
          ['https://a.org', 'https://a.org/b', 'https://b.org', longUrl].map((upstream) => ({
            ...FINDING,
            referrer,
            reference,
            upstream,
          })),
        ),
      );
      await service.recordFindings(ordered.toReversed(), MONDAY);
      const listed = await itemsOf(service.listFindings());
      expect(listed.map(({ firstSeen, lastSeen, ...finding }) => plain(finding))).toEqual(
        ordered.map(plain),
      );
    });

    test('takes thousands at once', async () => {
      await using opened = await open();
      const { service } = opened;
      const findings = Array.from({ length: 3000 }, (_, i) => ({
        ...FINDING,
        referrer: storePathOf(`referrer-${i}`),
      }));
      await service.recordFindings(findings, MONDAY);
      expect(await itemsOf(service.listFindings())).toHaveLength(findings.length);
    });

    test('an abort stays an abort', async () => {
      await using opened = await open();
      const { service } = opened;
      await service.recordFindings([FINDING], MONDAY);
      const options = { signal: AbortSignal.abort(new Error('enough')) };
      await expect(service.recordFindings([FINDING], TUESDAY, options)).rejects.toThrow('enough');
      await expect(itemsOf(service.listFindings(options))).rejects.toThrow('enough');
    });
  });
}
