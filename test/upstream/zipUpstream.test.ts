import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Zippable, zipSync } from 'fflate';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { utf8 } from '../../src/bytes.ts';
import { DEFAULT_LIMITS } from '../../src/limits.ts';
import type { Upstream, UpstreamOptions } from '../../src/upstream/upstream.ts';
import { openZipUpstream } from '../../src/upstream/zipUpstream.ts';
import { bodyOf, describeUpstream } from '../contracts/upstreamContract.ts';
import { readCacheFiles, zipCacheFiles } from '../support/cacheFiles.ts';
import { fixtureCache, hashPartOfPath } from '../support/fixtureCache.ts';
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporaryDirectory.ts';

const INFO = utf8('StoreDir: /nix/store\n');

const KINDS = [
  ['a zip file with stored entries', { level: 0 }],
  ['a zip file with deflated entries', { level: 6 }],
  ['a zip file of a folder', { level: 0, prefix: 'cache/' }],
] as const;

for (const [kind, form] of KINDS) {
  describeUpstream(kind, async () => {
    const temporary = await temporaryDirectory('upstream');
    const opened: Upstream[] = [];
    return {
      async open(files, options) {
        const path = join(temporary.path, `${opened.length}.zip`);
        await writeFile(path, zipCacheFiles(files, form));
        const upstream = await openZipUpstream(path, options);
        opened.push(upstream);
        return upstream;
      },
      async [Symbol.asyncDispose]() {
        for (const upstream of opened) await upstream[Symbol.asyncDispose]();
        await temporary[Symbol.asyncDispose]();
      },
    };
  });
}

/** Where the first `signature` of a zip record is. */
function recordAt(zip: Uint8Array, signature: string): number {
  return Buffer.from(zip).indexOf(`PK${signature}`, 0, 'latin1');
}
const LOCAL = '\x03\x04';
const CENTRAL = '\x01\x02';
const END = '\x05\x06';

