/** `narthex mirror`: what it takes, what it says, how it ends. */
import { readFile, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { readCacheFiles, zipCacheFiles } from '../support/cacheFiles.ts';
import { FIXTURE_KEYS, jsonLines, type TemporaryCli, temporaryCli } from '../support/cli.ts';
import { fixtureCache, hashPartOfPath } from '../support/fixtureCache.ts';
import { nixbase32 } from '../support/nixbase32.ts';
import { testKey } from '../support/signingKey.ts';
import { serveStatic } from '../support/staticCache.ts';
import { syntheticCache, TEST_KEY } from '../support/syntheticCache.ts';
import { file } from '../support/syntheticTree.ts';

const { root, closure, directory } = fixtureCache;
const FROM_FIXTURE = ['--from', directory, ...FIXTURE_KEYS] as const;
const TRUST_TEST_KEY = ['--trusted-public-keys', TEST_KEY.publicKey] as const;
const NAR = /^nar\//;

/** All store paths in the store, sorted. */
async function kept(cli: TemporaryCli, asked: readonly string[] = closure): Promise<string[]> {
  const found: string[] = [];
  const { stdout } = await cli.run(['stats', '--json']);
  const { paths }: { paths: number } = JSON.parse(stdout);
  for (const path of asked) {
    if ((await cli.run(['info', path])).exitCode === 0) found.push(path);
  }
  expect(found).toHaveLength(paths); // and nothing else
  return found.sort();
}

/** Everything of the fixture is in the store. */
async function expectFixture(cli: TemporaryCli): Promise<void> {
  const { exitCode, stdout } = await cli.run(['closure', root]);
  expect({ exitCode, paths: stdout.trim().split('\n').sort() }).toEqual({
    exitCode: 0,
    paths: closure,
  });
}

describe('from', () => {
  test.each<[what: string, address: (cli: TemporaryCli) => string | Promise<string>]>([
    ['a directory', () => directory],
    ['a directory, relative', (cli) => relative(cli.directory, directory)],
    ['a file:// URL', () => pathToFileURL(directory).href],
    [
      'a zip file',
      async (cli) => {
        const zip = join(cli.directory, 'cache.zip');
        await writeFile(zip, zipCacheFiles(await readCacheFiles(directory), { prefix: 'cache/' }));
        return zip;
      },
    ],
  ])('%s', async (_, addressOf) => {
    await using cli = await temporaryCli();
    const from = ['--from', await addressOf(cli), ...FIXTURE_KEYS];
    const { exitCode, stdout, stderr } = await cli.run(['mirror', ...from, root]);
    expect({ exitCode, stdout }).toEqual({
      exitCode: 0,
      stdout: expect.stringMatching(/^35 paths mirrored: 1\.7 MB of NAR in [\d.]+ s \(.*\/s\)\n$/),
    });
    // not a terminal: a line for each path, and no escape sequences
    const lines = stderr.trimEnd().split('\n');
    expect(lines.map((line) => line.replace(/^\[\d+\/\d+\] (\S+) \(.*\)$/, '$1')).sort()).toEqual(
      closure,
    );
    expect(lines.at(-1)).toBe(`[35/35] ${root} (7.7 kB)`);
    await expectFixture(cli);
  });

  test('http, with a prefix and a query', async () => {
    await using server = await serveStatic(directory, { basePath: '/some/cache' });
    await using cli = await temporaryCli();
    const from = ['--from', `${server.url}?token=x`, ...FIXTURE_KEYS];
    expect((await cli.run(['mirror', ...from, root])).exitCode).toBe(0);
    await expectFixture(cli);
    expect(new Set(server.requests.map(({ query }) => query))).toEqual(new Set(['?token=x']));
    const { stdout } = await cli.run(['info', '--json', root]);
    expect(JSON.parse(stdout)).toMatchObject([{ origin: server.url }]);
  });

  test('http, with a password from a netrc file, which is told to nobody', async () => {
    await using server = await serveStatic(directory, {
      respond: ({ headers }) =>
        headers.authorization === `Basic ${btoa('me:secret')}` ? undefined : { status: 401 },
    });
    await using cli = await temporaryCli();
    const { storePath } = fixtureCache.path('single-file');
    const from = ['--from', server.url, ...FIXTURE_KEYS, storePath];
    const refused = await cli.run(['mirror', ...from]);
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toMatch(/status 401 \[UPSTREAM_STATUS\]\n$/);
    const netrc = join(cli.directory, 'netrc');
    await writeFile(netrc, 'machine 127.0.0.1 login me password secret\n');
    const { exitCode, stdout, stderr } = await cli.run(['mirror', '--netrc-file', netrc, ...from]);
    expect(exitCode).toBe(0);
    const info = await cli.run(['info', '--json', storePath]);
    expect(stdout + stderr + info.stdout).not.toContain('secret');
  });
});

describe('several caches', () => {
  test('the one with the lowest priority number is asked first; a dead one stops nothing', async () => {
    const tree = file('the same');
    const near = await syntheticCache([{ name: 'both', tree }], { priority: 10 });
    const far = await syntheticCache([{ name: 'both', tree }, { name: 'only-far' }]);
    await using nearServer = await serveStatic(near.files);
    await using farServer = await serveStatic(far.files);
    await using dead = await serveStatic(new Map());
    const deadUrl = dead.url;
    await dead[Symbol.asyncDispose]();
    await using cli = await temporaryCli();
    const from = [deadUrl, farServer.url, nearServer.url].flatMap((url) => ['--from', url]);
    const paths = [far.storePath('both'), far.storePath('only-far')];
    const { exitCode } = await cli.run(['mirror', ...from, ...TRUST_TEST_KEY, ...paths]);
    expect(exitCode).toBe(0);
    const { stdout } = await cli.run(['info', '--json', ...paths]);
    expect(JSON.parse(stdout)).toMatchObject([
      { origin: nearServer.url },
      { origin: farServer.url },
    ]);
    expect(farServer.paths(NAR)).toEqual([far.path('only-far').narFile]);
  });

  test('all dead: an error that names the first', async () => {
    await using cli = await temporaryCli();
    const from = ['--from', join(cli.directory, 'none'), '--from', 'file:///no/such'];
    const { exitCode, stdout, stderr } = await cli.run(['mirror', ...from, root]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '0 paths mirrored, 1 failed\n' });
    expect(stderr).toBe(
      `failed: ${root}: ${cli.directory}/none does not exist [NOT_A_BINARY_CACHE]\n`,
    );
  });
});

