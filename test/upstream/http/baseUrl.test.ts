import { describe, expect, test } from 'vitest';
import { BaseUrl } from '../../../src/upstream/http/baseUrl.ts';

describe('a reference is resolved', () => {
  test.each([
    ['http://h', 'x.narinfo', 'http://h/x.narinfo'],
    ['http://h/', 'x.narinfo', 'http://h/x.narinfo'],
    ['http://h/foo', 'x.narinfo', 'http://h/foo/x.narinfo'],
    ['http://h/foo/', 'x.narinfo', 'http://h/foo/x.narinfo'],
    ['http://h/foo//', 'x.narinfo', 'http://h/foo/x.narinfo'],
    ['http://h/foo', 'nar/x.nar?hash=a%20b', 'http://h/foo/nar/x.nar?hash=a%20b'],
    ['http://h/foo', '/nar/x.nar', 'http://h/nar/x.nar'],
    ['http://h/foo', '../nar/x.nar', 'http://h/nar/x.nar'],
    ['http://h/foo', 'http://h/x.nar#part', 'http://h/x.nar'],
    ['http://h/foo', 'https://other/x.nar', 'https://other/x.nar'],
    ['http://h/foo', '//other/x.nar', 'http://other/x.nar'],
    ['http://h/foo', '\\\\other\\x.nar', 'http://other/x.nar'],
    ['http://h/foo', 'http://user:pass@other/x.nar', 'http://other/x.nar'],
    ['http://user:pass@h/foo', 'x.nar', 'http://h/foo/x.nar'],
    // the query of the base belongs to its origin
    ['http://h/foo?t=1', 'x.nar', 'http://h/foo/x.nar?t=1'],
    ['http://h/foo?t=1&u=%2F', 'x.nar?hash=h', 'http://h/foo/x.nar?hash=h&t=1&u=%2F'],
    ['http://h/foo?t=1', 'x.nar?t=2', 'http://h/foo/x.nar?t=2'],
    ['http://h/foo?t=1', 'http://h/x.nar', 'http://h/x.nar?t=1'],
    ['http://h/foo?t=1', 'https://h/x.nar', 'https://h/x.nar'],
    ['http://h/foo?t=1', 'http://h:8080/x.nar', 'http://h:8080/x.nar'],
  ])('%s + %s = %s', (base, reference, expected) => {
    expect(new BaseUrl(base).resolve(reference).href).toBe(expected);
  });

  test.each([
    ['', 'UPSTREAM_URL_INVALID'],
    ['http://', 'UPSTREAM_URL_INVALID'],
    ['file:///etc/passwd', 'UPSTREAM_URL_FORBIDDEN'],
    ['data:,x', 'UPSTREAM_URL_FORBIDDEN'],
    ['javascript:x', 'UPSTREAM_URL_FORBIDDEN'],
  ])('%j is refused', (reference, code) => {
    expect(() => new BaseUrl('http://h').resolve(reference)).toThrow(
      expect.objectContaining({ code }),
    );
  });
});

describe('credentials', () => {
  const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;
  const NETRC = 'machine h login n password np machine h login u password up';

  test.each([
    ['none', 'http://h', undefined, undefined],
    ['in the address', 'http://u:p@h', undefined, 'u:p'],
    ['a user alone', 'http://u@h', undefined, 'u:'],
    ['a password alone', 'http://:p@h', undefined, ':p'],
    ['escaped', 'http://u%40x:p%3A%C3%A9@h', undefined, 'u@x:p:é'],
    ['with a bare %', 'http://u:100%@h', undefined, 'u:100%'],
    ['in the netrc', 'http://h', NETRC, 'n:np'],
    ['in the netrc of a user', 'http://u@h', NETRC, 'u:up'],
    ['in both', 'http://x:y@h', NETRC, 'x:y'],
    ['of another host', 'http://g', NETRC, undefined],
    ['of an IPv6 host', 'http://[::1]:80', 'machine ::1 login n password np', 'n:np'],
  ])('%s', (_, address, netrc, expected) => {
    const base = new BaseUrl(address, netrc);
    const authorization = base.authorizationFor(base.resolve('x'));
    expect(authorization).toBe(expected === undefined ? undefined : basic(expected));
  });

  test.each([
    ['http://h/other/path', true],
    ['http://h:80/', true],
    ['http://h:81/', false],
    ['https://h/', false],
    ['http://sub.h/', false],
    ['http://other/', false],
  ])('%s gets them: %s', (url, sent) => {
    const base = new BaseUrl('http://u:p@h/foo');
    expect(base.authorizationFor(new URL(url)) !== undefined).toBe(sent);
  });
});
