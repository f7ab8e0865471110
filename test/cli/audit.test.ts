/** `narthex audit`: what it says, as text and as data, and how it ends. */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { packPath } from '../../src/store/layout.ts';
import { Store } from '../../src/store/store.ts';
import { type KeepOptions, keepWorld, type Worlds, worlds } from '../audit/keptWorlds.ts';
import { deadUrl } from '../ingest/serviceHarness.ts';
import { writeCacheFiles } from '../support/cacheFiles.ts';
import { type TemporaryCli, temporaryCli } from '../support/cli.ts';
import { describeWithShared, unpackSharedCache } from '../support/sharedCaches.ts';
import { serveStatic } from '../support/staticCache.ts';
import { type SyntheticCache, TEST_KEY } from '../support/syntheticCache.ts';
import { temporaryDirectory } from '../support/temporaryDirectory.ts';

const KEYS = ['--trusted-public-keys', TEST_KEY.publicKey] as const;

/** Keeps a cache in the store of the program. */
async function keep(cli: TemporaryCli, cache: SyntheticCache, options?: KeepOptions) {
  await using store = await Store.open(cli.storeDirectory);
  const { blobs: blobService, directories: directoryService, pathInfos: pathInfoService } = store;
  return await keepWorld({ blobService, directoryService, pathInfoService }, cache.files, options);
}

/** Runs `narthex audit` with the test key, and leaves hash parts out of what it says. */
async function audit(cli: TemporaryCli, ...args: string[]) {
  const { exitCode, stdout, stderr } = await cli.run(['audit', ...KEYS, ...args]);
  const lines = withoutHashes(stdout).split('\n').slice(0, -1);
  return { exitCode, lines, stderr };
}

function withoutHashes(text: string): string {
  return text
    .replaceAll(/\/nix\/store\/[0-9a-z]{32}-/g, '/')
    .replaceAll(/\b[0-9a-z]{32}-/g, '')
    .replaceAll(/sha256:[0-9a-z]{52}/g, '#');
}

