/** Real Nix takes closures out of `narthex serve`, with signature checking on. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fixtureCli, type TemporaryCli, temporaryCli } from '../support/cli.ts';
import { readFileTree } from '../support/fileTree.ts';
import { fixtureCache } from '../support/fixtureCache.ts';
import { describeWithNix, isolatedNix } from '../support/realNix.ts';
import { describeWithShared, unpackSharedCache } from '../support/sharedCaches.ts';
import { testKey } from '../support/signingKey.ts';

/** What `narthex serve` makes narinfos point at. */
const FORMS = ['none', 'zstd'] as const;

async function serve(cli: TemporaryCli, form: (typeof FORMS)[number]) {
  const running = cli.start(['serve', '--listen', '127.0.0.1:0', '--compression', form]);
  const line = await running.line(/^listening on /);
  return Object.assign(running, { url: line.replace('listening on ', '') });
}

describeWithNix('nix copy from narthex serve', () => {
  test.each(FORMS)('the fixture, NARs as %s', async (form) => {
    await using cli = await fixtureCli();
    await using server = await serve(cli, form);
    await using nix = await isolatedNix();
    const publicKeys = [fixtureCache.publicKey];
    const to = nix.newStore();
    await nix.copy({ from: server.url, to, paths: [fixtureCache.root], publicKeys });
    await nix.verify(to, publicKeys);
    for (const { storePath, tree } of fixtureCache.paths) {
      expect(await readFileTree(join(to, storePath))).toEqual(tree);
    }
    server.child.kill('SIGTERM');
    expect(await server.ended).toMatchObject({ exitCode: 0, stderr: '' });
  });

  test.each(FORMS)(
    'nothing that is signed by a key it does not trust, NARs as %s',
    async (form) => {
      await using cli = await fixtureCli();
      await using server = await serve(cli, form);
      await using nix = await isolatedNix();
      const copy = { from: server.url, to: nix.newStore(), paths: [fixtureCache.root] };
      const strangers = [testKey('somebody-else-1').publicKey];
      const refused = await nix.copy({ ...copy, publicKeys: strangers, mayFail: true });
      expect(refused.status).not.toBe(0);
      expect(refused.stderr).toMatch(/signature/);
    },
  );

  describeWithShared(
    'Debian packages',
    ['caches/small-xz.tar.zst', 'caches/small-zstd.tar.zst', 'caches/small-none.tar.zst'],
    () => {
      test.each([
        ['small-xz', 'none'],
        ['small-zstd', 'zstd'],
        ['small-none', 'zstd'],
      ] as const)('%s, served as %s', async (name, form) => {
        await using cache = await unpackSharedCache(name);
        const { roots, closure } = cache.info ?? { roots: [], closure: [] };
        await using cli = await temporaryCli();
        const keys = ['--trusted-public-keys', cache.publicKey];
        const mirrored = await cli.run(['mirror', '--from', cache.directory, ...keys, ...roots]);
        expect(mirrored.exitCode).toBe(0);
        await using server = await serve(cli, form);
        await using nix = await isolatedNix();
        const to = nix.newStore();
        await nix.copy({ from: server.url, to, paths: roots, publicKeys: [cache.publicKey] });
        await nix.verify(to, [cache.publicKey]);
        const { stdout } = await nix.run(['path-info', '--all', '--store', to]);
        expect(stdout.trim().split('\n').sort()).toEqual([...closure].sort());
      });
    },
  );
});
