import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { LateUpstream } from '../../src/ingest/lateUpstream.ts';
import { openUpstreams } from '../../src/ingest/openUpstreams.ts';
import { cacheInfo } from '../support/syntheticCache.ts';
import { temporaryDirectory } from '../support/temporaryDirectory.ts';
import { fakeUpstream } from './fakeUpstream.ts';

test('a directory that is not there stops nobody, and is used once it is', async () => {
  await using temporary = await temporaryDirectory('late');
  const missing = join(temporary.path, 'not-mounted');
  const other = fakeUpstream('other');
  const upstreams = await openUpstreams([missing, other], {});
  expect(upstreams.map(({ url }) => url)).toEqual([missing, 'other']);
  const [late] = upstreams;
  await expect(late?.cacheInfo()).rejects.toMatchObject({ code: 'NOT_A_BINARY_CACHE' });
  await expect(late?.narinfo('0'.repeat(32))).rejects.toMatchObject({ code: 'NOT_A_BINARY_CACHE' });
  await mkdir(missing);
  await writeFile(join(missing, 'nix-cache-info'), cacheInfo());
  await writeFile(join(missing, 'file'), 'content');
  expect(await late?.cacheInfo()).toMatchObject({ storeDir: '/nix/store' });
  expect(await late?.narinfo('0'.repeat(32))).toBeUndefined();
  const file = await late?.file('file');
  expect(file && Buffer.concat(await Array.fromAsync(file.body)).toString()).toBe('content');
  await late?.[Symbol.asyncDispose]();
});

test('an address that makes no sense is refused, and the others are closed', async () => {
  const other = fakeUpstream('other');
  await expect(openUpstreams([other, 'gopher://cache'], {})).rejects.toMatchObject({
    code: 'UPSTREAM_URL_INVALID',
  });
  expect(other.state.disposed).toBe(1);
});

test('a late upstream that is asked twice at once is open once', async () => {
  const opened: ReturnType<typeof fakeUpstream>[] = [];
  const late = new LateUpstream('late', async () => {
    await new Promise((resolve) => setImmediate(resolve));
    const upstream = fakeUpstream('late');
    opened.push(upstream);
    return upstream;
  });
  await Promise.all([late.cacheInfo(), late.narinfo('x'), late.file('y')]);
  await late[Symbol.asyncDispose]();
  expect(opened.every(({ state }) => state.disposed === 1)).toBe(true);
  const used = opened.filter(({ state }) => state.cacheInfos > 0);
  expect(used.length).toBe(1);
});
