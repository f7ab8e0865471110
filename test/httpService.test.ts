import { describe, expect, test } from 'vitest';
import { Digest } from '../src/castore/digest.ts';
import type { IngestEvent } from '../src/httpService.ts';
import { DEFAULT_LIMITS } from '../src/limits.ts';
import { StorePath } from '../src/storePath.ts';
import {
  codeOf,
  deadUrl,
  digestOf,
  ingestAll,
  keptPaths,
  memoryServices,
  renderedNarHash,
  SERVICE_KINDS,
  serviceOver,
  variantsOf,
} from './ingest/serviceHarness.ts';
import { hashPartOf } from './support/nixbase32.ts';
import { serveStatic } from './support/staticCache.ts';
import { syntheticCache, TEST_KEY } from './support/syntheticCache.ts';
import { file } from './support/syntheticTree.ts';

const NAR = /^nar\//;
const ABSENT = `/nix/store/${hashPartOf('absent')}-absent`;

const small = () =>
  syntheticCache([{ name: 'base' }, { name: 'top', references: ['base', 'top'] }]);

describe.each(SERVICE_KINDS)('NixHTTPPathInfoService, kept %s', (_, newServices) => {
  test('get brings a path in with its closure; a second get asks nobody', async () => {
    const cache = await small();
    await using server = await serveStatic(cache.files);
    await using services = await newServices();
    await using service = serviceOver(services, { baseUrl: server.url });
    const top = await service.get(digestOf(cache.storePath('top')));
    if (top === undefined) throw new Error('it is there');
    expect(await renderedNarHash(services, top)).toBe(cache.path('top').narHash);
    expect(await keptPaths(services)).toEqual(
      [cache.storePath('base'), cache.storePath('top')].sort(),
    );
    expect(top.claim.verification).toEqual({ by: 'key', publicKey: TEST_KEY.publicKey });
    expect([...top.references.keys()]).toEqual([...cache.path('top').references]);
    server.forget();
    const again = await service.get(digestOf(cache.storePath('top')));
    expect(again?.closureDigest).toEqual(top.closureDigest);
    expect(server.requests).toEqual([]);
  });

  test('get and has of what is nowhere: undefined and false', async () => {
    const cache = await small();
    await using server = await serveStatic(cache.files);
    await using services = await newServices();
    await using service = serviceOver(services, { baseUrl: server.url });
    expect(await service.get(digestOf(ABSENT))).toBeUndefined();
    expect(await service.has(digestOf(ABSENT))).toBe(false);
    expect(await Array.fromAsync(service.listVariants(digestOf(ABSENT)))).toEqual([]);
  });

  test('has brings nothing in', async () => {
    const cache = await small();
    await using server = await serveStatic(cache.files);
    await using services = await newServices();
    await using service = serviceOver(services, { baseUrl: server.url });
    expect(await service.has(digestOf(cache.storePath('top')))).toBe(true);
    expect(server.paths(NAR)).toEqual([]);
    expect(await keptPaths(services)).toEqual([]);
  });

  test('has of what is kept needs no upstream, like get', async () => {
    const cache = await small();
    await using services = await newServices();
    const digest = digestOf(cache.storePath('top'));
    {
      await using server = await serveStatic(cache.files);
      await using service = serviceOver(services, { baseUrl: server.url });
      await service.get(digest);
    }
    await using service = serviceOver(services, { baseUrl: await deadUrl() });
    expect((await service.get(digest))?.storePath.absolute).toBe(cache.storePath('top'));
    expect(await service.has(digest)).toBe(true);
    expect(await codeOf(service.has(digestOf(ABSENT)))).toBe('UPSTREAM_FAILED');
  });

  test('getVariant and listVariants give what get gives', async () => {
    const cache = await small();
    await using server = await serveStatic(cache.files);
    await using services = await newServices();
    await using service = serviceOver(services, { baseUrl: server.url });
    const digest = digestOf(cache.storePath('base'));
    const [only, ...others] = await Array.fromAsync(service.listVariants(digest));
    if (only === undefined) throw new Error('there is one');
    expect(others).toEqual([]);
    const same = await service.getVariant(digest, only.closureDigest);
    expect(same?.sameVariant(only)).toBe(true);
    expect(await service.getVariant(digest, Digest.of(new Uint8Array(1)))).toBeUndefined();
  });

  test('it takes no writes and cannot be listed', async () => {
    const cache = await small();
    await using server = await serveStatic(cache.files);
    await using services = await newServices();
    await using service = serviceOver(services, { baseUrl: server.url });
    const pathInfo = await service.get(digestOf(cache.storePath('base')));
    if (pathInfo === undefined) throw new Error('it is there');
    expect(await codeOf(service.put(pathInfo))).toBe('READ_ONLY');
    expect(await codeOf(service.putAll([pathInfo]))).toBe('READ_ONLY');
    expect(await service.putAll([])).toEqual([]);
    expect(await codeOf(Array.fromAsync(service.list()))).toBe('UNSUPPORTED');
  });

  test('a digest of another length is refused before anyone is asked', async () => {
    await using services = await newServices();
    await using service = serviceOver(services, { baseUrl: 'http://127.0.0.1:1' });
    expect(await codeOf(service.get(new Uint8Array(19)))).toBe('STORE_PATH_INVALID');
    expect(await codeOf(service.has(new Uint8Array(19)))).toBe('STORE_PATH_INVALID');
  });

  test('independent paths stay when others fail', async () => {
    const cache = await syntheticCache([
      { name: 'good', references: ['base'] },
      { name: 'base' },
      { name: 'bad', references: ['base'], lie: { servedFile: (bytes) => bytes.subarray(1) } },
    ]);
    await using server = await serveStatic(cache.files);
    await using services = await newServices();
    await using service = serviceOver(services, { baseUrl: server.url });
    const paths = ['bad', 'good'].map((name) => cache.storePath(name));
    expect(await ingestAll(service, [...paths, ABSENT])).toEqual([
      'COMPRESSION_INVALID',
      'kept',
      'absent',
    ]);
    expect(await keptPaths(services)).toEqual(
      [cache.storePath('base'), cache.storePath('good')].sort(),
    );
  });

  test('what failed once is tried again when it is asked for again', async () => {
    const cache = await small();
    let broken = true;
    await using server = await serveStatic(cache.files, {
      respond: ({ path }) => (broken && NAR.test(path) ? { status: 500 } : undefined),
    });
    await using services = await newServices();
    await using service = serviceOver(services, { baseUrl: server.url });
    const digest = digestOf(cache.storePath('top'));
    expect(await codeOf(service.get(digest))).toBe('UPSTREAM_STATUS');
    broken = false;
    expect((await service.get(digest))?.storePath.absolute).toBe(cache.storePath('top'));
  });

  test('two paths with one NAR at the same URL cost one download', async () => {
    const tree = file('the same');
    const cache = await syntheticCache([
      { name: 'one', tree },
      { name: 'two', tree },
    ]);
    await using server = await serveStatic(cache.files);
    await using services = await newServices();
    await using service = serviceOver(services, { baseUrl: server.url });
    expect(
      await ingestAll(
        service,
        ['one', 'two'].map((name) => cache.storePath(name)),
      ),
    ).toEqual(['kept', 'kept']);
    expect(server.paths(NAR).length).toBe(1);
  });

  test('one of them that lies about the file does not harm the other', async () => {
    const tree = file('the same');
    const FileHash = `sha256:${'0'.repeat(52)}`;
    for (const order of [
      ['evil', 'good'],
      ['good', 'evil'],
    ]) {
      const cache = await syntheticCache([
        { name: 'evil', tree, lie: { unsigned: { FileHash } } },
        { name: 'good', tree },
      ]);
      await using server = await serveStatic(cache.files);
      await using services = await newServices();
      await using service = serviceOver(services, { baseUrl: server.url });
      const outcomes = await ingestAll(
        service,
        order.map((name) => cache.storePath(name)),
      );
      expect(outcomes[order.indexOf('good')]).toBe('kept');
      expect(await keptPaths(services)).toEqual([cache.storePath('good')]);
      expect(outcomes[order.indexOf('evil')]).toBe('FILE_HASH_MISMATCH');
    }
  });

  test('a NAR above the limit is refused before it is downloaded', async () => {
    const cache = await small();
    await using server = await serveStatic(cache.files);
    await using services = await newServices();
    await using service = serviceOver(services, {
      baseUrl: server.url,
      limits: { ...DEFAULT_LIMITS, narBytes: 100 },
    });
    expect(await codeOf(service.get(digestOf(cache.storePath('base'))))).toBe('LIMIT_EXCEEDED');
    expect(server.paths(NAR)).toEqual([]);
  });

  test('events, in the order of things', async () => {
    const cache = await small();
    await using server = await serveStatic(cache.files);
    await using services = await newServices();
    await using service = serviceOver(services, { baseUrl: server.url });
    const events: IngestEvent[] = [];
    await service.get(digestOf(cache.storePath('top')), { onEvent: (event) => events.push(event) });
    const types = (name: string) =>
      events.flatMap((event) => {
        if (event.type === 'progress')
          return event.baseName.endsWith(`-${name}`) ? ['progress'] : [];
        if (event.type === 'failed' || event.type === 'finding') return [];
        const { storePath } = 'pathInfo' in event ? event.pathInfo : event.narInfo;
        return storePath.name === name ? [event.type] : [];
      });
    for (const name of ['top', 'base']) {
      expect([...new Set(types(name))]).toEqual([
        'found',
        'fetching',
        'progress',
        'fetched',
        'kept',
      ]);
      const bytes = events.reduce(
        (sum, e) =>
          sum + (e.type === 'progress' && e.baseName.endsWith(`-${name}`) ? e.narBytes : 0),
        0,
      );
      expect(bytes).toBe(cache.path(name).nar.length);
    }
  });

  test.each(['found', 'fetching', 'progress', 'fetched', 'kept'] as const)(
    'a listener that throws at "%s" aborts the ingest with that',
    async (type) => {
      const cache = await small();
      await using server = await serveStatic(cache.files);
      await using services = await newServices();
      await using service = serviceOver(services, { baseUrl: server.url });
      const fault = new Error('no terminal');
      const seen: string[] = [];
      const ingest = service.get(digestOf(cache.storePath('top')), {
        onEvent(event) {
          seen.push(event.type);
          if (event.type === type) throw fault;
        },
      });
      await expect(ingest).rejects.toBe(fault);
      expect(seen.filter((one) => one === type).length).toBe(1);
      expect(seen).not.toContain('failed');
    },
  );
});

