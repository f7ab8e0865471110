import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { utf8 } from '../../src/bytes.ts';
import { hashBytes } from '../../src/hash.ts';
import { Claim } from '../../src/pathinfo/claim.ts';
import { PathInfo } from '../../src/pathinfo/pathInfo.ts';
import type { Store } from '../../src/store/store.ts';
import { STORE_PATH_DIGEST_BYTES, StorePath } from '../../src/storePath.ts';
import { BY_KEY } from '../contracts/pathInfos.ts';
import { FRANKEN_FILES, frankenWorld, putWorld } from '../diff/frankenCaches.ts';
import { putTree } from '../render/castoreTree.ts';
import { type TemporaryStore, temporaryStore } from '../store/temporaryStore.ts';
import { describeWithShared } from '../support/sharedCaches.ts';
import {
  directory,
  executable,
  file,
  type SyntheticTree,
  symlink,
} from '../support/syntheticTree.ts';

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

function narthexDiff(store: Store, ...args: string[]) {
  const all = [main, 'diff', '--store', store.directory, ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, all, { encoding: 'utf8' });
  return { status, stdout, stderr };
}

/** Keeps a tree under a store path whose hash part follows from the build and the name. */
async function keep(
  store: Store,
  name: string,
  tree: SyntheticTree,
  { build = '', references = [] as readonly PathInfo[], narSize = 1000 } = {},
): Promise<PathInfo> {
  const services = { blobService: store.blobs, directoryService: store.directories };
  const node = await putTree(services, tree);
  const { digest } = hashBytes('sha256', utf8(`${build} ${name}`));
  const claim = new Claim({
    storePath: StorePath.of(digest.subarray(0, STORE_PATH_DIGEST_BYTES), name),
    narHash: hashBytes('sha256', utf8(JSON.stringify(node))),
    narSize,
    references: references.map(({ storePath }) => storePath),
    signatures: [],
    deriver: undefined,
    ca: undefined,
    origin: undefined,
    verification: BY_KEY,
  });
  const contents = references.map(
    (of) =>
      [
        of.storePath.baseName,
        { node: of.node, closureDigest: of.closureDigest, evidence: 'same' },
      ] as const,
  );
  return await store.pathInfos.put(new PathInfo(claim, node, new Map(contents)));
}

