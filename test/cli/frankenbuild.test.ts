/** `narthex mirror --frankenbuild`: what it prints, what is kept then, and its exit codes. */
import { rm } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { Store } from '../../src/store/store.ts';
import {
  FRANKEN_ARCHIVES,
  type FrankenCaches,
  type FrankenName,
  realFrankenCaches,
  syntheticFrankenCaches,
} from '../frankenbuild/frankenCaches.ts';
import { describeWithShared } from '../support/sharedCaches.ts';
import { temporaryDirectory } from '../support/temporaryDirectory.ts';
import { type ProgramRun, runProgram } from './twoWorlds.ts';

const NOWHERE = '/nix/store/00000000000000000000000000000000-nowhere';

/** A store of its own, and the caches. */
async function open(openCaches: () => Promise<FrankenCaches>) {
  await using cleanup = new AsyncDisposableStack();
  const caches = cleanup.use(await openCaches());
  const directory = cleanup.use(await temporaryDirectory('mirror-frankenbuild'));
  const owned = cleanup.move();
  const run = (...args: string[]) => runProgram([...args, '--store', directory.path]);
  return {
    caches,
    run,
    mirror: (cache: 'a' | 'b' | 'mixed', root: string, ...options: string[]) =>
      run(
        'mirror',
        ...['--from', caches[cache], '--trusted-public-keys', caches.publicKey],
        ...options,
        ...root.split(' ').map((name) => (name.startsWith('/') ? name : pathOf(caches, name))),
      ),
    store: () => Store.open(directory.path, { readOnly: true }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const pathOf = (caches: FrankenCaches, name: string) => {
  const path: FrankenName = name as FrankenName; // the tables name them
  return caches.path(path).absolute;
};

/** Lines without addresses, hash parts and hashes. */
function plain({ stdout, stderr }: ProgramRun): string[] {
  return `${stderr}${stdout}`
    .replaceAll(/file:\/\/\S+?(?=[:\s]|$)/gm, 'CACHE')
    .replaceAll(/(\/nix\/store\/)?[0-9a-z]{32}-/g, '')
    .replaceAll(/sha256:[0-9a-z]{52}/g, 'HASH')
    .replaceAll(/[0-9a-f]{64}/g, 'DIGEST')
    .replaceAll(/: [\d.]+ k?B of NAR.*/g, '')
    .split('\n')
    .filter((line) => line !== '');
}

const isKept = (line: string) => line.startsWith('[');

type Row = readonly [
  policy: string,
  exitCode: number,
  lines: readonly string[],
  /** Of `top`: how many variants. */
  variants: number,
  findings: number,
];

const ALL_IS_HERE: readonly Row[] = [
  ['off', 0, ['0 paths mirrored, 1 here already'], 1, 0],
  [
    'report',
    5,
    [
      '0 paths mirrored, 1 here already, 3 findings',
      'mixed: refers refers to dep, which is another at CACHE: HASH there, HASH here',
      'mixed: top refers to embeds, which is another at CACHE: HASH there, HASH here',
      'mixed: top refers to refers, which is another at CACHE: dep below it differs',
    ],
    1,
    3,
  ],
  [
    'reject',
    4,
    [
      '0 paths mirrored, 1 failed',
      expect.stringMatching(
        /^failed: top is another at CACHE: (dep|embeds) below it differs: HASH there, HASH here \[FRANKENBUILD_REJECTED\]$/,
      ),
    ],
    1,
    0,
  ],
  [
    'variant',
    0,
    [
      '4 paths mirrored, 1 here already',
      'top is kept in a world that is not current: /closure/DIGEST/',
    ],
    2,
    0,
  ],
];

function suite(openCaches: () => Promise<FrankenCaches>): void {
  describe.each([
    ['a', 'b'],
    ['b', 'a'],
  ] as const)('with %s here, from %s', (we, they) => {
    test.each(ALL_IS_HERE)('%s: exit code %i', async (policy, exitCode, lines, variants, found) => {
      await using opened = await open(openCaches);
      const { mirror, store, caches } = opened;
      expect((await mirror(we, 'top')).exitCode).toBe(0);
      const ran = await mirror(they, 'top', '--frankenbuild', policy);
      expect(ran.exitCode).toBe(exitCode);
      expect(
        plain(ran)
          .filter((line) => !isKept(line))
          .toSorted(),
      ).toEqual(lines);
      await using kept = await store();
      const { digest } = caches.path('top');
      expect(await Array.fromAsync(kept.pathInfos.listVariants(digest))).toHaveLength(variants);
      const findings = await Array.fromAsync(kept.findings.listFindings());
      expect(findings).toHaveLength(found);
      for (const finding of findings) {
        expect(finding.ours.signedBy).toEqual([caches.publicKey.split(':')[0]]);
        expect(finding.firstSeen).toBe(finding.lastSeen);
      }
    });
  });
}

describe('made-up caches', () => suite(syntheticFrankenCaches));
describeWithShared('caches written by Nix', FRANKEN_ARCHIVES, () => suite(realFrankenCaches));

describe('exit codes and output', () => {
  test('report is what is done when nobody says', async () => {
    await using opened = await open(syntheticFrankenCaches);
    await opened.mirror('a', 'dep');
    const ran = await opened.mirror('b', 'top');
    expect(ran.exitCode).toBe(5);
    expect(plain(ran).filter((line) => line.startsWith('mixed'))).toHaveLength(4);
  });

  test('findings are kept once, however often they are seen', async () => {
    await using opened = await open(syntheticFrankenCaches);
    await opened.mirror('a', 'top');
    for (let time = 0; time < 2; time++) {
      expect((await opened.mirror('b', 'top')).exitCode).toBe(5);
    }
    await using store = await opened.store();
    const findings = await Array.fromAsync(store.findings.listFindings());
    expect(findings).toHaveLength(3);
    for (const { firstSeen, lastSeen } of findings) expect(lastSeen).toBeGreaterThan(firstSeen);
  });

  test.each<readonly [policy: string, roots: string, exitCode: number]>([
    ['off', `top ${NOWHERE}`, 3],
    ['report', `top ${NOWHERE}`, 3], // there are findings, too
    ['reject', `top ${NOWHERE}`, 4],
    ['reject', `base ${NOWHERE}`, 3],
    ['reject', 'top base', 4],
    ['variant', `top ${NOWHERE}`, 3],
    ['variant', NOWHERE, 1],
    ['reject', NOWHERE, 1],
    ['sometimes', 'top', 2],
  ])('%s of %s: %i', async (policy, roots, exitCode) => {
    await using opened = await open(syntheticFrankenCaches);
    await opened.mirror('a', 'dep');
    const ran = await opened.mirror('b', roots, '--frankenbuild', policy);
    expect(ran.exitCode, plain(ran).join('\n')).toBe(exitCode);
  });

  test('--allow-unknown lets pass what a cache does not have', async () => {
    await using opened = await open(syntheticFrankenCaches);
    const { mirror, caches } = opened;
    await mirror('a', 'top');
    const { hashPart } = caches.path('dep');
    await rm(`${caches.a}/${hashPart}.narinfo`);
    const reject = ['--frankenbuild', 'reject'];
    const refused = await mirror('a', 'top', ...reject);
    expect(refused.exitCode).toBe(4);
    expect(plain(refused).toSorted()).toEqual([
      '0 paths mirrored, 1 failed',
      'failed: top cannot be compared: CACHE does not have dep below it [FRANKENBUILD_REJECTED]',
    ]);
    expect((await mirror('a', 'top', ...reject, '--allow-unknown')).exitCode).toBe(0);
  });

  test('the mixed cache alone says nothing, and against both something each time', async () => {
    await using opened = await open(syntheticFrankenCaches);
    expect((await opened.mirror('mixed', 'top')).exitCode).toBe(0);
    for (const cache of ['a', 'b'] as const) {
      expect((await opened.mirror(cache, 'top')).exitCode).toBe(5);
    }
  });

  test('--json tells the same as data', async () => {
    await using opened = await open(syntheticFrankenCaches);
    await opened.mirror('a', 'dep');
    const ran = await opened.mirror('b', 'top', '--json');
    const events = ran.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    const findings = events.filter(({ event }) => event === 'finding');
    const dep = opened.caches.path('dep').absolute;
    expect(findings).toHaveLength(4);
    expect(findings).toContainEqual({
      event: 'finding',
      referrer: opened.caches.path('refers').absolute,
      reference: dep,
      differing: dep,
      ours: { narHash: expect.stringMatching(/^sha256:/), signedBy: ['narthex-test-1'] },
      ourClosureDigest: expect.stringMatching(/^blake3-/),
      theirs: { narHash: expect.stringMatching(/^sha256:/), signedBy: ['narthex-test-1'] },
      upstream: `file://${opened.caches.b}`,
    });
    expect(events.at(-1)).toMatchObject({
      event: 'done',
      outcome: 'findings',
      findings: 4,
      notCurrent: [],
    });
    const variant = await opened.mirror('b', 'top', '--json', '--frankenbuild', 'variant');
    const done = JSON.parse(variant.stdout.trimEnd().split('\n').at(-1) ?? '');
    expect(done).toMatchObject({
      outcome: 'complete',
      findings: 0,
      notCurrent: [{ path: opened.caches.path('top').absolute }],
    });
  });
});
