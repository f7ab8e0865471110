/** Hierarchies that contain the service, or one another; and closures without an end. */
import { describe, expect, test } from 'vitest';
import { isNarthexError } from '../src/errors.ts';
import type { NixHTTPPathInfoService } from '../src/httpService.ts';
import { Hierarchy } from './ingest/hierarchy.ts';
import {
  codeOf,
  digestOf,
  ingestAll,
  keptPaths,
  memoryServices,
  SERVICE_KINDS,
  type Services,
  serviceOver,
} from './ingest/serviceHarness.ts';
import { lazyCycle } from './support/lazyCache.ts';
import { hashPartOf } from './support/nixbase32.ts';
import { type StaticServer, serveStatic } from './support/staticCache.ts';
import { syntheticCache } from './support/syntheticCache.ts';

const ABSENT = digestOf(`/nix/store/${hashPartOf('absent')}-absent`);

/** A service whose hierarchy holds its own services first and then whatever is added. */
function member(server: StaticServer, services: Services) {
  const hierarchy = new Hierarchy(services.pathInfoService);
  const service = serviceOver({ ...services, pathInfoService: hierarchy }, { baseUrl: server.url });
  return { hierarchy, service };
}

describe('a hierarchy that contains the service itself', () => {
  test('gives what the service gives, through either of them', async () => {
    const cache = await syntheticCache([{ name: 'top', references: ['base'] }, { name: 'base' }]);
    await using server = await serveStatic(cache.files);
    await using services = await memoryServices();
    const { hierarchy, service } = member(server, services);
    hierarchy.members.push(service);
    const top = await hierarchy.get(digestOf(cache.storePath('top')));
    expect(top?.storePath.absolute).toBe(cache.storePath('top'));
    expect((await keptPaths(services)).length).toBe(2);
    expect(server.paths(/narinfo$/).length).toBe(2);
    expect(await service.get(ABSENT)).toBeUndefined();
    expect(await hierarchy.get(ABSENT)).toBeUndefined();
    expect(await hierarchy.has(ABSENT)).toBe(false);
    expect(await Array.fromAsync(hierarchy.listVariants(ABSENT))).toEqual([]);
    await service[Symbol.asyncDispose]();
  });

  test('and failures are failures, once', async () => {
    const cache = await syntheticCache([{ name: 'bad', keys: [] }]);
    await using server = await serveStatic(cache.files);
    await using services = await memoryServices();
    const { hierarchy, service } = member(server, services);
    hierarchy.members.push(service, service);
    expect(await codeOf(hierarchy.get(digestOf(cache.storePath('bad'))))).toBe('SIGNATURE_MISSING');
    await service[Symbol.asyncDispose]();
  });
});

describe('two services whose hierarchies contain each other', () => {
  test('find through each other what only the other has, in one question', async () => {
    const one = await syntheticCache([{ name: 'one', references: ['shared'] }, { name: 'shared' }]);
    const two = await syntheticCache([{ name: 'two' }]);
    await using serverOne = await serveStatic(one.files);
    await using serverTwo = await serveStatic(two.files);
    await using servicesOne = await memoryServices();
    // they share content, as layers of one store do
    await using memory = await memoryServices();
    const servicesTwo = { ...servicesOne, pathInfoService: memory.pathInfoService };
    const a = member(serverOne, servicesOne);
    const b = member(serverTwo, servicesTwo);
    a.hierarchy.members.push(b.service);
    b.hierarchy.members.push(a.service);
    const found = await Promise.all([
      a.service.get(digestOf(one.storePath('one'))),
      b.service.get(digestOf(one.storePath('one'))),
      a.service.get(digestOf(two.storePath('two'))),
      b.service.get(digestOf(two.storePath('two'))),
      a.service.get(ABSENT),
      b.service.get(ABSENT),
    ]);
    expect(found.map((pathInfo) => pathInfo?.storePath.name)).toEqual([
      'one',
      'one',
      'two',
      'two',
      undefined,
      undefined,
    ]);
    await a.service[Symbol.asyncDispose]();
    await b.service[Symbol.asyncDispose]();
  });
});

describe.each(SERVICE_KINDS)('a cycle of three, %s', (_, newServices) => {
  const cycle = lazyCycle(3);

  test('fails, names the cycle, and keeps nothing', async () => {
    await using server = await serveStatic(cycle.source);
    await using services = await newServices();
    await using service = serviceOver(services, { baseUrl: server.url });
    const paths = [0, 1, 2].map((i) => cycle.storePath(i));
    expect(await ingestAll(service, paths)).toEqual(Array(3).fill('REFERENCE_CYCLE'));
    expect(await keptPaths(services)).toEqual([]);
    const error: unknown = await service.get(digestOf(cycle.storePath(1))).catch((e: unknown) => e);
    if (!isNarthexError(error)) throw error;
    expect(error.facts['chain']).toEqual(
      [1, 2, 0, 1].map((i) => cycle.storePath(i).slice('/nix/store/'.length)),
    );
  });

  test('two clients at both of its ends at once: neither waits for the other', async () => {
    // every narinfo waits until both clients have asked, so that both are in the middle
    let asked = 0;
    const both = Promise.withResolvers<void>();
    await using server = await serveStatic(cycle.source, {
      respond({ path }) {
        if (!path.endsWith('.narinfo')) return undefined;
        if (++asked === 2) both.resolve();
        return { after: both.promise };
      },
    });
    await using services = await newServices();
    await using service = serviceOver(services, { baseUrl: server.url });
    const codes = await Promise.all(
      [0, 1].map((i) => codeOf(service.get(digestOf(cycle.storePath(i))))),
    );
    expect(codes).toEqual(['REFERENCE_CYCLE', 'REFERENCE_CYCLE']);
  });

  test('two services with one hierarchy, each at another end, and each in it', async () => {
    await using server = await serveStatic(cycle.source);
    await using services = await newServices();
    const [a, b] = [member(server, services), member(server, services)];
    const all: NixHTTPPathInfoService[] = [a.service, b.service];
    for (const { hierarchy } of [a, b]) hierarchy.members.push(...all);
    const codes = await Promise.all(
      all.map((service, i) => codeOf(service.get(digestOf(cycle.storePath(i))))),
    );
    expect(codes).toEqual(['REFERENCE_CYCLE', 'REFERENCE_CYCLE']);
    for (const service of all) await service[Symbol.asyncDispose]();
  });
});

test('a cycle below a path leaves what is beside it', async () => {
  const cache = await syntheticCache([
    { name: 'top', references: ['good', 'x'] },
    { name: 'good', references: ['base'] },
    { name: 'base' },
    { name: 'x', references: ['y', 'base'] },
    { name: 'y', references: ['x'] },
  ]);
  await using server = await serveStatic(cache.files);
  await using services = await memoryServices();
  await using service = serviceOver(services, { baseUrl: server.url });
  expect(await ingestAll(service, ['top', 'good', 'x'].map(cache.storePath))).toEqual([
    'REFERENCE_FAILED',
    'kept',
    'REFERENCE_CYCLE',
  ]);
  expect(await keptPaths(services)).toEqual(['base', 'good'].map(cache.storePath).sort());
});
