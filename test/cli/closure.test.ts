/** `narthex closure` */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fixtureCli, type TemporaryCli } from '../support/cli.ts';
import { fixtureCache } from '../support/fixtureCache.ts';

let cli: TemporaryCli;
beforeAll(async () => {
  cli = await fixtureCli();
});
afterAll(() => cli[Symbol.asyncDispose]());

const APP = fixtureCache.path('app-2.0').storePath;
const MULTI = fixtureCache.path('multi-1.2.3').storePath;
/** A diamond: app refers to right and left, both refer to multi. */
const DIAMOND = ['app-2.0', 'right-0.1', 'left-0.1', 'multi-1.2.3'].map(
  (name) => fixtureCache.path(name).storePath,
);

const linesOf = (stdout: string) => stdout.trimEnd().split('\n');

test('lists each path once, the root first', async () => {
  const { exitCode, stdout } = await cli.run(['closure', APP]);
  expect(exitCode).toBe(0);
  expect(linesOf(stdout)).toEqual(DIAMOND);
});

test('of the whole fixture', async () => {
  const { stdout } = await cli.run(['closure', fixtureCache.root]);
  expect(linesOf(stdout).sort()).toEqual(fixtureCache.closure);
});

test('of several roots, of which one is in the closure of the other', async () => {
  const { stdout } = await cli.run(['closure', MULTI, '-'], { input: `${APP}\n` });
  expect(linesOf(stdout)).toEqual([MULTI, ...DIAMOND.filter((path) => path !== MULTI)]);
});

test('--sizes: the largest first, and the sum', async () => {
  const { stdout } = await cli.run(['closure', '--sizes', APP]);
  const sizes = DIAMOND.map((path) => ({ path, size: narSizeOf(path) })).sort(
    (a, b) => b.size - a.size,
  );
  expect(linesOf(stdout)).toEqual([
    ...sizes.map(({ path }) => expect.stringMatching(new RegExp(`^ *\\S+ k?B {2}${path}$`))),
    expect.stringMatching(/^ *\S+ kB {2}in 4 paths$/),
    expect.stringMatching(/^references: [1-9]\d* same, 0 mixed, 0 unchecked$/),
  ]);
});

test('--digests: those that info tells', async () => {
  const { stdout } = await cli.run(['closure', '--digests', APP]);
  const lines = linesOf(stdout).map((line) => line.split('  '));
  expect(lines.map(([, path]) => path)).toEqual(DIAMOND);
  for (const [digest = '', path = ''] of lines) {
    const [info] = JSON.parse((await cli.run(['info', '--json', path])).stdout);
    expect(info.closureDigest).toBe(`blake3-${Buffer.from(digest, 'hex').toString('base64')}`);
  }
});

test('--why: a shortest chain', async () => {
  const { stdout } = await cli.run(['closure', '--why', MULTI, fixtureCache.root]);
  expect(linesOf(stdout)).toEqual([fixtureCache.root, MULTI]);
  const chain = linesOf((await cli.run(['closure', '--why', MULTI, APP])).stdout);
  expect(chain).toHaveLength(3);
  expect([chain[0], chain[2]]).toEqual([APP, MULTI]);
});

test('--why of the path itself is the path', async () => {
  const { stdout } = await cli.run(['closure', '--why', APP, APP]);
  expect(linesOf(stdout)).toEqual([APP]);
});

test.each([
  ['a path above', APP],
  ['a hash part', APP.slice('/nix/store/'.length).slice(0, 32)],
  ['the same hash part with another name', `${MULTI}-other`],
])('--why of what is not in the closure is an error: %s', async (_, asked) => {
  const { exitCode, stderr } = await cli.run(['closure', '--why', asked, MULTI]);
  expect(exitCode).toBe(1);
  expect(stderr).toBe(`narthex: ${asked} is not in the closure of ${MULTI} [PATH_NOT_FOUND]\n`);
});

test('--json', async () => {
  const { stdout } = await cli.run(['closure', '--json', APP]);
  const members: { path: string }[] = JSON.parse(stdout);
  expect(members).toEqual(
    DIAMOND.map((path) => ({
      path,
      narSize: narSizeOf(path),
      closureDigest: expect.stringMatching(/^blake3-/),
      evidence: { same: expect.any(Number), mixed: 0, unchecked: 0 },
      referrer: path === APP ? null : expect.stringMatching(path === MULTI ? /left|right/ : /app/),
    })),
  );
});

function narSizeOf(storePath: string): number {
  return fixtureCache.paths.find((path) => path.storePath === storePath)?.narSize ?? Number.NaN;
}
