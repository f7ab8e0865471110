/** Several upstreams: who is asked, who stands in for whom, and whose word is kept. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { StorePath } from '../src/storePath.ts';
import {
  codeOf,
  deadUrl,
  digestOf,
  ingestAll,
  keptPaths,
  memoryServices,
  outcomeOf,
  renderedNarHash,
  serviceOver,
  variantsOf,
} from './ingest/serviceHarness.ts';
import { writeCacheFiles } from './support/cacheFiles.ts';
import { hashPartOf } from './support/nixbase32.ts';
import { testKey } from './support/signingKey.ts';
import { serveStatic } from './support/staticCache.ts';
import {
  type SyntheticCacheOptions,
  type SyntheticPath,
  syntheticCache,
} from './support/syntheticCache.ts';
import { directory, file } from './support/syntheticTree.ts';
import { temporaryDirectory } from './support/temporaryDirectory.ts';

const NAR = /^nar\//;

/** A server of a cache with one path, `thing`, and what is special about it. */
async function serveThing(path: Partial<SyntheticPath> = {}, options: SyntheticCacheOptions = {}) {
  const cache = await syntheticCache([{ name: 'thing', ...path }], options);
  const server = await serveStatic(cache.files);
  return Object.assign(server, { cache, thing: cache.path('thing') });
}

const THING = `/nix/store/${hashPartOf('thing')}-thing`;
const digest = digestOf(THING);

describe('who is asked', () => {
  test('the one of the lower priority first, and nobody after an answer', async () => {
    await using first = await serveThing({}, { priority: 10 });
    await using second = await serveThing({}, { priority: 20 });
    await using services = await memoryServices();
    await using service = serviceOver(services, { baseUrl: [second.url, first.url] });
    expect((await service.get(digest))?.claim.origin).toBe(first.url);
    expect(second.paths()).toEqual(['nix-cache-info']);
  });

  test('the next one for what the first does not have', async () => {
    await using empty = await serveStatic((await syntheticCache([])).files);
    await using other = await serveThing({}, { priority: 90 });
    await using services = await memoryServices();
    await using service = serviceOver(services, { baseUrl: [empty.url, other.url] });
    expect((await service.get(digest))?.claim.origin).toBe(other.url);
    expect(await service.has(digest)).toBe(true);
  });

  test('references may come from another one than their referrer', async () => {
    const cache = await syntheticCache([{ name: 'top', references: ['base'] }, { name: 'base' }]);
    const bases = new Map(cache.files);
    const { narinfoFile } = cache.path('base');
    cache.files.delete(narinfoFile);
    bases.delete(cache.path('top').narinfoFile);
    await using tops = await serveStatic(cache.files);
    await using others = await serveStatic(bases);
    await using services = await memoryServices();
    await using service = serviceOver(services, { baseUrl: [tops.url, others.url] });
    expect(await ingestAll(service, [cache.storePath('top')])).toEqual(['kept']);
    const [base] = await variantsOf(services, cache.storePath('base'));
    expect(base?.claim.origin).toBe(others.url);
  });

  test('a directory beside a server', async () => {
    const cache = await syntheticCache([{ name: 'thing' }], { priority: 1 });
    await using temporary = await temporaryDirectory('upstream');
    await writeCacheFiles(cache.files, temporary.path);
    await using server = await serveThing();
    await using services = await memoryServices();
    await using service = serviceOver(services, { baseUrl: [server.url, temporary.path] });
    expect(await ingestAll(service, [THING])).toEqual(['kept']);
    expect(server.paths(NAR)).toEqual([]);
  });
});

