import { describe, expect, test } from 'vitest';
import { Store } from '../../src/store/store.ts';
import { writeBlob } from '../contracts/blobServiceContract.ts';
import { noise } from '../contracts/sampleBytes.ts';
import { FIXTURE_KEYS, fixtureCli, jsonLines } from '../support/cli.ts';
import { fixtureCache } from '../support/fixtureCache.ts';

const text = fixtureCache.path('text').storePath;
const hashPart = (path: string) => path.slice(11, 43);

describe('pins', () => {
  test('are made, listed, moved and removed', async () => {
    await using cli = await fixtureCli();
    const made = await cli.run(['pin', text]);
    expect(made).toMatchObject({ exitCode: 0, stderr: '' });
    expect(made.stdout).toMatch(new RegExp(`^${text} \\([0-9a-f]{16}\\) is pinned as .*-`));
    await cli.run(['pin', hashPart(text), '--name', 'mine']);
    const moved = await cli.run(['pin', fixtureCache.root, '--name', 'mine']);
    expect(moved.stdout).toContain('which was the name of another pin before');
    const listed = JSON.parse((await cli.run(['pins', '--json'])).stdout);
    expect(listed).toMatchObject([
      { name: text.slice('/nix/store/'.length), path: text },
      { name: 'mine', path: fixtureCache.root },
    ]);
    expect((await cli.run(['pins'])).stdout).toMatch(
      new RegExp(`^[0-9a-f]{16}  ${text}\n[0-9a-f]{16}  ${fixtureCache.root}  mine\n$`),
    );
    const removed = await cli.run(['unpin', 'mine', text]);
    expect(removed.stdout).toMatch(/^2 pins removed: mine, /);
    expect((await cli.run(['pins'])).stdout).toBe('');
  });

  test.each([
    [['pin'], 2, 'one path is needed'],
    [['pin', `${text}/file`], 2, 'a whole path is pinned'],
    [['pin', text, '--name', ''], 2, 'the name of a pin'],
    [['pin', '0'.repeat(32)], 1, 'is not in the store'],
    [['gc', '--store', '/absent'], 1, 'there is no store in /absent'],
    [['unpin'], 2, 'no pin is given'],
    [['unpin', 'absent'], 2, "there is no pin 'absent'"],
    [['gc', '--older-than', '30'], 2, '--older-than is a duration such as 30d'],
    [['gc', '--max-size', '5X'], 2, '--max-size is a size such as 50G'],
    [['gc', 'x'], 2, 'no argument is taken'],
  ])('%j is refused', async (args, exitCode, message) => {
    await using cli = await fixtureCli();
    const run = await cli.run(args);
    expect(run).toMatchObject({ exitCode, stdout: '' });
    expect(run.stderr).toContain(message);
  });
});

test('gc: gives up what was not used, keeps what is pinned, and tells before what it would do', async () => {
  await using cli = await fixtureCli();
  await cli.run(['pin', text]);
  {
    await using store = await Store.open(cli.storeDirectory);
    await writeBlob(store.blobs, noise(1_000_000, 3));
  }
  const plain = await cli.run(['gc']);
  expect(plain).toMatchObject({ exitCode: 0, stderr: '' });
  expect(plain.stdout).toMatch(
    /^0 variants removed, 35 kept\n\d+ chunks and 0 directories removed\n/,
  );
  expect(plain.stdout).toMatch(/\n1\.\d MB given back, /);

  const options = ['gc', '--older-than', '0s', '--json'];
  const foreseen = JSON.parse((await cli.run([...options, '--dry-run'])).stdout);
  expect(foreseen).toMatchObject({ dryRun: true, keptVariants: 1 });
  expect(foreseen.removedVariants).toHaveLength(34);
  const [done] = jsonLines((await cli.run(options)).stdout.replaceAll('\n', ''));
  expect(done).toMatchObject({ dryRun: false, keptVariants: 1, chunks: foreseen.chunks });
  expect((await cli.run(['info', text])).exitCode).toBe(0);
  expect((await cli.run(['nar', text])).exitCode).toBe(0);
  expect((await cli.run(['info', fixtureCache.root])).exitCode).toBe(1);

  // and all comes back
  const from = ['--from', fixtureCache.directory, ...FIXTURE_KEYS];
  const again = await cli.run(['mirror', ...from, fixtureCache.root]);
  expect(again).toMatchObject({ exitCode: 0 });
  expect(again.stdout).toMatch(/^34 paths mirrored, 1 here already: /);
});
