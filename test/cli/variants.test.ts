/** `narthex variants` and `narthex prefer`, over a store with two worlds of one closure. */
import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { PathInfo } from '../../src/pathinfo/pathInfo.ts';
import { Store } from '../../src/store/store.ts';
import { pathInfoOf } from '../contracts/pathInfos.ts';
import { describeWithShared } from '../support/sharedCaches.ts';
import { temporaryDirectory } from '../support/temporaryDirectory.ts';
import {
  runProgram,
  TWO_WORLDS_ARCHIVES,
  type TwoWorlds,
  twoWorlds,
  type World,
} from './twoWorlds.ts';

const SHARED_PATHS = ['base'];
const DIFFERING_PATHS = ['dep', 'refers', 'embeds', 'top'];

/** The first digits of a closure digest, as the program shows them. */
const short = ({ closureDigest }: PathInfo) => closureDigest.hex.slice(0, 16);

/** A path that stands on `dep` of one world and has no variant in the other. */
const onlyIn = (world: World) => pathInfoOf({ name: 'only', references: [world.get('dep')] });

/** The names of the paths whose current variants are of a world. */
async function currentOf({ directory }: TwoWorlds, world: World): Promise<string[]> {
  await using store = await Store.open(directory, { readOnly: true });
  const names: string[] = [];
  for (const variant of world.all) {
    const current = await store.pathInfos.get(variant.storePath.digest);
    if (current?.sameVariant(variant)) names.push(variant.storePath.name);
  }
  return names.sort();
}

const sorted = (...names: readonly string[][]) => names.flat().sort();

describeWithShared('narthex variants', TWO_WORLDS_ARCHIVES, () => {
  test('shows the variants, the current one first, and which references differ', async () => {
    await using worlds = await twoWorlds();
    const { a, b } = worlds;
    const { storePath, claim } = a.get('top');
    const { exitCode, stdout } = await worlds.run('variants', storePath.absolute);
    expect(exitCode).toBe(0);
    const lines = stdout.split('\n');
    expect(lines[0]).toBe(`${storePath.absolute}: 2 variants, * is current`);
    expect(lines[2]).toMatch(/^ {2}\* {2}/);
    for (const [index, world] of [a, b].entries()) {
      const line = lines[2 + index];
      expect(line).toContain(short(world.get('top')));
      expect(line).toContain(claim.narHash.toNixbase32());
      expect(line).toContain(claim.signatures[0]?.keyName);
      expect(line).toContain(world.get('top').claim.origin);
    }
    // the same bytes stand for `refers` in both, `embeds` has other ones
    const rows = [
      ['refers', 'what it refers to differs'],
      ['embeds', 'its content differs'],
    ] as const;
    for (const [name, difference] of rows) {
      const line = lines.find((one) => one.includes(a.get(name).storePath.baseName));
      expect(line).toContain(`${short(a.get(name))}  ${short(b.get(name))}  ${difference}`);
    }
    expect(stdout).not.toContain(a.get('base').storePath.baseName);
  });

  test('shows no differences where there is one variant, or where bytes alone differ', async () => {
    await using worlds = await twoWorlds();
    const { a } = worlds;
    const base = await worlds.run('variants', a.get('base').storePath.hashPart);
    expect(base.stdout).toContain(': 1 variant, * is current\n');
    const dep = await worlds.run('variants', a.get('dep').storePath.baseName);
    expect(dep.stdout).toContain(': 2 variants, * is current\n');
    expect(base.stdout + dep.stdout).not.toContain('references that differ');
  });

  test('--json gives the objects of info, and says which is current', async () => {
    await using worlds = await twoWorlds();
    const { a, b } = worlds;
    const paths = ['top', 'base'].map((name) => a.get(name).storePath.absolute);
    const { exitCode, stdout } = await worlds.run('variants', '--json', ...paths);
    expect(exitCode).toBe(0);
    const variants: { closureDigest: string; current: boolean }[] = JSON.parse(stdout);
    expect(variants.map(({ closureDigest, current }) => [closureDigest, current])).toEqual([
      [String(a.get('top').closureDigest), true],
      [String(b.get('top').closureDigest), false],
      [String(a.get('base').closureDigest), true],
    ]);
    const info = await worlds.run('info', '--json', ...paths);
    expect(variants.filter(({ current }) => current)).toEqual(JSON.parse(info.stdout));
  });

  test('finds a path none of whose variants is current', async () => {
    await using worlds = await twoWorlds((_, b) => [onlyIn(b)]);
    const { storePath } = onlyIn(worlds.b);
    const { exitCode, stdout } = await worlds.run('variants', storePath.absolute);
    expect(exitCode).toBe(0);
    expect(stdout).toContain(': 1 variant, none is current\n');
  });

  test('a path that is not kept is an error', async () => {
    await using worlds = await twoWorlds();
    const { storePath } = pathInfoOf({ name: 'absent' });
    const absent = await worlds.run('variants', storePath.absolute);
    expect(absent).toMatchObject({ exitCode: 1, stdout: '' });
    expect(absent.stderr).toContain('[PATH_NOT_FOUND]');
    const { hashPart, absolute } = worlds.a.get('top').storePath;
    const renamed = await worlds.run('variants', `${hashPart}-renamed`);
    expect(renamed.exitCode).toBe(1);
    expect(renamed.stderr).toContain(`but ${absolute} is`);
  });
});

