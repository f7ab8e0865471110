/** Where an upstream may lead, and what goes along. */
import { describe, expect, test } from 'vitest';
import { type HttpUpstreamOptions, openHttpUpstream } from '../../../src/upstream/httpUpstream.ts';
import { bodyOf } from '../../contracts/upstreamContract.ts';
import { thrownBy } from '../../support/errors.ts';
import { type Answer, serveStatic } from '../../support/staticCache.ts';
import { FILES, HASH_PART, inTurn, NARINFO, ONCE, outcome, serve } from './scriptedServer.ts';

describe('a redirect', () => {
  const to = (location: string, status = 302): Answer => ({ status, headers: { location } });

  test.each([301, 302, 303, 307, 308])(
    '%i within the origin keeps the credentials',
    async (status) => {
      await using served = await serve(
        ({ path }) => (path === NARINFO ? to('/nar/a.nar', status) : undefined),
        { base: 'http://u:p@HOST' },
      );
      const narinfo = await served.upstream.narinfo(HASH_PART);
      expect(Buffer.from(narinfo ?? []).toString()).toBe('contents');
      expect(served.server.requests.map(({ headers }) => headers.authorization)).toEqual([
        'Basic dTpw',
        'Basic dTpw',
      ]);
    },
  );

  test('to another origin goes without credentials and query', async () => {
    await using storage = await serveStatic(FILES);
    await using served = await serve(() => to(`${storage.url}/nar/a.nar?sig=s`), {
      base: 'http://u:p@HOST?token=t',
    });
    expect((await bodyOf(await served.upstream.file('nar/x'))).toString()).toBe('contents');
    const [request] = storage.requests;
    expect(request?.query).toBe('?sig=s');
    expect(request?.headers.authorization).toBeUndefined();
  });

  test('back to the origin gets them again', async () => {
    await using served = await serve(
      ({ path }) => (path === NARINFO ? to(`${storage.url}/back`) : undefined),
      { base: 'http://u:p@HOST' },
    );
    await using storage = await serveStatic(FILES, {
      respond: () => to(`${served.server.url}/nar/a.nar`),
    });
    expect(await outcome(served.upstream.narinfo(HASH_PART))).toBe('there');
    expect(served.server.requests.at(-1)?.headers.authorization).toBe('Basic dTpw');
  });

  test.each([
    ['in a circle', '/nar/x', 'UPSTREAM_FAILED'],
    ['to a file', 'file:///etc/passwd', 'UPSTREAM_URL_FORBIDDEN'],
    ['to nowhere', 'http://', 'UPSTREAM_URL_INVALID'],
    ['to a metadata service', 'http://169.254.169.254/latest/', 'UPSTREAM_URL_FORBIDDEN'],
    ['to a private address', 'http://10.0.0.1/', 'UPSTREAM_URL_FORBIDDEN'],
    ['to a mapped address', 'http://[::ffff:10.0.0.1]/', 'UPSTREAM_URL_FORBIDDEN'],
  ])('%s', async (_, location, code) => {
    await using served = await serve(() => to(location));
    await expect(served.upstream.file('nar/x')).rejects.toMatchObject({ code });
  });

  test('is followed as often as the limit says', async () => {
    const hops = (count: number) =>
      inTurn(...Array.from({ length: count }, () => to('/nar/a.nar')));
    await using fine = await serve(hops(3), { redirectLimit: 3 });
    expect((await bodyOf(await fine.upstream.file('nar/a.nar'))).toString()).toBe('contents');
    await using many = await serve(hops(4), { redirectLimit: 3 });
    await expect(many.upstream.file('nar/a.nar')).rejects.toMatchObject({
      code: 'UPSTREAM_FAILED',
      facts: { kind: 'redirects', expected: 3 },
    });
    expect(many.server.requests).toHaveLength(4);
  });

  test('without a location is no answer', async () => {
    await using served = await serve(() => ({ status: 302 }));
    expect(await outcome(served.upstream.narinfo(HASH_PART))).toBe('UPSTREAM_STATUS');
  });
});

