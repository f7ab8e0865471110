/** Real Nix copies a closure out of a store that has nothing of it yet. */
import { expect, test } from 'vitest';
import { fixtureCache } from '../support/fixtureCache.ts';
import { describeWithNix, isolatedNix } from '../support/realNix.ts';
import { serveStatic } from '../support/staticCache.ts';
import { demandServer } from './demandServer.ts';

describeWithNix('nix copy through an empty store', () => {
  test('ends with the closure here and there', async () => {
    await using nix = await isolatedNix();
    await using upstream = await serveStatic(fixtureCache.directory);
    const { publicKey, root } = fixtureCache;
    await using server = await demandServer([upstream.url], { publicKey });
    const to = nix.newStore();
    const publicKeys = [publicKey];
    await nix.copy({ from: server.url, to, paths: [root], publicKeys });
    await nix.verify(to, publicKeys);
    await server.kept(root);
    expect(await server.paths()).toEqual([...fixtureCache.closure].sort());
    // paths with the same NAR may share its download, and may not
    expect(upstream.paths(/\.narinfo$/)).toHaveLength(fixtureCache.closure.length);
    expect(upstream.paths(/^nar\//).length).toBeLessThanOrEqual(fixtureCache.closure.length);
    expect(server.failures).toEqual([]);
  });
});
