import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { openHttpUpstream } from '../../../src/upstream/httpUpstream.ts';
import { bodyOf } from '../../contracts/upstreamContract.ts';
import { type Answer, type CacheRequest, serveStatic } from '../../support/staticCache.ts';
import { FILES, IMPATIENT, inTurn, LARGE, serve } from './scriptedServer.ts';

describe('a body that breaks off', () => {
  const cut = (at: number, more: Answer = {}): Answer => ({ truncateAt: at, ...more });
  const isFile = ({ path }: CacheRequest) => path === 'nar/large.nar';

  test('goes on where it broke off, as often as needed', async () => {
    const answers = inTurn(cut(100_000), cut(50_000), { reset: true }, cut(1));
    await using served = await serve((request) => (isFile(request) ? answers() : undefined));
    const file = await served.upstream.file('nar/large.nar');
    expect(file?.sizeBytes).toBe(LARGE.length);
    expect((await bodyOf(file)).equals(LARGE)).toBe(true);
    const [first, ...others] = served.server.requests.map(({ headers }) => headers);
    expect(first?.range).toBeUndefined();
    expect(others.map(({ range }) => range)).toEqual([
      'bytes=100000-',
      'bytes=150000-',
      'bytes=150000-',
      'bytes=150001-',
    ]);
    for (const headers of others) expect(headers['if-range']).toMatch(/^".*"$/);
  });

  test('is given up after so many attempts without progress', async () => {
    const first = inTurn(cut(100_000));
    await using served = await serve(() => first() ?? { reset: true });
    await expect(bodyOf(await served.upstream.file('nar/large.nar'))).rejects.toMatchObject({
      code: 'UPSTREAM_FAILED',
      facts: { kind: 'reset', attempts: 5 },
    });
    expect(served.server.requests).toHaveLength(5);
  });

  test('may break off more often if there is progress', async () => {
    const body = randomBytes(20 * 1024 * 1024);
    const parts = 1024 * 1024 + 1;
    await using server = await serveStatic(() => body, {
      respond: () => ({ truncateAt: parts }),
    });
    await using upstream = openHttpUpstream(server.url, IMPATIENT);
    expect((await bodyOf(await upstream.file('nar/x'))).equals(body)).toBe(true);
    expect(server.requests).toHaveLength(Math.ceil(body.length / parts));
  });

  test('before its first byte is asked for again', async () => {
    await using served = await serve(inTurn(cut(0)), { serve: { ranges: false, etags: false } });
    const file = await served.upstream.file('nar/large.nar');
    expect((await bodyOf(file)).equals(LARGE)).toBe(true);
    expect(served.server.requests.map(({ headers }) => headers.range)).toEqual([
      undefined,
      undefined,
    ]);
  });

  test.each([
    ['by its ETag', { headers: { 'last-modified': '' } }, /^"/],
    [
      'by Last-Modified',
      { headers: { etag: '', 'last-modified': 'Sun, 22 Nov 2026 00:00:00 GMT' } },
      /^Sun/,
    ],
    [
      'by Last-Modified with a weak ETag',
      { headers: { etag: 'W/"x"', 'last-modified': 'Sun, 22 Nov 2026 00:00:00 GMT' } },
      /^Sun/,
    ],
    ['by its length alone', { headers: { etag: '' } }, undefined],
  ])('is known to be the same %s', async (_, same, condition) => {
    const answers = inTurn(cut(100_000, same), {
      ...same,
      status: 206,
      body: LARGE.subarray(100_000),
      headers: {
        ...same.headers,
        'content-range': `bytes 100000-${LARGE.length - 1}/${LARGE.length}`,
      },
    });
    await using served = await serve(answers);
    expect((await bodyOf(await served.upstream.file('nar/large.nar'))).equals(LARGE)).toBe(true);
    const ifRange = served.server.requests[1]?.headers['if-range'];
    if (condition === undefined) expect(ifRange).toBeUndefined();
    else expect(ifRange).toMatch(condition);
  });

  test.each([
    ['that takes no ranges', cut(1000, { headers: { 'accept-ranges': '' } })],
    ['that takes none of bytes', cut(1000, { headers: { 'accept-ranges': 'none' } })],
    ['of unknown length and version', cut(1000, { chunked: true, headers: { etag: '' } })],
  ])('of a server %s: the error surfaces', async (_, first) => {
    await using served = await serve(inTurn(first));
    await expect(bodyOf(await served.upstream.file('nar/large.nar'))).rejects.toMatchObject({
      code: 'UPSTREAM_FAILED',
      facts: { kind: 'reset', attempts: 1 },
      cause: expect.objectContaining({ code: 'UND_ERR_SOCKET' }),
    });
    expect(served.server.requests).toHaveLength(1);
  });

  const rest = `bytes 1000-${LARGE.length - 1}/${LARGE.length}`;
  const other = randomBytes(LARGE.length);
  test.each([
    ['another version (200)', { status: 200, body: other, headers: { etag: '"other"' } }],
    ['all of it', { status: 200, body: LARGE }],
    [
      'a rest with another ETag',
      { status: 206, headers: { etag: '"other"', 'content-range': rest } },
    ],
    ['a rest without an ETag', { status: 206, headers: { etag: '', 'content-range': rest } }],
    [
      'a rest of another length',
      { status: 206, headers: { 'content-range': 'bytes 1000-1999/2000' } },
    ],
    [
      'a rest from elsewhere',
      { status: 206, headers: { 'content-range': rest.replace('1000', '999') } },
    ],
    [
      'a part of the rest',
      { status: 206, headers: { 'content-range': `bytes 1000-1999/${LARGE.length}` } },
    ],
    ['a rest that does not say which', { status: 206, headers: { 'content-range': '' } }],
    [
      'an encoded rest',
      { status: 206, headers: { 'content-range': rest, 'content-encoding': 'gzip' } },
    ],
  ])('and goes on with %s is refused', async (_, second) => {
    await using served = await serve(inTurn(cut(1000), second));
    await expect(bodyOf(await served.upstream.file('nar/large.nar'))).rejects.toMatchObject({
      code: 'UPSTREAM_FAILED',
      facts: { kind: 'changed', offset: 1000, attempts: 2 },
      cause: { facts: { kind: 'reset' } },
    });
  });

  test.each([404, 403, 416])('and goes on with a status %i is refused', async (status) => {
    await using served = await serve(inTurn(cut(1000), { status }));
    await expect(bodyOf(await served.upstream.file('nar/large.nar'))).rejects.toMatchObject({
      code: 'UPSTREAM_STATUS',
      facts: { status },
    });
  });

  test('goes on through the redirect that led to it', async () => {
    const answers = inTurn(cut(100_000));
    await using storage = await serveStatic(FILES, { respond: answers });
    let signature = 0;
    await using served = await serve(() => ({
      status: 302,
      headers: { location: `${storage.url}/nar/large.nar?sig=${++signature}` },
    }));
    expect((await bodyOf(await served.upstream.file('nar/large.nar'))).equals(LARGE)).toBe(true);
    expect(storage.requests.map(({ query, headers }) => [query, headers.range])).toEqual([
      ['?sig=1', undefined],
      ['?sig=2', 'bytes=100000-'],
    ]);
  });
});
