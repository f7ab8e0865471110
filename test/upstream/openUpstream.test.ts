import { execFileSync } from 'node:child_process';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { utf8 } from '../../src/bytes.ts';
import { openUpstream } from '../../src/upstream/openUpstream.ts';
import { zipCacheFiles } from '../support/cacheFiles.ts';
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporaryDirectory.ts';

const INFO = new Map([['nix-cache-info', utf8('StoreDir: /nix/store\n')]]);

describe('an address', () => {
  let temporary: TemporaryDirectory;
  const at = (name: string) => join(temporary.path, name);
  beforeAll(async () => {
    temporary = await temporaryDirectory('open');
    for (const name of ['a cache', 'folder.zip']) {
      await mkdir(at(name));
      await writeFile(join(at(name), 'nix-cache-info'), 'Priority: 7\n');
    }
    await writeFile(at('bundle.zip'), zipCacheFiles(INFO));
    await writeFile(at('BUNDLE.ZIP'), zipCacheFiles(INFO));
    await writeFile(at('bundle'), zipCacheFiles(INFO));
    await writeFile(at('broken.zip'), 'Priority: 7\n');
    await writeFile(at('text'), 'Priority: 7\n');
    execFileSync('mkfifo', [at('fifo'), at('fifo.zip')]);
  });
  afterAll(() => temporary[Symbol.asyncDispose]());

  test.each([
    ['a directory', (name: string) => at(name), 'a cache', 7],
    ['with a slash', (name: string) => `${at(name)}/`, 'a cache', 7],
    ['a file URL', (name: string) => pathToFileURL(at(name)).href, 'a cache', 7],
    ['a URL object', (name: string) => pathToFileURL(at(name)), 'a cache', 7],
    ['with parameters', (name: string) => `${pathToFileURL(at(name))}?trusted=1`, 'a cache', 7],
    ['with a host', (name: string) => `file://localhost${at(name)}`, 'bundle.zip', undefined],
    ['a directory named .zip', (name: string) => at(name), 'folder.zip', 7],
    ['a zip file', (name: string) => at(name), 'bundle.zip', undefined],
    ['in capitals', (name: string) => at(name), 'BUNDLE.ZIP', undefined],
    ['a zip file as URL', (name: string) => pathToFileURL(at(name)), 'bundle.zip', undefined],
    ['a zip file of another name', (name: string) => at(name), 'bundle', undefined],
  ])('%s', async (_, address, name, priority) => {
    await using upstream = await openUpstream(address(name));
    expect((await upstream.cacheInfo()).priority).toBe(priority);
    expect(upstream.url).toBe(pathToFileURL(at(name)).href);
  });

  test('a relative path', async () => {
    await using upstream = await openUpstream('test/fixtures/cache');
    expect(upstream.url).toBe(pathToFileURL('test/fixtures/cache').href);
  });

  test.each([
    ['http://cache.example', 'http://cache.example'],
    ['HTTPS://user:secret@Cache.Example:443/a/b/?token=secret#x', 'https://cache.example/a/b'],
    ['http://[::1]:8080//', 'http://[::1]:8080'],
    ['http://cache.example/cache.zip', 'http://cache.example/cache.zip'],
  ])('on the web: %s', async (address, url) => {
    await using upstream = await openUpstream(address);
    expect(upstream.url).toBe(url);
    await using same = await openUpstream(new URL(address));
    expect(same.url).toBe(url);
  });

  test.each([
    ['nothing', '', 'UPSTREAM_URL_INVALID'],
    ['S3', 's3://user:secret@bucket', 'UPSTREAM_URL_INVALID'],
    ['no host', 'http://', 'UPSTREAM_URL_INVALID'],
    ['no port', 'http://user:secret@host:port/', 'UPSTREAM_URL_INVALID'],
    ['a file of another machine', 'file://server/share', 'UPSTREAM_URL_INVALID'],
    ['a NUL', 'a\0b', 'UPSTREAM_URL_INVALID'],
    ['a text file', () => at('text'), 'UPSTREAM_URL_INVALID'],
    ['a FIFO', () => at('fifo'), 'UPSTREAM_URL_INVALID'],
    ['a FIFO named .zip', () => at('fifo.zip'), 'UPSTREAM_URL_INVALID'],
    ['a broken zip file', () => at('broken.zip'), 'ZIP_INVALID'],
    ['no directory', () => at('no'), 'NOT_A_BINARY_CACHE'],
    ['no zip file', () => at('no.zip'), 'NOT_A_BINARY_CACHE'],
    ['below a file', () => at('text/x'), 'NOT_A_BINARY_CACHE'],
  ])('refused: %s', async (_, address, code) => {
    const error: unknown = await openUpstream(
      typeof address === 'string' ? address : address(),
    ).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code });
    expect(JSON.stringify(error)).not.toContain('secret');
  });

  test('a zip file stays readable when it is renamed', async () => {
    await writeFile(at('moving.zip'), zipCacheFiles(INFO));
    await using upstream = await openUpstream(at('moving.zip'));
    await rename(at('moving.zip'), at('moved.zip'));
    expect(await upstream.cacheInfo()).toMatchObject({ storeDir: '/nix/store' });
  });
});