describe('paths', () => {
  const { storePath } = fixtureCache.path('app-2.0');
  test.each<[what: string, paths: string[], input?: string]>([
    ['store path', [storePath]],
    ['base name', [storePath.slice('/nix/store/'.length)]],
    ['hash part', [hashPartOfPath(storePath)]],
    ['on standard input', ['-'], `${storePath}\n`],
    ['in several ways at once', [storePath, hashPartOfPath(storePath), '-'], `\n${storePath}/\n\n`],
  ])('%s', async (_, paths, input) => {
    await using cli = await temporaryCli();
    const { exitCode, stdout } = await cli.run(['mirror', ...FROM_FIXTURE, ...paths], { input });
    expect({ exitCode, stdout }).toEqual({
      exitCode: 0,
      stdout: expect.stringMatching(/^4 paths mirrored: /),
    });
  });

  test('a hash part with another name is another path', async () => {
    await using cli = await temporaryCli();
    const { exitCode, stderr } = await cli.run(['mirror', ...FROM_FIXTURE, `${storePath}x`]);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/\[STORE_PATH_MISMATCH\]\n$/);
  });
});

describe('trust', () => {
  test('an untrusted key: nothing is kept, and the line says whose key is missing', async () => {
    await using cli = await temporaryCli();
    const { exitCode, stdout, stderr } = await cli.run(['mirror', '--from', directory, root]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '0 paths mirrored, 1 failed\n' });
    expect(stderr).toBe(
      `failed: ${root} is signed by narthex-fixture-1, trusted is cache.nixos.org-1; ` +
        'name its key with --trusted-public-keys, or take it with --no-check-sigs [SIGNATURE_MISSING]\n',
    );
    expect(await kept(cli, [root])).toEqual([]);
  });

  test('another key of the same name', async () => {
    await using cli = await temporaryCli();
    const keys = ['--trusted-public-keys', testKey('narthex-fixture-1').publicKey];
    const { exitCode, stderr } = await cli.run(['mirror', '--from', directory, ...keys, root]);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/does not verify \[SIGNATURE_MISMATCH\]\n$/);
  });

  test('several keys', async () => {
    await using cli = await temporaryCli();
    const keys = `${testKey('other-1').publicKey}  ${fixtureCache.publicKey}`;
    const from = ['--from', directory, '--trusted-public-keys', keys];
    expect((await cli.run(['mirror', ...from, root])).exitCode).toBe(0);
  });

  test('--no-check-sigs takes it, which is recorded; trusted again it is verified, not fetched', async () => {
    await using server = await serveStatic(directory);
    await using cli = await temporaryCli();
    const { storePath } = fixtureCache.path('app-2.0');
    const verifiedBy = async () => {
      const { stdout } = await cli.run(['info', '--json', storePath]);
      return JSON.parse(stdout)[0].verifiedBy;
    };
    const from = ['--from', server.url];
    const careless = await cli.run(['mirror', ...from, '--no-check-sigs', storePath]);
    expect(careless.exitCode).toBe(0);
    expect(await verifiedBy()).toEqual({ by: 'nobody' });
    expect((await cli.run(['info', storePath])).stdout).toContain('verified by  nobody\n');
    server.forget();
    const careful = await cli.run(['mirror', ...from, ...FIXTURE_KEYS, storePath]);
    expect(careful.exitCode).toBe(0);
    expect(await verifiedBy()).toEqual({ by: 'key', publicKey: fixtureCache.publicKey });
    expect(server.paths(NAR)).toEqual([]);
  });

  test('content-addressed paths need no key', async () => {
    await using cli = await temporaryCli();
    const paths = ['self-referring', 'fixed-recursive', 'added-flat-sha1'].map(
      (name) => fixtureCache.path(name).storePath,
    );
    const { exitCode } = await cli.run(['mirror', '--from', directory, ...paths]);
    expect(exitCode).toBe(0);
    const { stdout } = await cli.run(['info', '--json', ...paths]);
    expect(JSON.parse(stdout)).toMatchObject(paths.map(() => ({ verifiedBy: { by: 'ca' } })));
  });
});

