/** Several who ask at once, and those who leave in the middle. */
import { describe, expect, test } from 'vitest';
import type { IngestEvent } from '../src/httpService.ts';
import {
  codeOf,
  digestOf,
  keptPaths,
  SERVICE_KINDS,
  serviceOver,
} from './ingest/serviceHarness.ts';
import { type Answer, serveStatic } from './support/staticCache.ts';
import { syntheticCache } from './support/syntheticCache.ts';
import { file } from './support/syntheticTree.ts';

const NAR = /^nar\//;
const LARGE = Uint8Array.from({ length: 300_000 }, (_, i) => (i * i * 7 + (i >> 5)) & 255);

/** A cache whose large NARs stop in the middle until they are let go on. */
async function pausingServer() {
  const cache = await syntheticCache(
    [{ name: 'top', references: ['base'], tree: file(LARGE) }, { name: 'base' }],
    { compression: 'none' },
  );
  const release = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const { narFile } = cache.path('top');
  const server = await serveStatic(cache.files, {
    respond({ path }): Answer | undefined {
      if (path !== narFile) return undefined;
      begun.resolve();
      return { pause: { at: 100_000, until: release.promise } };
    },
  });
  return Object.assign(server, {
    cache,
    release: () => release.resolve(),
    /** When the NAR has been asked for. */
    begun: begun.promise,
    digest: digestOf(cache.storePath('top')),
  });
}

/** Listens until bytes of a NAR have come. */
function listener() {
  const events: IngestEvent[] = [];
  const progress = Promise.withResolvers<void>();
  return {
    events,
    progress: progress.promise,
    onEvent(event: IngestEvent) {
      events.push(event);
      if (event.type === 'progress') progress.resolve();
    },
  };
}

describe.each(SERVICE_KINDS)('%s', (_, newServices) => {
  test('ten who ask for one path at once cost one narinfo and one NAR each', async () => {
    const cache = await syntheticCache([{ name: 'top', references: ['base'] }, { name: 'base' }]);
    await using server = await serveStatic(cache.files);
    await using services = await newServices();
    await using service = serviceOver(services, { baseUrl: server.url });
    const digest = digestOf(cache.storePath('top'));
    const found = await Promise.all(Array.from({ length: 10 }, () => service.get(digest)));
    expect(found.map((pathInfo) => pathInfo?.storePath.name)).toEqual(Array(10).fill('top'));
    expect(server.paths(NAR).length).toBe(2);
    expect(server.paths(/narinfo$/).length).toBe(2);
    expect(server.paths(/cache-info/).length).toBe(1);
  });

  test('aborted in the middle of a NAR: the reason is thrown, no PathInfo is kept, the connection is closed', async () => {
    await using server = await pausingServer();
    await using services = await newServices();
    await using service = serviceOver(services, { baseUrl: server.url });
    const controller = new AbortController();
    const reason = new Error('enough');
    const { onEvent, progress, events } = listener();
    const get = service.get(server.digest, { signal: controller.signal, onEvent });
    await progress;
    controller.abort(reason);
    await expect(get).rejects.toBe(reason);
    const told = events.length;
    expect(await keptPaths(services)).not.toContain(server.cache.storePath('top'));
    server.release();
    const nar = server.requests.find(({ path }) => NAR.test(path));
    await new Promise((resolve) => setImmediate(resolve));
    expect(nar?.complete).toBe(false);
    expect(events.length).toBe(told);
    expect(events.filter(({ type }) => type === 'failed')).toEqual([]);
    // and asked for again, it comes
    expect((await service.get(server.digest))?.storePath.name).toBe('top');
  });

  test('one who leaves takes nothing from the one who stays', async () => {
    await using server = await pausingServer();
    await using services = await newServices();
    await using service = serviceOver(services, { baseUrl: server.url });
    const leaving = new AbortController();
    const [left, stays] = [listener(), listener()];
    const getOfLeft = service.get(server.digest, { signal: leaving.signal, onEvent: left.onEvent });
    const getOfStays = service.get(server.digest, { onEvent: stays.onEvent });
    await Promise.all([left.progress, stays.progress]);
    leaving.abort(new Error('leaving'));
    await expect(getOfLeft).rejects.toThrow('leaving');
    const told = left.events.length;
    server.release();
    expect((await getOfStays)?.storePath.name).toBe('top');
    expect(left.events.length).toBe(told);
    const bytes = stays.events.reduce(
      (sum, e) => sum + (e.type === 'progress' && e.baseName.endsWith('-top') ? e.narBytes : 0),
      0,
    );
    expect(bytes).toBe(server.cache.path('top').nar.length);
    expect(server.paths(NAR).length).toBe(2);
  });

  test('when all leave, the download ends; who comes then begins anew', async () => {
    await using server = await pausingServer();
    await using services = await newServices();
    await using service = serviceOver(services, { baseUrl: server.url });
    const controllers = [new AbortController(), new AbortController()];
    const gets = controllers.map(({ signal }) => codeOf(service.get(server.digest, { signal })));
    await server.begun;
    for (const [i, controller] of controllers.entries()) controller.abort(new Error(`${i}`));
    expect(await Promise.all(gets)).toEqual(['Error: 0', 'Error: 1']);
    server.release();
    expect((await service.get(server.digest))?.storePath.name).toBe('top');
    const tops = server.paths(NAR).filter((path) => path === server.cache.path('top').narFile);
    expect(tops.length).toBe(2);
  });

  test('aborted before it begins: nobody is asked', async () => {
    await using server = await pausingServer();
    await using services = await newServices();
    await using service = serviceOver(services, { baseUrl: server.url });
    const reason = new Error('enough');
    const signal = AbortSignal.abort(reason);
    await expect(service.get(server.digest, { signal })).rejects.toBe(reason);
    await expect(service.has(server.digest, { signal })).rejects.toBe(reason);
    expect(server.requests).toEqual([]);
  });

  test('aborted while a narinfo is waited for', async () => {
    const cache = await syntheticCache([{ name: 'top' }]);
    const asked = Promise.withResolvers<void>();
    const never = Promise.withResolvers<void>();
    await using server = await serveStatic(cache.files, {
      respond({ path }) {
        if (!path.endsWith('.narinfo')) return undefined;
        asked.resolve();
        return { after: never.promise };
      },
    });
    await using services = await newServices();
    await using service = serviceOver(services, { baseUrl: server.url });
    const controller = new AbortController();
    const get = service.get(digestOf(cache.storePath('top')), { signal: controller.signal });
    const has = service.has(digestOf(cache.storePath('top')), { signal: controller.signal });
    await asked.promise;
    const reason = new Error('enough');
    controller.abort(reason);
    await expect(get).rejects.toBe(reason);
    await expect(has).rejects.toBe(reason);
    never.resolve();
  });

  test('a service that is disposed of ends what is under way', async () => {
    await using server = await pausingServer();
    await using services = await newServices();
    const service = serviceOver(services, { baseUrl: server.url });
    const get = codeOf(service.get(server.digest));
    await server.begun;
    await service[Symbol.asyncDispose]();
    expect(await get).toMatch(/^(UPSTREAM|REFERENCE)_FAILED$/);
    expect(await keptPaths(services)).not.toContain(server.cache.storePath('top'));
    server.release();
  });
});