describe('a content-addressed path without signature', () => {
  test.each(['recursive', 'flat', 'text'] as const)(
    'by %s is taken, verified so',
    async (method) => {
      const cache = await syntheticCache([
        {
          name: 'thing',
          tree: file('content'),
          keys: [],
          contentAddress: { method, algorithm: 'sha256' },
        },
      ]);
      await using server = await serveStatic(cache.files);
      await using services = await memoryServices();
      await using service = serviceOver(services, { baseUrl: server.url, publicKeys: [] });
      const thing = await service.get(digestOf(cache.storePath('thing')));
      expect(thing?.claim.verification).toEqual({ by: 'ca' });
      expect(thing?.claim.ca?.hash).toBeDefined();
      server.forget();
      await service.get(digestOf(cache.storePath('thing')));
      expect(server.requests).toEqual([]);
    },
  );

  test('content that is known by its NarHash is compared with the address all the same', async () => {
    const cache = await syntheticCache([
      { name: 'thing', keys: [], contentAddress: { method: 'recursive', algorithm: 'sha256' } },
    ]);
    await using server = await serveStatic(cache.files);
    await using services = await memoryServices();
    await using service = serviceOver(services, {
      baseUrl: server.url,
      contentByNarHash: () => {
        throw new Error('not to be asked about a content-addressed path');
      },
    });
    expect(await ingestAll(service, [cache.storePath('thing')])).toEqual(['kept']);
  });
});

