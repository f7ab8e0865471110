/** Who is known by which header. */
import { timingSafeEqual } from 'node:crypto';
import { describe, expect, test, vi } from 'vitest';
import { UploadTokens } from '../src/uploadTokens.ts';

vi.mock('node:crypto', async (original) => {
  const crypto = await original<typeof import('node:crypto')>();
  return { ...crypto, timingSafeEqual: vi.fn(crypto.timingSafeEqual) };
});

const CI = 'ci-token-0123456789';
const PLAIN = 'plain-token-0123456789';
const tokens = UploadTokens.parse(`# ours\n\nci:${CI}\n${PLAIN}\r\n`);
const basic = (user: string, password: string) =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

test.each<readonly [string, string | undefined, string | undefined]>([
  ['a bearer token', `Bearer ${CI}`, 'ci'],
  ['a bearer token in small letters', `bearer ${PLAIN}`, 'uploader'],
  ['a password of any user', basic('anybody', CI), 'ci'],
  ['a password of no user', basic('', PLAIN), 'uploader'],
  ['no header', undefined, undefined],
  ['an empty header', '', undefined],
  ['no scheme', CI, undefined],
  ['another scheme', `Digest ${CI}`, undefined],
  ['another token', `Bearer ${CI}x`, undefined],
  ['the beginning of a token', `Bearer ${CI.slice(0, -1)}`, undefined],
  ['a token as a user', basic(CI, ''), undefined],
  ['a name and token as a bearer', `Bearer ci:${CI}`, undefined],
  ['a comment', 'Bearer # ours', undefined],
])('%s', (_, header, uploader) => {
  expect(tokens.uploaderOf(header)).toBe(uploader);
});

describe('how long it takes tells nothing of the tokens', () => {
  test.each([
    ['the first token', `Bearer ${CI}`],
    ['the last token', `Bearer ${PLAIN}`],
    ['none', undefined],
    ['one that begins like a token', `Bearer ${CI.slice(0, 10)}`],
    ['one of a megabyte', `Bearer ${'x'.repeat(1_000_000)}`],
  ])('%s is compared with all of them, hashes of one length in constant time', (_, header) => {
    const compare = vi.mocked(timingSafeEqual);
    compare.mockClear();
    tokens.uploaderOf(header);
    const lengths = compare.mock.calls.map(([a, b]) => [a.byteLength, b.byteLength]);
    expect(lengths).toEqual([
      [32, 32],
      [32, 32],
    ]);
  });
});

describe('a token file', () => {
  test.each([
    ['without a token', '# nothing\n', 1],
    ['with a short token', `${CI}\nci:short\n`, 2],
    ['with a token twice', `a:${CI}\nb:${CI}\n`, 2],
    ['with a blank in a token', `${CI} x\n`, 1],
    ['with a name that is none', `a b:${CI}\n`, 1],
  ])('%s', (_, text, line) => {
    expect(() => UploadTokens.parse(text)).toThrow(
      expect.objectContaining({ code: 'KEY_INVALID', facts: { line } }),
    );
  });
});
