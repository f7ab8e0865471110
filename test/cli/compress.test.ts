/** `--compress` of `mirror` and `serve`, and `narthex compress`. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { FIXTURE_KEYS, jsonLines, type TemporaryCli, temporaryCli } from '../support/cli.ts';
import { fixtureCache } from '../support/fixtureCache.ts';

const MIRROR = [
  ...['mirror', '--from', fixtureCache.directory, ...FIXTURE_KEYS],
  fixtureCache.root,
  '--compress',
];

async function statsOf(cli: TemporaryCli) {
  const { stdout } = await cli.run(['stats', '--json']);
  const { levels, raw, compressed, packBytes } = JSON.parse(stdout);
  return {
    levels: levels.map(({ level }: { level: number }) => level),
    raw,
    compressed,
    packBytes,
  };
}

test('mirror --compress LEVEL, none and later; compress makes it smaller, once', async () => {
  await using cli = await temporaryCli();
  expect(await cli.run([...MIRROR, 'later'])).toMatchObject({ exitCode: 0 });
  const before = await statsOf(cli);
  expect(before).toMatchObject({ levels: [0], compressed: { records: 0 } });
  expect((await cli.run(['stats'])).stdout).toMatch(/^ {2}not compressed yet {2}/m);

  const first = await cli.run(['compress', '--level', '3', '--threads', '1']);
  expect(first).toMatchObject({ exitCode: 0, stderr: '' });
  expect(first.stdout).toMatch(
    /^1 pack compressed at level 3\n[\d.]+ [kM]B given back, [\d.]+ [kM]B on disk\n$/,
  );
  const after = await statsOf(cli);
  expect(after.levels).toEqual([3]);
  expect(after.packBytes).toBeLessThan(before.packBytes / 2);
  const again = await cli.run(['compress', '--level', '3', '--json']);
  expect(JSON.parse(again.stdout)).toMatchObject({
    ...{ level: 3, compressedPacks: 0, packsInUse: 0, damagedPacks: [] },
  });
  expect(await cli.run(['verify', '--deep'])).toMatchObject({ exitCode: 0 });
});

test.each([
  ['none', 0],
  ['12', 12],
])('mirror --compress %s', async (compress, level) => {
  await using cli = await temporaryCli();
  expect(await cli.run([...MIRROR, compress])).toMatchObject({ exitCode: 0 });
  expect((await statsOf(cli)).levels).toEqual([level]);
});

describe('wrong', () => {
  test.each([
    [[...MIRROR, '20'], "--compress is a whole number from 1 to 19 or none or later, not '20'"],
    [[...MIRROR, '0'], "--compress is a whole number from 1 to 19 or none or later, not '0'"],
    [['serve', '--compress', 'x'], '--compress is a whole number from 1 to 19 or none or later'],
    [['compress', '--level', 'later'], "--level is a whole number from 1 to 19, not 'later'"],
    [['compress', 'now'], "no argument is taken, 'now' is given"],
  ])('%j', async (args, message) => {
    await using cli = await temporaryCli();
    const { exitCode, stderr } = await cli.run(args);
    expect({ exitCode, stderr }).toEqual({ exitCode: 2, stderr: expect.stringContaining(message) });
  });

  test('compress where there is no store', async () => {
    await using cli = await temporaryCli();
    const { exitCode, stderr } = await cli.run(['compress']);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('there is no store in');
  });
});

test('serve compresses in the background what mirror has left to later', async () => {
  await using cli = await temporaryCli();
  await cli.run([...MIRROR, 'later']);
  const config = join(cli.directory, 'serve.toml');
  await writeFile(config, 'compress = "later"\nlisten = "127.0.0.1:0"\n');
  const args = ['serve', '--config', config, '--log-level', 'info', '--log-format', 'json'];
  await using server = cli.start(args);
  await server.line(/listening/);
  await expect.poll(() => server.stderr, { timeout: 30_000 }).toContain('packs compressed');
  const [event] = jsonLines(server.stderr).filter((line) => line['event'] === 'packs compressed');
  server.child.kill('SIGTERM');
  expect(await server.ended).toMatchObject({ exitCode: 0 });
  expect(event).toMatchObject({ packs: 1, level: 6 });
  expect((await statsOf(cli)).levels).toEqual([6]);
});