describe('without signature checks', () => {
  const unchecked = { checkSignatures: false, publicKeys: [] } as const;

  test('what nobody vouches for is taken, and recorded as that', async () => {
    const cache = await syntheticCache([{ name: 'thing', keys: [] }]);
    await using server = await serveStatic(cache.files);
    await using services = await memoryServices();
    await using service = serviceOver(services, { baseUrl: server.url, ...unchecked });
    const thing = await service.get(digestOf(cache.storePath('thing')));
    expect(thing?.claim.verification).toEqual({ by: 'nobody' });
    expect(thing?.claim.verified).toBe(false);
  });

  test('what a trusted key signed is recorded as that', async () => {
    const cache = await small();
    await using server = await serveStatic(cache.files);
    await using services = await memoryServices();
    await using service = serviceOver(services, { baseUrl: server.url, checkSignatures: false });
    const top = await service.get(digestOf(cache.storePath('top')));
    expect(top?.claim.verification).toEqual({ by: 'key', publicKey: TEST_KEY.publicKey });
  });

  test('hashes are compared all the same', async () => {
    const cache = await syntheticCache([
      {
        name: 'thing',
        keys: [],
        lie: { servedNar: (nar) => Buffer.from(nar).fill('x', 104, 105) },
      },
    ]);
    await using server = await serveStatic(cache.files);
    await using services = await memoryServices();
    await using service = serviceOver(services, { baseUrl: server.url, ...unchecked });
    expect(await codeOf(service.get(digestOf(cache.storePath('thing'))))).toMatch(/^NAR_/);
    expect(await variantsOf(services, cache.storePath('thing'))).toEqual([]);
  });
});

test('an address that makes no sense is told to whoever asks, each time', async () => {
  await using services = await memoryServices();
  await using service = serviceOver(services, { baseUrl: 'gopher://cache' });
  expect(await codeOf(service.has(digestOf(ABSENT)))).toBe('UPSTREAM_URL_INVALID');
  expect(await codeOf(service.get(digestOf(ABSENT)))).toBe('UPSTREAM_URL_INVALID');
});

test('a service that was never used is disposed of without asking anyone', async () => {
  await using server = await serveStatic(new Map());
  await using services = await memoryServices();
  {
    await using _service = serviceOver(services, { baseUrl: server.url });
  }
  expect(server.requests).toEqual([]);
});

test('names on both sides of a self-reference fit', async () => {
  const cache = await small();
  await using server = await serveStatic(cache.files);
  await using services = await memoryServices();
  await using service = serviceOver(services, { baseUrl: server.url });
  const [result] = await service.ingest([StorePath.parse(cache.storePath('top'))]);
  if (result?.outcome !== 'kept') throw new Error('it is kept');
  const { references, closureDigest, node, storePath } = result.pathInfo;
  expect(references.get(storePath.baseName)).toEqual({ node, closureDigest, evidence: 'same' });
});
