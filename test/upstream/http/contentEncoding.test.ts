import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { utf8 } from '../../../src/bytes.ts';
import { bodyOf } from '../../contracts/upstreamContract.ts';
import { COMPRESSIONS, compress } from '../../support/compress.ts';
import type { Answer } from '../../support/staticCache.ts';
import { HASH_PART, LARGE, serve } from './scriptedServer.ts';

describe('Content-Encoding', () => {
  const encoded = (encoding: string, body: Uint8Array): Answer => ({
    headers: { 'content-encoding': encoding },
    body,
  });

  test.each([...COMPRESSIONS.filter((name) => name !== 'none'), 'x-gzip', 'GZIP'] as const)(
    '%s is decoded, its length not announced',
    async (name) => {
      const compression = name === 'x-gzip' || name === 'GZIP' ? 'gzip' : name;
      await using served = await serve(async (_, body) =>
        encoded(name, await compress(compression, body ?? new Uint8Array(0))),
      );
      const { upstream } = served;
      expect(await upstream.cacheInfo()).toMatchObject({ storeDir: '/nix/store' });
      expect(Buffer.from((await upstream.narinfo(HASH_PART)) ?? []).toString()).toBe(
        'StorePath: x\n',
      );
      const file = await upstream.file('nar/large.nar');
      expect(file?.sizeBytes).toBeUndefined();
      expect((await bodyOf(file)).equals(LARGE)).toBe(true);
    },
  );

  test('several are decoded one after the other', async () => {
    await using served = await serve(async (_, body = new Uint8Array(0)) =>
      encoded('zstd, gzip', gzipSync(await compress('zstd', body))),
    );
    expect((await bodyOf(await served.upstream.file('nar/a.nar'))).toString()).toBe('contents');
  });

  test.each(['deflate', 'gzip, rot13', 'gzip,gzip,gzip,gzip', 'compress'])(
    '%s is refused',
    async (encoding) => {
      await using served = await serve(() => encoded(encoding, utf8('x')));
      const unsupported = { code: 'COMPRESSION_UNSUPPORTED', facts: { compression: encoding } };
      await expect(served.upstream.file('nar/a.nar')).rejects.toMatchObject(unsupported);
      await expect(served.upstream.narinfo(HASH_PART)).rejects.toMatchObject(unsupported);
    },
  );

  test.each([
    ['corrupt', utf8('not gzip at all'), 'COMPRESSION_INVALID'],
    ['truncated', gzipSync(LARGE).subarray(0, -4), 'COMPRESSION_TRUNCATED'],
    [
      'followed by something',
      Buffer.concat([gzipSync(LARGE), utf8('more')]),
      'COMPRESSION_TRAILING',
    ],
  ])('%s data', async (_, body, code) => {
    await using served = await serve(() => encoded('gzip', body));
    const { server, upstream } = served;
    await expect(bodyOf(await upstream.file('nar/a.nar'))).rejects.toMatchObject({
      code,
      facts: { url: `${server.url}/nar/a.nar` },
    });
  });

  test('a bomb stops at the limit', async () => {
    const bomb = gzipSync(new Uint8Array(64 * 1024 * 1024));
    await using served = await serve(() => encoded('gzip', bomb));
    await expect(served.upstream.narinfo(HASH_PART)).rejects.toMatchObject({
      code: 'LIMIT_EXCEEDED',
      facts: { limit: 'narinfoBytes' },
    });
    await expect(
      bodyOf(await served.upstream.file('nar/a.nar', { maxBytes: 1000 })),
    ).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED', facts: { limit: 'maxBytes' } });
  });

  test('an encoded body is not resumed', async () => {
    const body = gzipSync(LARGE);
    await using served = await serve(() => ({ ...encoded('gzip', body), truncateAt: 100_000 }));
    await expect(bodyOf(await served.upstream.file('nar/large.nar'))).rejects.toMatchObject({
      code: 'UPSTREAM_FAILED',
      facts: { kind: 'reset', attempts: 1 },
    });
    expect(served.server.requests).toHaveLength(1);
  });
});
