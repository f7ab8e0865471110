import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeBase64, encodeBase64 } from '../src/base64.ts';

const bytesOf = (...bytes: number[]) => new Uint8Array(bytes);

describe('decodeBase64', () => {
  it.each([
    ['nothing', '', bytesOf()],
    ['two padding characters', '/w==', bytesOf(255)],
    ['one padding character', '//4=', bytesOf(255, 254)],
    ['no padding needed', '+/79', bytesOf(0xfb, 0xfe, 0xfd)],
    ['padding left out', '/w', bytesOf(255)],
  ])('reads %s', (_, text, bytes) => {
    expect(decodeBase64(text)).toEqual(bytes);
  });

  it.each([
    ['half of the padding', '/w='],
    ['too much padding', '//4=='],
    ['spare bits that are not zero', '/x=='],
    ['URL-safe letters', '-_79'],
    ['white space', '+/ 79'],
    ['a final line feed', '+/79\n'],
    ['text after the padding', '/w==/w=='],
    ['a length that no bytes have', 'A'],
    ['a character beyond ASCII', '+/7é'],
  ])('refuses %s', (_, text) => {
    expect(decodeBase64(text)).toBeUndefined();
  });

  it('reads what encodeBase64 writes', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(decodeBase64(encodeBase64(bytes))).toEqual(bytes);
      }),
    );
  });
});