describe('a path that cannot be had', () => {
  /** Good ones, and a chain of three whose last has another NAR than its narinfo says. */
  const brokenCache = () =>
    syntheticCache([
      { name: 'good', references: ['shared'] },
      { name: 'shared' },
      { name: 'top', references: ['middle', 'shared'] },
      { name: 'middle', references: ['broken'] },
      { name: 'broken', lie: { servedNar: (nar) => Buffer.concat([nar.subarray(0, -1), nar]) } },
    ]);

  test('partial: the good stay, the chain is named, and paths in between are not told', async () => {
    const cache = await brokenCache();
    await using server = await serveStatic(cache.files);
    await using cli = await temporaryCli();
    const from = ['--from', server.url, ...TRUST_TEST_KEY];
    const [good, shared, top, middle, broken] = cache.paths;
    const wanted = [cache.storePath('top'), cache.storePath('good')];
    const { exitCode, stdout, stderr } = await cli.run(['mirror', ...from, ...wanted]);
    expect({ exitCode, stdout }).toEqual({
      exitCode: 3,
      stdout: expect.stringMatching(/^2 paths mirrored, 3 failed: /),
    });
    const failures = stderr.split('\n').filter((line) => line.startsWith('failed'));
    expect(failures).toEqual([
      expect.stringMatching(`^failed: ${broken?.storePath}: .* \\[[A-Z_]+\\]$`),
      expect.stringMatching(
        `^failed: ${top?.baseName} needs ${middle?.baseName} → ${broken?.baseName}: .* \\[REFERENCE_FAILED\\]$`,
      ),
    ]);
    const all = cache.paths.map(({ storePath }) => storePath);
    expect(await kept(cli, all)).toEqual([good?.storePath, shared?.storePath].sort());
  });

  test('--json tells of all three, with causes', async () => {
    const cache = await brokenCache();
    await using server = await serveStatic(cache.files);
    await using cli = await temporaryCli();
    const from = ['--from', server.url, ...TRUST_TEST_KEY];
    const wanted = [cache.storePath('top'), cache.storePath('good')];
    const { exitCode, stdout, stderr } = await cli.run(['mirror', '--json', ...from, ...wanted]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 3, stderr: '' });
    const events = jsonLines(stdout);
    const failed = events.filter(({ event }) => event === 'failed');
    expect(failed).toEqual([
      { event: 'failed', path: cache.storePath('broken'), error: expect.anything() },
      { event: 'failed', path: cache.storePath('middle'), error: expect.anything() },
      {
        event: 'failed',
        path: cache.storePath('top'),
        error: {
          code: 'REFERENCE_FAILED',
          message: expect.any(String),
          facts: {
            storePath: cache.path('top').baseName,
            reference: cache.path('middle').baseName,
            chain: ['top', 'middle', 'broken'].map((name) => cache.path(name).baseName),
          },
          cause: expect.objectContaining({ code: expect.stringMatching(/^NAR_/) }),
        },
      },
    ]);
    expect(events.at(-1)).toMatchObject({
      event: 'done',
      outcome: 'partial',
      kept: 2,
      present: 0,
      failed: 3,
      narBytes: expect.any(Number),
      seconds: expect.any(Number),
    });
  });

  test('none is kept: an error', async () => {
    await using cli = await temporaryCli();
    const nowhere = nixbase32(Buffer.alloc(20, 7));
    const { exitCode, stdout, stderr } = await cli.run(['mirror', ...FROM_FIXTURE, nowhere]);
    expect({ exitCode, stdout, stderr }).toEqual({
      exitCode: 1,
      stdout: '0 paths mirrored, 1 failed\n',
      stderr: `failed: no upstream has ${nowhere} [PATH_NOT_FOUND]\n`,
    });
  });
});