describe('one that is no good does not stop the others', () => {
  const rows: readonly (readonly [string, Partial<SyntheticPath>])[] = [
    ['a bad signature', { lie: { unsigned: { NarHash: `sha256:${'0'.repeat(52)}` } } }],
    ["a stranger's signature", { keys: [testKey('stranger')] }],
    [
      'a name that was not asked for',
      { lie: { signed: { StorePath: `/nix/store/${hashPartOf('thing')}-other` } } },
    ],
    ['a web page for a narinfo', { lie: { narinfo: () => '<html>' } }],
    ['an unknown compression', { lie: { unsigned: { Compression: 'rot13' } } }],
    ['a NAR that is damaged', { lie: { servedFile: (bytes) => bytes.subarray(0, -9) } }],
    [
      'another NAR than it says',
      { lie: { servedNar: (nar) => Buffer.from(nar).fill('x', 104, 105) } },
    ],
    ['a wrong FileHash', { lie: { unsigned: { FileHash: `sha256:${'0'.repeat(52)}` } } }],
    ['a URL that leads astray', { lie: { unsigned: { URL: 'nar/none.nar' } } }],
    ['a URL to another origin', { lie: { unsigned: { URL: 'http://cache.invalid/x' } } }],
  ];

  test.each(rows)('%s', async (_, path) => {
    await using bad = await serveThing(path, { priority: 10 });
    await using good = await serveThing({}, { priority: 20 });
    await using services = await memoryServices();
    await using service = serviceOver(services, { baseUrl: [bad.url, good.url] });
    const [result] = await service.ingest([StorePath.parse(THING)]);
    if (result?.outcome !== 'kept') throw new Error(`it is ${result && outcomeOf(result)}`);
    expect(await renderedNarHash(services, result.pathInfo)).toBe(good.thing.narHash);
    expect(result.pathInfo.storePath.absolute).toBe(THING);
  });

  test('one that does not answer', async () => {
    await using good = await serveThing();
    await using services = await memoryServices();
    await using service = serviceOver(services, { baseUrl: [await deadUrl(), good.url] });
    expect((await service.get(digest))?.claim.origin).toBe(good.url);
  });

  test('a directory that is not there', async () => {
    await using good = await serveThing();
    await using temporary = await temporaryDirectory('missing');
    const missing = join(temporary.path, 'cache');
    await using services = await memoryServices();
    await using service = serviceOver(services, { baseUrl: [missing, good.url] });
    expect((await service.get(digest))?.claim.origin).toBe(good.url);
  });

  test('one that is for another store', async () => {
    await using other = await serveThing({}, { storeDirectory: '/gnu/store', priority: 1 });
    await using good = await serveThing();
    await using services = await memoryServices();
    await using service = serviceOver(services, { baseUrl: [other.url, good.url] });
    expect((await service.get(digest))?.claim.origin).toBe(good.url);
  });

  test('the NAR may come from the third one, when the first two have none', async () => {
    await using first = await serveThing({}, { priority: 1 });
    await using second = await serveThing({}, { priority: 2 });
    await using third = await serveThing({}, { priority: 3, compression: 'zstd' });
    for (const { cache, thing } of [first, second]) cache.files.delete(thing.narFile);
    await using services = await memoryServices();
    await using service = serviceOver(services, { baseUrl: [first.url, second.url, third.url] });
    expect(await ingestAll(service, [THING])).toEqual(['kept']);
    expect(third.paths(NAR).length).toBe(1);
  });
});

