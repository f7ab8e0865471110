import { describe, expect, test } from 'vitest';
import { isKnownToClient, requestedRange } from '../../src/cacheRoutes/conditional.ts';

const ETAG = '"tag"';

const request = (headers: Record<string, string>, method = 'GET') => ({
  method,
  path: '/',
  query: new URLSearchParams(),
  headers,
});

describe('If-None-Match', () => {
  test.each([
    ['the tag', '"tag"', true],
    ['the tag, weak', 'W/"tag"', true],
    ['one of several', '"a", W/"b","tag"', true],
    ['anything', '*', true],
    ['another tag', '"tags"', false],
    ['a tag that holds ours', '"a,\'tag\'"', false],
    ['a tag without quotes', 'tag', false],
    ['nothing', '', false],
  ])('%s: %s', (_, condition, expected) => {
    expect(isKnownToClient(request({ 'if-none-match': condition }), ETAG)).toBe(expected);
  });

  test('no condition', () => {
    expect(isKnownToClient(request({}), ETAG)).toBe(false);
  });
});

describe('Range, of 100 bytes', () => {
  test.each([
    ['the first byte', 'bytes=0-0', { start: 0, end: 1 }],
    ['from and to', 'bytes=10-19', { start: 10, end: 20 }],
    ['from', 'bytes=90-', { start: 90, end: 100 }],
    ['beyond the end', 'bytes=90-200', { start: 90, end: 100 }],
    ['the last', 'bytes=-10', { start: 90, end: 100 }],
    ['more last ones than there are', 'bytes=-200', { start: 0, end: 100 }],
    ['the unit in capitals', 'BYTES=1-1', { start: 1, end: 2 }],
    ['a number above 2^64', 'bytes=0-99999999999999999999', { start: 0, end: 100 }],
    ['at the end', 'bytes=100-', 'unsatisfiable'],
    ['no last byte', 'bytes=-0', 'unsatisfiable'],
    ['backwards', 'bytes=2-1', undefined],
    ['several', 'bytes=0-0,2-2', undefined],
    ['another unit', 'lines=0-1', undefined],
    ['no number', 'bytes=-', undefined],
    ['negative', 'bytes=-1-2', undefined],
  ])('%s: %s', (_, range, expected) => {
    expect(requestedRange(request({ range }), ETAG, 100)).toEqual(expected);
  });

  test.each([
    ['this version', '"tag"', { start: 0, end: 1 }],
    ['another version', '"tags"', undefined],
    ['a weak tag', 'W/"tag"', undefined],
    ['a date', 'Thu, 01 Jan 1970 00:00:01 GMT', undefined],
  ])('If-Range with %s', (_, ifRange, expected) => {
    const headers = { range: 'bytes=0-0', 'if-range': ifRange };
    expect(requestedRange(request(headers), ETAG, 100)).toEqual(expected);
  });

  test('for HEAD it has no meaning', () => {
    expect(requestedRange(request({ range: 'bytes=0-0' }, 'HEAD'), ETAG, 100)).toBeUndefined();
  });
});
