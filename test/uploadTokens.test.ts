/** Who is known by which header. */
import { describe, expect, test } from 'vitest';
import { UploadTokens } from '../src/uploadTokens.ts';

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