describe('names and addresses', () => {
  /** Resolves every name to this machine, but for `metadata.test`. */
  const resolve: HttpUpstreamOptions['resolve'] = (host, _, callback) =>
    callback(null, [
      { address: host === 'metadata.test' ? '169.254.169.254' : '127.0.0.1', family: 4 },
    ]);

  test('a name that resolves to where the cache may not lead is refused', async () => {
    await using server = await serveStatic(FILES, {
      respond: ({ path }) =>
        path === NARINFO
          ? { status: 302, headers: { location: 'http://metadata.test/' } }
          : undefined,
    });
    await using upstream = openHttpUpstream(`http://cache.test:${server.port}`, {
      resolve,
      ...ONCE,
    });
    expect(await outcome(upstream.cacheInfo())).toBe('there');
    await expect(upstream.narinfo(HASH_PART)).rejects.toMatchObject({
      code: 'UPSTREAM_URL_FORBIDDEN',
      facts: { addresses: ['169.254.169.254'] },
    });
  });

  test('a cache whose name is another address the second time is refused then', async () => {
    await using server = await serveStatic(FILES, {
      respond: () => ({ headers: { connection: 'close' } }), // each request resolves anew
    });
    const addresses = ['127.0.0.1', '169.254.169.254'];
    await using upstream = openHttpUpstream(`http://rebinding.test:${server.port}`, {
      resolve: (_, __, callback) =>
        callback(null, [{ address: addresses.shift() ?? '', family: 4 }]),
      ...ONCE,
    });
    expect(await outcome(upstream.cacheInfo())).toBe('there');
    await expect(upstream.narinfo(HASH_PART)).rejects.toMatchObject({
      code: 'UPSTREAM_URL_FORBIDDEN',
      facts: { addresses: ['169.254.169.254'] },
    });
    expect(addresses).toEqual([]);
  });

  test('localhost', async () => {
    await using server = await serveStatic(FILES);
    await using upstream = openHttpUpstream(`http://localhost:${server.port}`);
    expect(await outcome(upstream.cacheInfo())).toBe('there');
  });
});

describe('a URL at another origin', () => {
  test('is followed only if allowed, without credentials', async () => {
    await using storage = await serveStatic(FILES);
    const url = `${storage.url}/nar/a.nar`;
    await using refused = await serve(() => undefined, { base: 'http://u:p@HOST?t=1' });
    await expect(refused.upstream.file(url)).rejects.toMatchObject({
      code: 'UPSTREAM_URL_FORBIDDEN',
      facts: { url, expected: refused.server.url, actual: storage.url },
    });
    expect(storage.requests).toHaveLength(0);
    await using allowed = await serve(() => undefined, {
      base: 'http://u:p@HOST?t=1',
      narOrigins: [storage.url],
    });
    expect((await bodyOf(await allowed.upstream.file(url))).toString()).toBe('contents');
    expect(storage.requests[0]).toMatchObject({ path: 'nar/a.nar', query: '' });
    expect(storage.requests[0]?.headers.authorization).toBeUndefined();
  });

  test('is followed to those that are named, and to no others', async () => {
    await using named = await serveStatic(FILES);
    await using other = await serveStatic(FILES);
    await using served = await serve(() => undefined, { narOrigins: [`${named.url}/`] });
    expect(await outcome(served.upstream.file(`${named.url}/nar/a.nar`))).toBe('there');
    expect(await outcome(served.upstream.file(`${other.url}/nar/a.nar`))).toBe(
      'UPSTREAM_URL_FORBIDDEN',
    );
    expect(other.requests).toHaveLength(0);
  });

  test.each(['nars.example', 'ftp://h', 'https://h/folder', 'https://u:p@h', 'https://h/?q', '*'])(
    'cannot be allowed by what is no origin: %s',
    (origin) => {
      const opening = () => openHttpUpstream('http://cache.test', { narOrigins: [origin] });
      expect(thrownBy(opening)).toMatchObject({ code: 'UPSTREAM_URL_INVALID' });
    },
  );

  test('is not followed to this machine from elsewhere, allowed or not', async () => {
    await using storage = await serveStatic(FILES);
    await using upstream = openHttpUpstream('http://192.0.2.1', { narOrigins: ['any'] });
    await expect(upstream.file(`${storage.url}/nar/a.nar`)).rejects.toMatchObject({
      code: 'UPSTREAM_URL_FORBIDDEN',
    });
    expect(storage.requests).toHaveLength(0);
  });
});