describe('narthex audit', () => {
  let made: Worlds;
  const servers = new AsyncDisposableStack();
  let a: string;
  let b: string;
  beforeAll(async () => {
    made = await worlds();
    a = servers.use(await serveStatic(made.a.files)).url;
    b = servers.use(await serveStatic(made.b.files)).url;
  });
  afterAll(async () => {
    await servers.disposeAsync();
  });

  test('mixed alone: nothing is visible, and that is said', async () => {
    await using cli = await temporaryCli();
    await keep(cli, made.mixed);
    const top = made.mixed.storePath('top');
    expect(await audit(cli, '--closure', top)).toEqual({
      exitCode: 0,
      lines: [
        '5 paths, 2.6 kB of NAR: NARs, signatures and content addresses verify',
        '  verified by key narthex-test-1 (5)',
        'closure of /top, 5 paths: coherent',
        'nobody was asked whether these paths belong together; --against CACHE asks',
      ],
      stderr: '',
    });
  });

  test('mixed against A and B: no upstream agrees with the whole closure', async () => {
    await using cli = await temporaryCli();
    await keep(cli, made.mixed);
    const top = made.mixed.storePath('top');
    const args = ['--closure', '--against', a, '--against', b, top];
    expect(await audit(cli, ...args)).toEqual({
      exitCode: 5,
      lines: [
        '5 paths, 2.6 kB of NAR: NARs, signatures and content addresses verify',
        '  verified by key narthex-test-1 (5)',
        `${a}: 4 same, 1 different`,
        '  differs: /dep: # there (signed by narthex-test-1), # here',
        `${b}: 4 same, 1 different`,
        '  differs: /embeds: # there (signed by narthex-test-1), # here',
        'closure of /top, 5 paths: coherent',
        `  ${a} has another closure: /dep is different`,
        `  ${b} has another closure: /embeds is different`,
        '  no upstream agrees with the whole closure',
        '  each path is as some upstream has it: the closure is mixed from several worlds',
      ],
      stderr: '',
    });
    const { stdout } = await cli.run(['audit', ...KEYS, '--json', ...args]);
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({
      outcome: 'findings',
      closures: [
        {
          root: top,
          paths: 5,
          coherent: true,
          agreed: false,
          mixed: true,
          upstreams: [
            { url: a, outcome: 'differs', decidedBy: made.a.storePath('dep') },
            { url: b, outcome: 'differs', decidedBy: made.b.storePath('embeds') },
          ],
        },
      ],
      upstreams: [
        { url: a, same: 4, differs: 1, absent: 0 },
        { url: b, same: 4, differs: 1, absent: 0 },
      ],
    });
    const dep = report.paths.find(({ path }: { path: string }) => path.endsWith('-dep'));
    expect(dep).toMatchObject({
      narHash: made.b.path('dep').narHash,
      faults: [],
      undeclaredReferences: [],
      references: [{ name: made.a.path('base').baseName, evidence: 'same' }],
      upstreams: [
        { outcome: 'differs', narHash: made.a.path('dep').narHash, signedBy: ['narthex-test-1'] },
        { outcome: 'same' },
      ],
    });
  });

  test('one path alone: nothing is said of its closure', async () => {
    await using cli = await temporaryCli();
    await keep(cli, made.a);
    expect(await audit(cli, '--against', a, made.a.storePath('top'))).toEqual({
      exitCode: 0,
      lines: [
        '1 path, 584 B of NAR: NARs, signatures and content addresses verify',
        '  verified by key narthex-test-1 (1)',
        `${a}: 1 same`,
      ],
      stderr: '',
    });
  });

  test('a variant that is not current, and paths on standard input', async () => {
    await using cli = await temporaryCli();
    await keep(cli, made.a);
    const top = (await keep(cli, made.b)).get('top');
    const inB = `${top?.storePath.absolute}@${top?.closureDigest}`;
    expect((await audit(cli, '--closure', '--against', b, inB)).exitCode).toBe(0);
    const input = `${top?.storePath.hashPart}\n`;
    const current = await cli.run(['audit', ...KEYS, '--closure', '--against', b, '-'], { input });
    expect(current.exitCode).toBe(5);
  });

  test('edges, hash parts that occur and are not declared, keys that are not trusted', async () => {
    await using cli = await temporaryCli();
    await keep(cli, made.a, {
      evidence: (referrer) =>
        referrer === 'refers' ? 'mixed' : referrer === 'embeds' ? 'unchecked' : 'same',
    });
    const { exitCode, stdout } = await cli.run(['audit', '--closure', made.a.storePath('top')]);
    expect(exitCode).toBe(5);
    expect(withoutHashes(stdout).split('\n')).toEqual([
      '5 paths, 2.6 kB of NAR: NARs, signatures and content addresses verify',
      '  verified by key narthex-test-1, which is not among the trusted ones now (5)',
      '  mixed: /refers refers to dep, which is of another world',
      '  unchecked: /embeds refers to dep, which was compared with no cache',
      'closure of /top, 5 paths: coherent',
      'nobody was asked whether these paths belong together; --against CACHE asks',
      '',
    ]);
  });

  test('damage and lies in the store', async () => {
    await using cli = await temporaryCli();
    await keep(cli, made.a, {
      alter: { refers: (claim) => ({ ...claim, narSize: claim.narSize + 8 }) },
    });
    await flipAt(packPath(cli.storeDirectory, 1), 'built as a');
    const { exitCode, lines } = await audit(cli, '--closure', made.a.storePath('top'));
    expect(exitCode).toBe(5);
    expect(lines[0]).toMatch(/^5 paths, .* of NAR: 2 with something wrong$/);
    const wrong = lines.filter((line) => line.startsWith('  wrong: '));
    expect(
      wrong.map((line) => line.replace(/^ {2}wrong: [^/]*(\/\w+).*\[(\w+)\]$/, '$1 $2')),
    ).toEqual(['/refers SIGNATURE_MISMATCH', '/refers NAR_SIZE_MISMATCH', '/dep DIGEST_MISMATCH']);

    const unread = await audit(cli, '--closure', '--no-contents', made.a.storePath('top'));
    expect(unread.exitCode).toBe(5);
    expect(unread.lines.join('\n')).not.toContain('DIGEST_MISMATCH');
    const json = await cli.run(['audit', '--json', ...KEYS, made.a.storePath('refers')]);
    expect(JSON.parse(json.stdout)).toMatchObject({
      outcome: 'findings',
      paths: [{ faults: [{ code: 'SIGNATURE_MISMATCH' }, { code: 'NAR_SIZE_MISMATCH' }] }],
    });
  });

  test('a cache that cannot be asked is no finding, but the audit is not complete', async () => {
    await using cli = await temporaryCli();
    await keep(cli, made.a);
    const dead = await deadUrl();
    const { exitCode, lines } = await audit(cli, '--against', dead, made.a.storePath('top'));
    expect(exitCode).toBe(3);
    expect(lines.slice(2)).toEqual([
      `${dead}: 1 unreachable`,
      expect.stringMatching(/^ {2}unreachable: \/top: .*\[UPSTREAM_FAILED\]$/),
    ]);
  });

  test.each<[what: string, args: string[], exitCode: number, code: string]>([
    ['no path', [], 2, 'USAGE'],
    ['what is no path', ['x'], 2, 'STORE_PATH_INVALID'],
    ['a place inside a path', [`/nix/store/${'0'.repeat(32)}-x/bin`], 2, 'USAGE'],
    ['a path that is not kept', [`/nix/store/${'0'.repeat(32)}-x`], 1, 'PATH_NOT_FOUND'],
    [
      'an address that is none',
      ['--against', 'ftp://x', '0'.repeat(32)],
      2,
      'UPSTREAM_URL_INVALID',
    ],
    ['one upstream', ['--upstreams', 'https://x', '0'.repeat(32)], 2, 'USAGE'],
    ['findings of a path', ['--findings', '0'.repeat(32)], 2, 'USAGE'],
    ['findings and a closure', ['--findings', '--closure'], 2, 'USAGE'],
    ['upstreams and against', ['--upstreams', 'a:', '--against', 'b:'], 2, 'USAGE'],
    ['no jobs', ['--jobs', '0', '0'.repeat(32)], 2, 'USAGE'],
  ])('%s: exit code and error', async (_, args, exitCode, code) => {
    await using cli = await temporaryCli();
    await Store.open(cli.storeDirectory).then((store) => store[Symbol.asyncDispose]());
    const result = await cli.run(['audit', ...args]);
    expect(result).toMatchObject({ exitCode, stdout: '' });
    expect(result.stderr).toMatch(new RegExp(`^narthex: .* \\[${code}\\]\\n$`));
  });

  test('the help tells the exit codes', async () => {
    await using cli = await temporaryCli();
    const { stdout } = await cli.run(['audit', '--help']);
    expect(stdout).toContain('Exit codes: 0 clean');
  });
});