describe('a failure is no absence', () => {
  test('when all are down', async () => {
    await using services = await memoryServices();
    await using service = serviceOver(services, { baseUrl: [await deadUrl(), await deadUrl()] });
    expect(await codeOf(service.get(digest))).toBe('UPSTREAM_FAILED');
    expect(await codeOf(service.has(digest))).toBe('UPSTREAM_FAILED');
  });

  test('when one is down and the other does not have it', async () => {
    await using empty = await serveStatic((await syntheticCache([])).files);
    await using services = await memoryServices();
    await using service = serviceOver(services, { baseUrl: [empty.url, await deadUrl()] });
    expect(await codeOf(service.get(digest))).toBe('UPSTREAM_FAILED');
  });

  test('the first failure is the one that is told', async () => {
    await using unsigned = await serveThing({ keys: [] }, { priority: 1 });
    await using page = await serveThing({ lie: { narinfo: () => '<html>' } }, { priority: 2 });
    await using services = await memoryServices();
    await using service = serviceOver(services, { baseUrl: [page.url, unsigned.url] });
    expect(await codeOf(service.get(digest))).toBe('SIGNATURE_MISSING');
  });

  test('and so of NARs: that others fail too is of no interest', async () => {
    await using first = await serveThing(
      { lie: { servedFile: (b) => b.subarray(0, -9) } },
      { priority: 1 },
    );
    await using second = await serveThing({}, { priority: 2 });
    second.cache.files.delete(second.thing.narFile);
    await using services = await memoryServices();
    await using service = serviceOver(services, { baseUrl: [first.url, second.url] });
    expect(await codeOf(service.get(digest))).toBe('COMPRESSION_TRUNCATED');
  });
});

describe('content from another upstream is held against the word of the first', () => {
  test('a signed NarSize that is wrong stays wrong', async () => {
    await using first = await serveThing({ lie: { signed: { NarSize: '999' } } }, { priority: 1 });
    await using second = await serveThing({}, { priority: 2 });
    await using services = await memoryServices();
    await using service = serviceOver(services, { baseUrl: [first.url, second.url] });
    expect(await codeOf(service.get(digest))).toBe('NAR_SIZE_MISMATCH');
    expect(await variantsOf(services, THING)).toEqual([]);
  });

  test('a content address that the content does not have does not become true by a signature elsewhere', async () => {
    // the store path follows from the CA, so the narinfo passes; the content is another
    const honest = directory({ a: file('promised') });
    const other = directory({ a: file('delivered') });
    const contentAddress = { method: 'recursive', algorithm: 'sha256' } as const;
    const promised = await syntheticCache([{ name: 'thing', tree: honest, contentAddress }]);
    const { hashPart, storePath } = promised.path('thing');
    const ca = /^CA: (.*)$/m.exec(promised.path('thing').narinfo)?.[1];
    await using first = await serveThing(
      { hashPart, tree: other, keys: [], lie: { unsigned: { CA: ca } } },
      { priority: 1 },
    );
    await using second = await serveThing({ hashPart, tree: other }, { priority: 2 });
    await using services = await memoryServices();
    await using service = serviceOver(services, { baseUrl: [first.url, second.url] });
    expect(await ingestAll(service, [storePath])).toEqual(['CONTENT_ADDRESS_MISMATCH']);
    expect(await variantsOf(services, storePath)).toEqual([]);
  });

  test('another build of the path is not what the first one signed', async () => {
    await using first = await serveThing({}, { priority: 1 });
    first.cache.files.delete(first.thing.narFile);
    await using second = await serveThing({ tree: file('built otherwise') }, { priority: 2 });
    await using services = await memoryServices();
    await using service = serviceOver(services, { baseUrl: [first.url, second.url] });
    expect(await codeOf(service.get(digest))).toBe('NAR_MISSING');
    expect(await keptPaths(services)).toEqual([]);
  });
});

test('two upstreams whose addresses differ only in what is not shown are two', async () => {
  const cache = await syntheticCache([{ name: 'thing' }]);
  await using server = await serveStatic(cache.files, {
    respond: ({ path, query }) =>
      path.endsWith('.narinfo') && query !== '?token=good' ? { status: 404 } : undefined,
  });
  await using services = await memoryServices();
  const baseUrl = [`${server.url}?token=bad`, `${server.url}?token=good`];
  await using service = serviceOver(services, { baseUrl });
  const gets = Array.from({ length: 5 }, () => service.get(digest));
  const found = await Promise.all(gets);
  expect(found.map((pathInfo) => pathInfo?.storePath.absolute)).toEqual(Array(5).fill(THING));
});