describe('narthex diff', () => {
  let temporary: TemporaryStore;
  let store: Store;
  let a: PathInfo;
  let b: PathInfo;
  const run = (...args: string[]) => narthexDiff(store, ...args);
  const path = ({ storePath }: PathInfo) => storePath.absolute;

  const odd = Uint8Array.of(0x6f, 0xff);
  const shared = directory({ x: file('shared') });
  beforeAll(async () => {
    temporary = await temporaryStore();
    store = temporary.store;
    a = await keep(
      store,
      'hello-2.10',
      directory([
        ['bin', directory({ hello: executable('old\n'), script: file('#!\n') })],
        ['etc', directory({ conf: file('one\ntwo\nthree\n'), image: file('\0a') })],
        ['gone', symlink('bin')],
        ['lib', symlink('lib64')],
        ['place', file('12345')],
        ['same', shared],
        [odd, file('1')],
      ]),
    );
    b = await keep(
      store,
      'hello-2.12',
      directory([
        ['bin', directory({ hello: executable('new!\n'), script: executable('#!\n') })],
        ['etc', directory({ conf: file('one\n\u{1b}[2Jtwo\nthree\n'), image: file('\0b') })],
        ['lib', symlink('lib32\u{1b}')],
        ['more', directory({ p: directory({ x: file('1') }), q: directory({ x: file('1') }) })],
        ['place', directory()],
        ['same', shared],
        [odd, file('2')],
      ]),
    );
    await store.flush();
  });
  afterAll(() => temporary[Symbol.asyncDispose]());

  test('two paths as lines', () => {
    const { status, stdout, stderr } = run(path(a), path(b));
    expect(stdout.split('\n')).toEqual([
      'M      4 B      5 B  bin/hello',
      'X      3 B      3 B  bin/script  (now executable)',
      'M     14 B     18 B  etc/conf',
      'M      2 B      2 B  etc/image',
      'D  symlink           gone',
      'L  symlink  symlink  lib  (lib64 => lib32\\x1b)',
      'A               dir  more/',
      'A               dir  more/p/',
      'A               1 B  more/p/x',
      'A               dir  more/q/  (as in more/p/)',
      'M      1 B      1 B  o\\xff',
      'T      5 B      dir  place/',
      '12 differences',
      '',
    ]);
    expect(stderr).toBe('');
    expect(status).toBe(5);
  });

  test('equal ones: no output, exit code 0', () => {
    expect(run(path(a), a.storePath.hashPart)).toEqual({ status: 0, stdout: '', stderr: '' });
    for (const place of ['same', 'same/x']) {
      expect(run(`${path(a)}/${place}`, `${path(b)}/${place}`)).toEqual({
        status: 0,
        stdout: '',
        stderr: '',
      });
    }
  });

  test('places inside, with unified diffs', () => {
    const { status, stdout } = run('--text', `${path(a)}/etc`, `${path(b)}/etc`);
    expect(stdout.split('\n')).toEqual([
      'M     14 B     18 B  conf',
      '--- a/conf',
      '+++ b/conf',
      '@@ -1,3 +1,3 @@',
      ' one',
      '-two',
      '+\u{1b}[2Jtwo', // as it is, for patch(1): this is no terminal
      ' three',
      'M      2 B      2 B  image  (binary)',
      '2 differences',
      '',
    ]);
    expect(status).toBe(5);
  });

  test('a file by itself, also under a name that is not UTF-8', () => {
    const { status, stdout } = run('--text', `${path(a)}/o\\xff`, `${path(b)}/o\\xff`);
    expect(stdout).toContain('M      1 B      1 B  .\n--- a/o\\xff\n+++ b/o\\xff\n@@');
    expect(status).toBe(5);
  });

  test('as data', () => {
    const { status, stdout } = run(
      '--json',
      '--text',
      `${path(a)}/etc/conf`,
      `${path(b)}/etc/conf`,
    );
    expect(status).toBe(5);
    expect(JSON.parse(stdout)).toMatchObject({
      a: { path: path(a), inside: 'etc/conf', closureDigest: String(a.closureDigest) },
      b: { path: path(b), inside: 'etc/conf', node: { type: 'file', size: 18 } },
      equal: false,
      changes: [
        {
          type: 'changed',
          path: '',
          a: { type: 'file', size: 14, executable: false },
          b: { type: 'file', size: 18 },
          text: { type: 'hunks' },
        },
      ],
    });
    const { changes } = JSON.parse(run('--json', path(a), path(b)).stdout);
    expect(changes).toContainEqual(
      expect.objectContaining({ type: 'added', path: 'more/q', a: null, sameAs: 'more/p' }),
    );
    expect(changes).toContainEqual(
      expect.objectContaining({ path: { base64: Buffer.from(odd).toString('base64') } }),
    );
    expect(JSON.parse(run('--json', path(a), path(a)).stdout)).toMatchObject({
      equal: true,
      changes: [],
    });
  });

  test('two closures', async () => {
    const tree = directory({ hello: symlink('x') });
    const common = await keep(store, 'common', directory());
    const old = await keep(store, 'extra', directory(), { narSize: 3_000_000 });
    const rootA = await keep(store, 'root', tree, { build: 'a', references: [a, common, old] });
    const rootB = await keep(store, 'root', tree, { build: 'b', references: [b, common] });
    const { status, stdout } = run('--closure', path(rootA), path(rootB));
    expect(stdout.split('\n')).toEqual([
      `D   3.0 MB           ${path(old)}`,
      `R   1.0 kB   1.0 kB  ${path(a)} => ${path(b)}`,
      `R   1.0 kB   1.0 kB  ${path(rootA)} => ${path(rootB)}  (same contents)`,
      '3 differences, 1 path in both; closure 3.0 MB => 3.0 kB',
      '',
    ]);
    expect(status).toBe(5);

    const withFiles = run('--closure', '--text', path(rootA), path(rootB)).stdout;
    expect(withFiles).toContain(
      `\n   M     14 B     18 B  etc/conf\n--- a/${a.storePath.baseName}/etc/conf\n+++ b/${b.storePath.baseName}/etc/conf\n@@`,
    );
    const json = JSON.parse(run('--closure', '--files', '--json', path(rootA), path(rootB)).stdout);
    expect(json).toMatchObject({
      a: { path: path(rootA), closureNarSize: 3_003_000 },
      equal: false,
      sameCount: 1,
      changes: [
        { type: 'removed', a: { path: path(old), narSize: 3_000_000 }, b: null },
        { type: 'replaced', contentsDiffer: true, referencesDiffer: false },
        { type: 'replaced', contentsDiffer: false, referencesDiffer: true },
      ],
    });
    expect(json.changes[1].files).toHaveLength(12);
    expect(run('--closure', path(rootA), path(rootA))).toEqual({
      status: 0,
      stdout: '',
      stderr: '',
    });
  });

  test.each<[what: string, args: (a: string, b: string) => string[], status: number, code: string]>(
    [
      ['one place', (a) => [a], 2, 'USAGE'],
      ['three places', (a, b) => [a, b, a], 2, 'USAGE'],
      ['a closure of a place inside', (a, b) => ['--closure', `${a}/bin`, b], 2, 'USAGE'],
      ['files without a closure', (a, b) => ['--files', a, b], 2, 'USAGE'],
      ['a place that is not there', (a, b) => [`${a}/nowhere`, b], 1, 'FILE_NOT_FOUND'],
      ['no digest', (a, b) => [`${a}@blake3-x`, b], 2, 'USAGE'],
      ['a variant that is not there', (a, b) => [`${a}@${'0'.repeat(64)}`, b], 1, 'PATH_NOT_FOUND'],
    ],
  )('%s: exit code and error', (_, args, status, code) => {
    const result = run(...args(path(a), path(b)));
    expect(result.stderr).toMatch(new RegExp(`^narthex: .* \\[${code}\\]\\n$`));
    expect(result).toMatchObject({ status, stdout: '' });
  });

  test('the help tells the exit codes', () => {
    expect(run('--help').stdout).toContain('Exit codes: 0 they are equal');
  });
});