describe('what is told', () => {
  test('--json: one line for each event, and nothing else', async () => {
    await using cli = await temporaryCli();
    const args = ['mirror', '--json', ...FROM_FIXTURE, fixtureCache.path('left-0.1').storePath];
    const { stdout, stderr } = await cli.run(args);
    expect(stderr).toBe('');
    const events = jsonLines(stdout);
    const told = (type: string, path: string) =>
      events.find((line) => line['event'] === type && line['path'] === path);
    for (const name of ['left-0.1', 'multi-1.2.3']) {
      const { storePath: path, narHash, narSize } = fixtureCache.path(name);
      const from = pathToFileURL(directory).href;
      expect(told('found', path)).toEqual({ event: 'found', path, narSize, from });
      expect(told('fetching', path)).toEqual({ event: 'fetching', path, narSize });
      expect(told('fetched', path)).toEqual({ event: 'fetched', path, narSize });
      const closureDigest = expect.stringMatching(/^blake3-/);
      expect(told('kept', path)).toEqual({ event: 'kept', path, narHash, narSize, closureDigest });
    }
    const narBytes = 336 + 768;
    expect(events.at(-1)).toMatchObject({ event: 'done', outcome: 'complete', kept: 2, narBytes });
    expect(events).toHaveLength(9);
  });

  test('what is here already is not fetched again', async () => {
    await using server = await serveStatic(directory);
    await using cli = await temporaryCli();
    const args = ['mirror', '--from', server.url, ...FIXTURE_KEYS];
    await cli.run([...args, fixtureCache.path('app-2.0').storePath]);
    server.forget();
    const { stdout } = await cli.run([...args, root]);
    expect(stdout).toMatch(/^31 paths mirrored, \d+ here already: /);
    expect(server.paths(NAR).length).toBeLessThanOrEqual(31);
    server.forget();
    const again = await cli.run([...args, root]);
    expect(again).toMatchObject({ exitCode: 0, stderr: '' });
    expect(again.stdout).toMatch(/^0 paths mirrored, \d+ here already\n$/);
    expect(server.paths(NAR)).toEqual([]);
  });

  test.each([
    ['--jobs', 'NARs', NAR],
    ['--connections', 'narinfos', /\.narinfo$/],
  ])('%s: so many %s at once', async (option, _what, counted) => {
    const specs = Array.from({ length: 12 }, (_, index) => ({ name: `path-${index}` }));
    const cache = await syntheticCache(specs);
    let fetching = 0;
    let most = 0;
    await using server = await serveStatic(cache.files, {
      async respond({ path }) {
        if (!counted.test(path)) return undefined;
        fetching++;
        most = Math.max(most, fetching);
        // the others would come meanwhile
        await new Promise((resolve) => setTimeout(resolve, 20));
        fetching--;
        return undefined;
      },
    });
    const wanted = cache.paths.map(({ storePath }) => storePath);
    for (const atOnce of [1, 3]) {
      await using cli = await temporaryCli();
      most = 0;
      const args = ['--from', server.url, ...TRUST_TEST_KEY, option, String(atOnce), ...wanted];
      expect((await cli.run(['mirror', ...args])).exitCode).toBe(0);
      expect(most).toBe(atOnce);
    }
  });
});

describe('the store', () => {
  test('is --store, NARTHEX_STORE, or below the XDG data directory', async () => {
    await using cli = await temporaryCli();
    const { storePath } = fixtureCache.path('text');
    const args = ['mirror', ...FROM_FIXTURE, storePath];
    const without = { NARTHEX_STORE: undefined };
    const runs = [
      await cli.run([...args, '--store', 'named']),
      await cli.run(args, { environment: { NARTHEX_STORE: 'from-environment' } }),
      await cli.run(args, {
        environment: { ...without, XDG_DATA_HOME: join(cli.directory, 'xdg') },
      }),
      await cli.run(args, { environment: { ...without, XDG_DATA_HOME: 'relative' } }),
    ];
    expect(runs.map(({ exitCode }) => exitCode)).toEqual([0, 0, 0, 0]);
    const stores = ['named', 'from-environment', 'xdg/narthex/store', '.local/share/narthex/store'];
    for (const store of stores) {
      await expect(readFile(join(cli.directory, store, 'index.mdb'))).resolves.toBeDefined();
    }
  });

  test('that cannot be made is an error', async () => {
    await using cli = await temporaryCli();
    await writeFile(join(cli.directory, 'file'), '');
    const args = ['mirror', ...FROM_FIXTURE, '--store', 'file', root];
    const { exitCode, stdout, stderr } = await cli.run(args);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toMatch(/^narthex: [^\n]* \[STORE_FAILED\]\n$/);
  });
});
