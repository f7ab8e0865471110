import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ContentAddress } from '../../src/narinfo/contentAddress.ts';
import type { PathInfo } from '../../src/pathinfo/pathInfo.ts';
import { decodePathInfo, encodePathInfo, narSizeOfRecord } from '../../src/store/pathInfoCodec.ts';
import { pathInfoOf, plain } from '../contracts/pathInfos.ts';
import { thrownBy } from '../support/errors.ts';

const keyOf = ({ storePath, closureDigest }: PathInfo) => ({
  digest: storePath.digest,
  closureDigest,
});

const name = fc.stringMatching(/^[a-z][a-z0-9+._?=-]{0,20}$/);
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });

const verification = fc.oneof(
  fc.constant({ by: 'nobody' } as const),
  fc.constant({ by: 'ca' } as const),
  fc.record({ by: fc.constant('key' as const), publicKey: fc.string() }),
  fc.record({ by: fc.constant('uploader' as const), uploader: fc.string({ unit: 'grapheme' }) }),
);

const ca = fc
  .constantFrom(
    'text:sha256:1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s',
    'fixed:r:sha256:1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s',
    'fixed:md5:3y8bwfr609h3lh9ch0izcqq7fl',
  )
  .map((text) => ContentAddress.parse(text));

/** Any PathInfo that can be made, with none to six references. */
const anyPathInfo = fc
  .record({
    name,
    content: fc.string({ minLength: 1, maxLength: 40 }).filter((text) => !text.includes('\0')),
    selfReferring: fc.boolean(),
    evidence: fc.constantFrom('same' as const, 'mixed' as const, 'unchecked' as const),
    verification,
    signedBy: fc.array(name, { maxLength: 4 }),
    deriver: optional(name),
    ca: optional(ca),
    origin: optional(fc.webUrl()),
    references: fc.uniqueArray(name, { maxLength: 6 }),
  })
  .map(({ references, deriver, ca: address, origin, ...recipe }) =>
    pathInfoOf({
      ...recipe,
      references: references
        .filter((reference) => reference !== recipe.name)
        .map((reference) => pathInfoOf({ name: reference })),
      ...(deriver === undefined ? {} : { deriver }),
      ...(address === undefined ? {} : { ca: address }),
      ...(origin === undefined ? {} : { origin }),
    }),
  );

const SAMPLE = pathInfoOf({
  name: 'app',
  references: [pathInfoOf({ name: 'libc' }), pathInfoOf({ name: 'zlib' })],
  selfReferring: true,
  signedBy: ['one'],
  deriver: 'app.drv',
  origin: 'https://example.org',
});

describe('a PathInfo record', () => {
  test('round-trips', () => {
    fc.assert(
      fc.property(anyPathInfo, (pathInfo) => {
        const record = encodePathInfo(pathInfo);
        expect(plain(decodePathInfo(keyOf(pathInfo), record))).toEqual(plain(pathInfo));
        expect(narSizeOfRecord(record)).toBe(pathInfo.claim.narSize);
      }),
    );
  });

  test('cut off anywhere is refused, and so are bytes after its end', () => {
    const record = encodePathInfo(SAMPLE);
    for (let length = 0; length < record.length; length++) {
      const error = thrownBy(() => decodePathInfo(keyOf(SAMPLE), record.subarray(0, length)));
      expect([length, error.code]).toEqual([length, 'STORE_INVALID']);
    }
    const longer = Buffer.concat([record, Uint8Array.of(0)]);
    expect(thrownBy(() => decodePathInfo(keyOf(SAMPLE), longer)).code).toBe('STORE_INVALID');
  });

  test('with a flipped bit never becomes another variant', () => {
    const record = encodePathInfo(SAMPLE);
    fc.assert(
      fc.property(fc.nat({ max: record.length * 8 - 1 }), (bit) => {
        const damaged = Buffer.from(record);
        damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        try {
          const decoded = decodePathInfo(keyOf(SAMPLE), damaged);
          expect(decoded.closureDigest.hex).toBe(SAMPLE.closureDigest.hex);
        } catch (error) {
          expect(error).toMatchObject({ code: 'STORE_INVALID' });
        }
      }),
      { numRuns: 500 },
    );
  });

  test('under another key is refused with both closure digests', () => {
    const other = pathInfoOf({ name: 'app', content: 'other' });
    const error = thrownBy(() => decodePathInfo(keyOf(other), encodePathInfo(SAMPLE)));
    expect(error).toMatchObject({
      code: 'STORE_INVALID',
      facts: {
        expected: String(other.closureDigest),
        actual: String(SAMPLE.closureDigest),
      },
    });
  });
});
