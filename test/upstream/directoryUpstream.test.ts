import { execFileSync } from 'node:child_process';
import { mkdir, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { utf8 } from '../../src/bytes.ts';
import { openDirectoryUpstream } from '../../src/upstream/directoryUpstream.ts';
import { bodyOf, describeUpstream } from '../contracts/upstreamContract.ts';
import { writeCacheFiles } from '../support/cacheFiles.ts';
import { fixtureCache, hashPartOfPath } from '../support/fixtureCache.ts';
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporaryDirectory.ts';

describeUpstream('a directory', async () => {
  const temporary = await temporaryDirectory('upstream');
  let count = 0;
  return {
    async open(files, options) {
      const directory = join(temporary.path, String(count++));
      await writeCacheFiles(files, directory);
      return openDirectoryUpstream(directory, options);
    },
    [Symbol.asyncDispose]: () => temporary[Symbol.asyncDispose](),
  };
});

describe('a directory', () => {
  let temporary: TemporaryDirectory;
  let cache: string;
  beforeEach(async () => {
    temporary = await temporaryDirectory('upstream');
    cache = join(temporary.path, 'cache');
    await mkdir(join(cache, 'nar'), { recursive: true });
    await writeFile(join(cache, 'nar', 'a.nar'), 'inside');
    await writeFile(join(temporary.path, 'secret'), 'outside');
    await mkdir(join(temporary.path, 'cache-too'));
    await writeFile(join(temporary.path, 'cache-too', 'secret'), 'outside');
  });
  afterEach(() => temporary[Symbol.asyncDispose]());

  test.each([
    '../secret',
    'nar/../../secret',
    'nar/..',
    '%2e%2e/secret',
    '..%2fsecret',
    'nar%2fa.nar',
    '/etc/passwd',
    '//etc/passwd',
    'nar/%00',
  ])('a URL that leads out is refused: %s', async (url) => {
    await using upstream = await openDirectoryUpstream(cache);
    await expect(upstream.file(url)).rejects.toMatchObject({ code: 'UPSTREAM_URL_FORBIDDEN' });
  });

  test.each([
    ['to a file outside', '../secret', 'link'],
    ['to a folder outside', '..', 'link/secret'],
    ['to a folder whose name only begins the same', '../cache-too', 'link/secret'],
    ['to an absolute path', '/etc/hostname', 'link'],
  ])('a symlink %s is refused', async (_, target, url) => {
    await symlink(target, join(cache, 'link'));
    await using upstream = await openDirectoryUpstream(cache);
    await expect(upstream.file(url)).rejects.toMatchObject({ code: 'UPSTREAM_URL_FORBIDDEN' });
  });

  test('symlinks that stay inside are followed, dangling ones are absent', async () => {
    await symlink('nar', join(cache, 'files'));
    await symlink('nowhere', join(cache, 'dangling'));
    await symlink('cache', join(temporary.path, 'alias'));
    await using upstream = await openDirectoryUpstream(join(temporary.path, 'alias'));
    expect((await bodyOf(await upstream.file('files/a.nar'))).toString()).toBe('inside');
    expect(await upstream.file('dangling')).toBeUndefined();
  });

  test.each([
    ['a folder', 'nar'],
    ['a FIFO', 'fifo'],
    ['a symlink to itself', 'loop'],
  ])('%s is no file, and not absent either', async (_, url) => {
    execFileSync('mkfifo', [join(cache, 'fifo')]);
    await symlink('loop', join(cache, 'loop'));
    await using upstream = await openDirectoryUpstream(cache);
    await expect(upstream.file(url)).rejects.toMatchObject({
      code: 'UPSTREAM_FAILED',
      facts: { kind: 'io' },
    });
  });

  test('names are bytes', async () => {
    await writeFile(Buffer.concat([utf8(join(cache, 'nar/')), Buffer.of(0xff, 0x25)]), 'odd');
    await using upstream = await openDirectoryUpstream(cache);
    expect((await bodyOf(await upstream.file('nar/%ff%'))).toString()).toBe('odd');
  });

  test('its address does not depend on how it was spelled', async () => {
    const spellings = [cache, `${cache}/`, relative(process.cwd(), cache)];
    for (const path of spellings) {
      await using upstream = await openDirectoryUpstream(path);
      expect(upstream.url).toBe(pathToFileURL(cache).href);
    }
  });

  test('one that does not exist', async () => {
    await expect(openDirectoryUpstream(join(cache, 'no'))).rejects.toMatchObject({
      code: 'NOT_A_BINARY_CACHE',
    });
  });

  test('one that is gone later has not lost its files but failed', async () => {
    await using upstream = await openDirectoryUpstream(cache);
    await rename(cache, join(temporary.path, 'moved'));
    await expect(upstream.file('nar/a.nar')).rejects.toMatchObject({ code: 'UPSTREAM_FAILED' });
  });

  test('a file that becomes shorter while it is read', async () => {
    const path = join(cache, 'nar', 'large.nar');
    await writeFile(path, Buffer.alloc(2 * 1024 * 1024));
    await using upstream = await openDirectoryUpstream(cache);
    const file = await upstream.file('nar/large.nar');
    const iterator = file?.body[Symbol.asyncIterator]();
    await iterator?.next();
    await truncate(path, 1024 * 1024);
    await expect(
      (async () => {
        while (!(await iterator?.next())?.done);
      })(),
    ).rejects.toMatchObject({ code: 'UPSTREAM_FAILED', facts: { kind: 'length' } });
  });

  test('a file that is removed while it is read is read to its end', async () => {
    await using upstream = await openDirectoryUpstream(cache);
    const file = await upstream.file('nar/a.nar');
    await rm(join(cache, 'nar', 'a.nar'));
    expect((await bodyOf(file)).toString()).toBe('inside');
  });

  test('the cache that Nix wrote', async () => {
    await using upstream = await openDirectoryUpstream(fixtureCache.directory);
    expect(await upstream.cacheInfo()).toMatchObject({ storeDir: '/nix/store' });
    for (const { storePath } of fixtureCache.paths) {
      const narinfo = Buffer.from((await upstream.narinfo(hashPartOfPath(storePath))) ?? []);
      expect(narinfo.toString()).toContain(`StorePath: ${storePath}\n`);
    }
  });
});