describeWithShared('two variants of one path in one store', FRANKEN_FILES, () => {
  test('by closure digest, in every spelling', async () => {
    await using temporary = await temporaryStore();
    const { store } = temporary;
    const [a, b] = [await frankenWorld(store, 'a'), await frankenWorld(store, 'b')];
    await putWorld(store, a);
    await putWorld(store, b);
    const top = a.top.storePath.absolute;
    const inB = `${top}@${b.top.closureDigest}`; // base64, which may hold slashes

    expect(narthexDiff(store, top, inB)).toEqual({
      status: 0,
      stdout: '',
      stderr: 'narthex: equal, but in closures that differ: see --closure\n',
    });
    const { status, stdout } = narthexDiff(store, '--closure', '--files', top, inB);
    expect(stdout.replaceAll(/[0-9a-df-np-sv-z]{32}-/g, '').split('\n')).toEqual([
      'M    560 B    560 B  /nix/store/dep',
      '   M     37 B     37 B  uuid',
      'M    560 B    560 B  /nix/store/embeds',
      '   M     37 B     37 B  built-against',
      'B    328 B    328 B  /nix/store/refers',
      'B    576 B    576 B  /nix/store/top',
      '4 differences, 1 path in both; closure 2.3 kB => 2.3 kB',
      '',
    ]);
    expect(status).toBe(5);

    const embeds = b.top.references.entries().find(([name]) => name.endsWith('-embeds'));
    if (embeds === undefined) throw new Error('top does not refer to embeds');
    const [name, { closureDigest }] = embeds;
    const short = closureDigest.hex.slice(0, 16); // as `variants` shows it
    for (const digest of [closureDigest, closureDigest.hex, short]) {
      const inside = narthexDiff(store, `${name}/built-against`, `${name}@${digest}/built-against`);
      expect(inside.stdout).toBe('M     37 B     37 B  .\n1 difference\n');
      expect(inside.status).toBe(5);
    }
  });
});