describeWithShared('narthex prefer', TWO_WORLDS_ARCHIVES, () => {
  const spellings: readonly (readonly [string, (variant: PathInfo) => string])[] = [
    ['blake3-…', ({ closureDigest }) => String(closureDigest)],
    ['all hexadecimal digits', ({ closureDigest }) => closureDigest.hex],
    ['eight of them', ({ closureDigest }) => closureDigest.hex.slice(0, 8)],
    ['those that variants shows, in capitals', (variant) => short(variant).toUpperCase()],
  ];

  test.each(spellings)('switches a whole closure, named by %s', async (_, spell) => {
    await using worlds = await twoWorlds();
    const { a, b } = worlds;
    expect(await currentOf(worlds, a)).toEqual(sorted(SHARED_PATHS, DIFFERING_PATHS));
    const top = b.get('top');
    const run = await worlds.run('prefer', top.storePath.absolute, spell(top));
    expect(run).toMatchObject({ exitCode: 0, stderr: '' });
    expect(run.stdout.split('\n')[0]).toBe('4 paths switched:');
    for (const name of DIFFERING_PATHS) {
      const variant = b.get(name);
      expect(run.stdout).toContain(
        `  ${short(variant)}  ${variant.storePath.absolute} (was ${short(a.get(name))})\n`,
      );
    }
    expect(await currentOf(worlds, b)).toEqual(sorted(SHARED_PATHS, DIFFERING_PATHS));
    const again = await worlds.run('prefer', top.storePath.absolute, spell(top));
    expect(again.exitCode).toBe(0);
    expect(again.stdout).toContain('already');
  });

  test('--json tells what was switched, what was asked for first', async () => {
    await using worlds = await twoWorlds((_, b) => [onlyIn(b)]);
    const { a, b } = worlds;
    const { storePath, closureDigest } = b.get('embeds');
    const run = await worlds.run('prefer', '--json', storePath.absolute, closureDigest.hex);
    expect(run.exitCode).toBe(0);
    const told = JSON.parse(run.stdout);
    expect(told).toMatchObject({
      path: storePath.absolute,
      closureDigest: String(closureDigest),
    });
    expect(told.switched[0].path).toBe(storePath.absolute);
    expect(new Set(told.switched)).toEqual(
      new Set([
        // its reference, and what follows it
        ...DIFFERING_PATHS.map((name) => ({
          path: b.get(name).storePath.absolute,
          closureDigest: String(b.get(name).closureDigest),
          previous: String(a.get(name).closureDigest),
        })),
        // what had no place before
        {
          path: onlyIn(b).storePath.absolute,
          closureDigest: String(onlyIn(b).closureDigest),
          previous: null,
        },
      ]),
    );
  });

  test('refuses what would take away the ground of a current path, and lists it', async () => {
    await using worlds = await twoWorlds((a) => [onlyIn(a)]);
    const { a, b } = worlds;
    const { storePath, closureDigest } = b.get('top');
    const only = onlyIn(a).storePath.absolute;
    const text = await worlds.run('prefer', storePath.absolute, closureDigest.hex);
    expect(text).toMatchObject({ exitCode: 4, stdout: '' });
    const [first, ...conflicts] = text.stderr.trim().split('\n');
    expect(first).toContain('1 conflict');
    expect(first).toContain('[PREFER_CONFLICT]');
    expect(conflicts).toEqual([
      `  ${only} refers to ${a.get('dep').storePath.absolute} in ${short(a.get('dep'))}, ` +
        'and no other variant of it that is kept fits',
    ]);

    const json = await worlds.run('prefer', '--json', storePath.absolute, closureDigest.hex);
    expect(json).toMatchObject({ exitCode: 4, stderr: '' });
    expect(JSON.parse(json.stdout)).toMatchObject({
      error: {
        code: 'PREFER_CONFLICT',
        facts: { storePath: storePath.absolute, conflicts: [conflicts[0]?.trim()] },
      },
      conflicts: [
        {
          kind: 'referrer',
          referrer: { path: only, closureDigest: String(onlyIn(a).closureDigest) },
          reference: {
            path: a.get('dep').storePath.absolute,
            closureDigest: String(a.get('dep').closureDigest),
          },
        },
      ],
    });
    expect(await currentOf(worlds, a)).toEqual(sorted(SHARED_PATHS, DIFFERING_PATHS));
  });

  test('refuses a Frankenbuild, and names both variants', async () => {
    const franken = (a: World, b: World) =>
      pathInfoOf({ name: 'frankenbuild', references: [a.get('refers'), b.get('dep')] });
    await using worlds = await twoWorlds((a, b) => [franken(a, b)]);
    const { a, b } = worlds;
    const { storePath, closureDigest } = franken(a, b);
    const run = await worlds.run('prefer', '--json', storePath.absolute, closureDigest.hex);
    expect(run.exitCode).toBe(4);
    const { conflicts } = JSON.parse(run.stdout);
    expect(conflicts).toHaveLength(1);
    expect(conflicts[0].kind).toBe('incoherent');
    expect(new Set(conflicts[0].variants)).toEqual(
      new Set(
        [a, b].map((world) => ({
          path: world.get('dep').storePath.absolute,
          closureDigest: String(world.get('dep').closureDigest),
        })),
      ),
    );
    const text = await worlds.run('prefer', storePath.absolute, closureDigest.hex);
    for (const world of [a, b]) expect(text.stderr).toContain(short(world.get('dep')));
  });

  test.each([
    ['nothing', [], 2, 'USAGE'],
    ['no digest', ['PATH'], 2, 'USAGE'],
    ['too much', ['PATH', '01234567', 'more'], 2, 'USAGE'],
    ['seven digits', ['PATH', '0123456'], 2, 'USAGE'],
    ['65 digits', ['PATH', '0'.repeat(65)], 2, 'USAGE'],
    ['no digest at all', ['PATH', 'blake3-no'], 2, 'USAGE'],
    ['a digest of none', ['PATH', '00000000'], 1, 'PATH_NOT_FOUND'],
  ] as const)('refuses a command line with %s', async (_, args, exitCode, code) => {
    await using worlds = await twoWorlds();
    const path = worlds.a.get('top').storePath.absolute;
    const run = await worlds.run('prefer', ...args.map((arg) => (arg === 'PATH' ? path : arg)));
    expect(run.exitCode).toBe(exitCode);
    expect(run.stderr).toContain(`[${code}]`);
  });

  test('makes no store where there is none', async () => {
    await using empty = await temporaryDirectory('empty');
    const { storePath, closureDigest } = pathInfoOf({ name: 'any' });
    const directory = `${empty.path}/none`;
    const args = ['prefer', storePath.absolute, closureDigest.hex, '--store', directory];
    const run = await runProgram(args);
    expect(run.exitCode).toBe(1);
    expect(run.stderr).toContain('[STORE_FAILED]');
    expect(existsSync(directory)).toBe(false);
  });
});
