/** The fixture that real Nix wrote, through the whole way in and back out again. */
import { describe, expect, test } from 'vitest';
import type { IngestEvent } from '../src/httpService.ts';
import { StorePath } from '../src/storePath.ts';
import {
  ingestAll,
  keptPaths,
  renderedNarHash,
  SERVICE_KINDS,
  serviceOver,
  variantsOf,
} from './ingest/serviceHarness.ts';
import { fixtureCache } from './support/fixtureCache.ts';
import { serveStatic } from './support/staticCache.ts';

const publicKeys = [fixtureCache.publicKey];
const NAR = /^nar\//;

describe.each(SERVICE_KINDS)('the fixture, mirrored over HTTP and kept %s', (_, newServices) => {
  test('every path, every byte; a second time nothing is downloaded', async () => {
    await using server = await serveStatic(fixtureCache.directory);
    await using services = await newServices();
    await using service = serviceOver(services, { baseUrl: server.url, publicKeys });

    const events: IngestEvent[] = [];
    const [root] = await service.ingest([StorePath.parse(fixtureCache.root)], {
      onEvent: (event) => events.push(event),
    });
    expect(root?.outcome).toBe('kept');
    expect(await keptPaths(services)).toEqual(fixtureCache.closure);

    for (const path of fixtureCache.paths) {
      const [kept, ...others] = await variantsOf(services, path.storePath);
      if (kept === undefined) throw new Error(`${path.storePath} is not kept`);
      expect(others).toEqual([]);
      const { claim, references } = kept;
      expect({
        storePath: claim.storePath.absolute,
        narHash: claim.narHash.toNixbase32(),
        narSize: claim.narSize,
        references: claim.references.map(({ baseName }) => baseName).sort(),
        deriver: claim.deriver?.baseName,
        ca: claim.ca?.toString(),
      }).toEqual({
        storePath: path.storePath,
        narHash: path.narHash,
        narSize: path.narSize,
        references: path.references,
        deriver: path.deriver,
        ca: path.ca,
      });
      expect(claim.verification).toEqual({ by: 'key', publicKey: fixtureCache.publicKey });
      expect(claim.origin).toBe(server.url);
      expect([...references.keys()]).toEqual(path.references);
      expect(await renderedNarHash(services, kept)).toBe(path.narHash);
    }

    // bytes of NAR that were told of are the bytes of all NARs that came
    const progress = events.reduce((sum, e) => sum + (e.type === 'progress' ? e.narBytes : 0), 0);
    const total = fixtureCache.paths.reduce((sum, { narSize }) => sum + narSize, 0);
    expect(progress).toBeLessThanOrEqual(total);
    expect(progress).toBeGreaterThan(total - 2_000); // twins have one NAR, which may come once

    server.forget();
    expect(await ingestAll(service, fixtureCache.closure)).toEqual(
      fixtureCache.closure.map(() => 'kept'),
    );
    expect(server.requests).toEqual([]);
  });

  test('from the directory itself', async () => {
    await using services = await newServices();
    await using service = serviceOver(services, { baseUrl: fixtureCache.directory, publicKeys });
    expect(await ingestAll(service, [fixtureCache.root])).toEqual(['kept']);
    expect(await keptPaths(services)).toEqual(fixtureCache.closure);
  });

  test('each narinfo and each NAR is asked for once', async () => {
    await using server = await serveStatic(fixtureCache.directory);
    await using services = await newServices();
    await using service = serviceOver(services, { baseUrl: server.url, publicKeys });
    await ingestAll(service, [...fixtureCache.closure, fixtureCache.root]);
    const narinfos = server.paths(/\.narinfo$/);
    expect(narinfos.length).toBe(fixtureCache.closure.length);
    expect(new Set(narinfos).size).toBe(narinfos.length);
    expect(server.paths(NAR).length).toBeLessThanOrEqual(fixtureCache.closure.length);
    expect(server.paths(/nix-cache-info/).length).toBe(1);
  });
});