describe('narthex audit --upstreams', () => {
  let made: Worlds;
  const cleanup = new AsyncDisposableStack();
  let directories: string[];
  beforeAll(async () => {
    made = await worlds();
    const { path } = cleanup.use(await temporaryDirectory('caches'));
    directories = ['a', 'b', 'mixed'].map((name) => join(path, name));
    const caches = [made.a, made.b, made.mixed];
    for (const [i, { files }] of caches.entries())
      await writeCacheFiles(files, directories[i] ?? '');
  });
  afterAll(async () => {
    await cleanup.disposeAsync();
  });

  const options = (addresses: readonly string[]) =>
    addresses.flatMap((address) => ['--upstreams', address]);

  test('all that is kept, as text', async () => {
    await using cli = await temporaryCli();
    await keep(cli, made.a);
    const { exitCode, lines } = await audit(cli, ...options(directories));
    expect(exitCode).toBe(5);
    const [a, b, mixed] = directories.map((path) => `file://${path} (signed by narthex-test-1)`);
    // in the order of digests, so dep and embeds may change places
    expect(lines.slice(0, 8).sort()).toEqual(
      ['/dep', `  #  ${b}`, `  #  ${mixed}`, `  #  ${a}`]
        .concat(['/embeds', `  #  ${a}`, `  #  ${mixed}`, `  #  ${b}`])
        .sort(),
    );
    expect(lines.slice(8)).toEqual([
      '5 paths at 3 caches: 3 the same wherever they are, 2 not the same everywhere',
      'not reproducible, or not the same build:',
      '  dep (1 of 1 path)',
      '  embeds (1 of 1 path)',
    ]);
  });

  test('paths that are named, several caches after one option, no store, as data', async () => {
    await using cli = await temporaryCli();
    const dead = await deadUrl();
    const [a = '', b = ''] = directories;
    const top = made.a.storePath('top');
    const dep = made.a.path('dep').hashPart;
    const args = ['--json', '--upstreams', a, b, dead, top, '-'];
    const { exitCode, stdout } = await cli.run(['audit', ...KEYS, ...args], { input: dep });
    expect(exitCode).toBe(5);
    const map = JSON.parse(stdout);
    expect(map.paths).toMatchObject([
      { path: top, agreement: 'agree', silent: [{ url: dead, outcome: 'unreachable' }] },
      {
        path: made.a.storePath('dep'),
        agreement: 'differ',
        contents: [
          { narHash: made.a.path('dep').narHash, caches: [{ url: `file://${a}` }] },
          { narHash: made.b.path('dep').narHash, caches: [{ url: `file://${b}` }] },
        ],
      },
    ]);
    expect(map.summary).toMatchObject({
      paths: 2,
      agree: 1,
      differ: 1,
      notReproducible: [{ name: 'dep', compared: 1, differing: 1 }],
    });
  });

  test.each<[what: string, names: string[], dead: boolean, exitCode: number]>([
    ['they agree', ['top', 'base'], false, 0],
    ['they agree, and one cannot be asked', ['top'], true, 3],
    ['they disagree, and one cannot be asked', ['dep'], true, 5],
  ])('%s: exit code', async (_, names, withDead, exitCode) => {
    await using cli = await temporaryCli();
    const addresses = [...directories, ...(withDead ? [await deadUrl()] : [])];
    const paths = names.map((name) => made.a.storePath(name));
    expect((await audit(cli, ...options(addresses), ...paths)).exitCode).toBe(exitCode);
  });

  test('an empty store: nothing is said', async () => {
    await using cli = await temporaryCli();
    await Store.open(cli.storeDirectory).then((store) => store[Symbol.asyncDispose]());
    const { exitCode, lines } = await audit(cli, ...options(directories));
    expect({ exitCode, lines }).toEqual({ exitCode: 0, lines: ['0 paths at 3 caches'] });
    const { stdout } = await cli.run(['audit', '--json', ...options(directories)]);
    expect(JSON.parse(stdout)).toMatchObject({ paths: [], summary: { paths: 0 } });
  });
});