describe('a zip file', () => {
  let temporary: TemporaryDirectory;
  let path: string;
  beforeEach(async () => {
    temporary = await temporaryDirectory('upstream');
    path = join(temporary.path, 'cache.zip');
  });
  afterEach(() => temporary[Symbol.asyncDispose]());

  async function openZip(zip: Uint8Array, options?: UpstreamOptions): Promise<Upstream> {
    await writeFile(path, zip);
    return openZipUpstream(path, options);
  }
  /** An archive of one stored file, with some of its bytes changed. */
  function altered(change: (zip: Buffer) => void): Buffer {
    const zip = Buffer.from(zipSync({ 'nix-cache-info': INFO, a: utf8('contents') }, { level: 0 }));
    change(zip);
    return zip;
  }

  test.each([
    ['not a zip file', () => utf8('StoreDir: /nix/store\n'.repeat(10))],
    ['an empty file', () => new Uint8Array(0)],
    ['a truncated one', () => altered(() => {}).subarray(0, -30)],
    ['one without its beginning', () => altered(() => {}).subarray(30)],
    [
      'a broken central header',
      () => altered((zip) => zip.fill(0, recordAt(zip, CENTRAL), recordAt(zip, CENTRAL) + 4)),
    ],
    [
      'more entries than it says',
      () => altered((zip) => zip.writeUInt16LE(1, recordAt(zip, END) + 10)),
    ],
    [
      'fewer entries than it says',
      () => altered((zip) => zip.writeUInt16LE(3, recordAt(zip, END) + 10)),
    ],
    ['two files of one name', () => zipSync({ a: utf8('1'), './a': utf8('2') })],
  ])('refused: %s', async (_, zip) => {
    await expect(openZip(zip())).rejects.toMatchObject({ code: 'ZIP_INVALID' });
  });

  test.each([
    ['wrong contents (CRC)', (zip: Buffer) => zip.write('CONTENTS', zip.indexOf('contents'))],
    [
      'a broken local header',
      (zip: Buffer) =>
        zip.fill(0, zip.lastIndexOf(`PK${LOCAL}`), zip.lastIndexOf(`PK${LOCAL}`) + 4),
    ],
  ])('a file is refused: %s', async (_, change) => {
    await using upstream = await openZip(altered(change));
    expect(await upstream.cacheInfo()).toBeDefined(); // the other file is not concerned
    await expect(bodyOf(await upstream.file('a'))).rejects.toMatchObject({ code: 'ZIP_INVALID' });
  });

  test('an encrypted file', async () => {
    const zip = Buffer.from(zipSync({ a: new Uint8Array(100) }, { level: 6 }));
    zip.writeUInt16LE(1, recordAt(zip, CENTRAL) + 8);
    await using upstream = await openZip(zip);
    await expect(bodyOf(await upstream.file('a'))).rejects.toMatchObject({ code: 'ZIP_INVALID' });
  });

  test('a deflated file that is longer than it says', async () => {
    const zip = Buffer.from(zipSync({ a: new Uint8Array(100_000) }, { level: 6 }));
    zip.writeUInt32LE(99_999, recordAt(zip, CENTRAL) + 24);
    await using upstream = await openZip(zip);
    await expect(bodyOf(await upstream.file('a'))).rejects.toMatchObject({ code: 'ZIP_INVALID' });
  });

  test('a method that is not decoded', async () => {
    const xz = 95;
    await using upstream = await openZip(
      altered((zip) => zip.writeUInt16LE(xz, zip.lastIndexOf(`PK${CENTRAL}`) + 10)),
    );
    await expect(bodyOf(await upstream.file('a'))).rejects.toMatchObject({
      code: 'COMPRESSION_UNSUPPORTED',
      facts: { compression: 'zip method 95' },
    });
  });

  test('names that lead out, and symlinks, are not there', async () => {
    const symlinkMode = 0o120777 << 16;
    const files: Zippable = {
      'nix-cache-info': INFO,
      '../up': utf8('x'),
      '/absolute': utf8('x'),
      'a//b': utf8('x'),
      'back\\slash': utf8('x'),
      'folder/': new Uint8Array(0),
      link: [utf8('nix-cache-info'), { os: 3, attrs: symlinkMode }],
      './fine': utf8('fine'),
    };
    await using upstream = await openZip(zipSync(files));
    for (const url of ['up', 'absolute', 'a/b', 'back%5cslash', 'back\\slash', 'folder', 'link']) {
      expect(await upstream.file(url), url).toBeUndefined();
    }
    expect((await bodyOf(await upstream.file('fine'))).toString()).toBe('fine');
    for (const url of ['../up', '/absolute', '%2e%2e/up']) {
      await expect(upstream.file(url)).rejects.toMatchObject({ code: 'UPSTREAM_URL_FORBIDDEN' });
    }
  });

  test.each([
    ['at the top and in a folder', ['nix-cache-info', 'a/nix-cache-info'], true],
    ['in two folders', ['a/nix-cache-info', 'b/nix-cache-info'], false],
    ['two folders deep', ['a/b/nix-cache-info'], false],
    ['beside what macOS adds', ['a/nix-cache-info', '__MACOSX/a/._nix-cache-info'], true],
  ])('nix-cache-info %s', async (_, names, found) => {
    await using upstream = await openZip(
      zipSync(Object.fromEntries(names.map((name) => [name, INFO]))),
    );
    const info = upstream.cacheInfo();
    if (found) expect(await info).toBeDefined();
    else await expect(info).rejects.toMatchObject({ code: 'NOT_A_BINARY_CACHE' });
  });

  test('the number of entries is limited', async () => {
    const zip = zipSync({ a: INFO, b: INFO, c: INFO });
    await using upstream = await openZip(zip, { limits: { ...DEFAULT_LIMITS, zipEntries: 3 } });
    expect(await upstream.file('c')).toBeDefined();
    await expect(
      openZip(zip, { limits: { ...DEFAULT_LIMITS, zipEntries: 2 } }),
    ).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED', facts: { limit: 'zipEntries' } });
  });

  test('more entries than are indexed with one read', async () => {
    const names = Array.from({ length: 10_000 }, (_, index) => `nar/${'x'.repeat(40)}${index}`);
    const zip = zipSync(Object.fromEntries(names.map((name) => [name, utf8(name)])), { level: 0 });
    await using upstream = await openZip(zip);
    for (const name of [names[0], names[5000], names.at(-1)]) {
      expect((await bodyOf(await upstream.file(name ?? ''))).toString()).toBe(name);
    }
  });

  test('a file that becomes shorter while it is read', async () => {
    await using upstream = await openZip(zipSync({ a: new Uint8Array(3_000_000) }, { level: 0 }));
    const file = await upstream.file('a');
    await truncate(path, 1_000_000);
    await expect(bodyOf(file)).rejects.toMatchObject({
      code: 'UPSTREAM_FAILED',
      facts: { kind: 'length' },
    });
  });

  test('one that does not exist', async () => {
    await expect(openZipUpstream(path)).rejects.toMatchObject({ code: 'NOT_A_BINARY_CACHE' });
  });

  test('the cache that Nix wrote, zipped', async () => {
    const files = await readCacheFiles(fixtureCache.directory);
    await using upstream = await openZip(zipCacheFiles(files, { prefix: 'fixture/', level: 1 }));
    for (const { storePath } of fixtureCache.paths) {
      const narinfo = Buffer.from((await upstream.narinfo(hashPartOfPath(storePath))) ?? []);
      const url = /^URL: (.*)$/m.exec(narinfo.toString())?.[1] ?? '';
      expect(await bodyOf(await upstream.file(url))).toEqual(files.get(url));
    }
  });
});