describe('narthex audit --findings', () => {
  test('lists what mirror has reported', async () => {
    await using cli = await temporaryCli();
    expect((await cli.run(['audit', '--findings'])).stderr).toContain('[STORE_FAILED]');
    const { a, b } = await worlds();
    await keep(cli, a);
    expect(await audit(cli, '--findings')).toEqual({
      exitCode: 0,
      lines: ['0 findings'],
      stderr: '',
    });
    await using server = await serveStatic(b.files);
    const from = ['--from', server.url, ...KEYS, '--frankenbuild', 'report'];
    expect((await cli.run(['mirror', ...from, b.storePath('refers')])).exitCode).toBe(5);
    const { exitCode, lines } = await audit(cli, '--findings');
    expect(exitCode).toBe(5);
    expect(lines).toEqual([
      expect.stringMatching(/refers refers to dep/),
      expect.stringMatching(
        /^ {2}signed by narthex-test-1 there, by narthex-test-1 here; first seen \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$/,
      ),
      '1 finding',
    ]);
    const { stdout } = await cli.run(['audit', '--findings', '--json']);
    expect(JSON.parse(stdout)).toMatchObject([
      {
        referrer: a.storePath('refers'),
        reference: a.storePath('dep'),
        ours: { narHash: a.path('dep').narHash },
        theirs: { narHash: b.path('dep').narHash },
        upstream: server.url,
        firstSeen: expect.stringMatching(/^\d{4}-.*Z$/),
      },
    ]);
  });
});

const FRANKEN = ['a', 'b', 'mixed'].map((name) => `caches/franken-${name}-xz.tar.zst`);
const TOP = '/nix/store/sc364172yxyfvqi00i8ci2lr90ybsyq9-top';

describeWithShared('narthex audit of caches made by Nix', FRANKEN, () => {
  test('franken-mixed alone, and against A and B', async () => {
    await using mixed = await unpackSharedCache('franken-mixed-xz');
    await using a = await unpackSharedCache('franken-a-xz');
    await using b = await unpackSharedCache('franken-b-xz');
    await using cli = await temporaryCli();
    const keys = ['--trusted-public-keys', mixed.publicKey];
    expect((await cli.run(['mirror', '--from', mixed.directory, ...keys, TOP])).exitCode).toBe(0);

    const alone = await cli.run(['audit', '--closure', ...keys, TOP]);
    expect(alone.exitCode).toBe(0);
    expect(alone.stdout).toContain('nobody was asked whether these paths belong together');

    const against = ['--against', a.directory, '--against', b.directory];
    const { exitCode, stdout } = await cli.run(['audit', '--closure', ...keys, ...against, TOP]);
    expect(exitCode).toBe(5);
    expect(withoutHashes(stdout).split('\n').slice(-6, -1)).toEqual([
      'closure of /top, 5 paths: coherent',
      `  file://${a.directory} has another closure: /dep is different`,
      `  file://${b.directory} has another closure: /embeds is different`,
      '  no upstream agrees with the whole closure',
      '  each path is as some upstream has it: the closure is mixed from several worlds',
    ]);
  });
});

/** Inverts a bit of the first place that holds the text. */
async function flipAt(path: string, text: string): Promise<void> {
  await using handle = await open(path, 'r+');
  const bytes = await handle.readFile();
  const at = bytes.indexOf(text);
  if (at === -1) throw new Error('the text is not stored as it is');
  await handle.write(Uint8Array.of((bytes[at] ?? 0) ^ 1), 0, 1, at);
}
