/** `narthex verify`: what it says, as text and as data, and how it ends. */
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { noise } from '../contracts/sampleBytes.ts';
import { type TemporaryCli, temporaryCli } from '../support/cli.ts';
import { TEST_KEY } from '../support/syntheticCache.ts';
import { type DamagedStore, damagedStore, flip } from '../verify/damagedStore.ts';

/** Runs `narthex verify` on a store, and leaves hashes and places out of what it says. */
async function verify(cli: TemporaryCli, damaged: DamagedStore, ...args: string[]) {
  const environment = { NARTHEX_STORE: damaged.directory };
  const { exitCode, stdout, stderr } = await cli.run(['verify', ...args], { environment });
  const lines = stdout
    .replaceAll(/\/nix\/store\/[0-9a-z]{32}-/g, '/')
    .replaceAll(damaged.directory, '')
    .replaceAll(/ at \d+/g, '')
    .split('\n')
    .slice(0, -1);
  return { exitCode, lines, stderr, stdout };
}

/** Changes a byte of a file that lies as it is. */
async function damageFile(damaged: DamagedStore, contents: Uint8Array): Promise<void> {
  for (const pack of await damaged.packs()) {
    const at = (await readFile(pack)).indexOf(contents.subarray(50, 150));
    if (at >= 0) return await flip(pack, at);
  }
  throw new Error('the file is not there');
}

const base = noise(30_000, 1);
const tool = noise(90_000, 3);

test('a whole store, then a damaged one, then a repaired one', async () => {
  await using damaged = await damagedStore();
  await using cli = await temporaryCli();
  expect(await verify(cli, damaged)).toMatchObject({
    exitCode: 0,
    lines: ['4 paths; contents were not read, --deep does: nothing is damaged'],
    stderr: '',
  });
  await damageFile(damaged, base);
  expect(await verify(cli, damaged, '--deep')).toMatchObject({
    exitCode: 5,
    lines: [
      'damaged: chunk: a record is damaged: /packs/00000001.pack [DIGEST_MISMATCH]',
      '  in /base',
      expect.stringMatching(
        /^4 paths, \d+ records and 1\.\d MB of NAR hashed: 1 thing is damaged$/,
      ),
      'narthex verify --repair puts right what it can',
    ],
    stderr: '',
  });
  const { exitCode, lines, stderr } = await verify(cli, damaged, '--deep', '--repair');
  expect({ exitCode, lines }).toEqual({
    exitCode: 0,
    lines: [
      'repaired: chunk: a record is damaged: /packs/00000001.pack [DIGEST_MISMATCH]',
      '  in /base',
      expect.stringMatching(/: 1 thing is damaged, 1 repaired$/),
    ],
  });
  expect(stderr).toMatch(/^fetching \/nix\/store\/[0-9a-z]{32}-base \(\d+ kB\)\n$/);
  expect(await verify(cli, damaged, '--deep')).toMatchObject({
    exitCode: 0,
    lines: [expect.stringMatching(/: nothing is damaged$/)],
  });
});

test('what cannot be repaired is told of, and what can is', async () => {
  await using damaged = await damagedStore();
  await using cli = await temporaryCli();
  await damageFile(damaged, base);
  await damageFile(damaged, tool);
  damaged.cache.files.delete(damaged.cache.path('tool').narFile);
  const repaired = await verify(cli, damaged, '--deep', '--repair');
  expect(repaired.exitCode).toBe(3);
  expect(repaired.lines).toContain('  in /tool');
  expect(repaired.lines).toContainEqual(
    expect.stringMatching(
      /^ {2}not repaired: .*has a narinfo for \/tool but not its NAR \[NAR_MISSING\]$/,
    ),
  );
  expect(repaired.stderr).toMatch(/^failed: .*-tool: .*\[NAR_MISSING\]$/m);
  const again = await verify(cli, damaged, '--deep', '--repair', '--json');
  expect(again.exitCode).toBe(5);
  expect(JSON.parse(again.stdout)).toMatchObject({
    deep: true,
    paths: 4,
    damages: [
      {
        kind: 'chunk',
        digest: expect.stringMatching(/^blake3-/),
        error: { code: 'DIGEST_MISMATCH' },
        records: 1,
        paths: [{ path: damaged.cache.storePath('tool') }],
        repaired: false,
        failure: { code: 'NAR_MISSING' },
      },
    ],
  });
  const path = damaged.cache.storePath('base');
  expect(await verify(cli, damaged, '--deep', path)).toMatchObject({ exitCode: 0 });
});

test('from another cache', async () => {
  await using damaged = await damagedStore();
  await using cli = await temporaryCli();
  await damageFile(damaged, base);
  const args = ['--deep', '--repair', '--from', 'http://127.0.0.1:1/'];
  const failed = await verify(cli, damaged, ...args);
  expect(failed).toMatchObject({ exitCode: 5 });
  expect(failed.lines).toContainEqual(expect.stringMatching(/not repaired: .*\[UPSTREAM_FAILED\]/));
  const from = ['--from', damaged.server.url, '--trusted-public-keys', TEST_KEY.publicKey];
  expect(await verify(cli, damaged, '--deep', '--repair', ...from)).toMatchObject({ exitCode: 0 });
});

test('two processes that repair the same at once: both end with a whole store', async () => {
  await using damaged = await damagedStore();
  await using cli = await temporaryCli();
  await damageFile(damaged, base);
  const runs = await Promise.all([
    verify(cli, damaged, '--deep', '--repair'),
    verify(cli, damaged, '--deep', '--repair'),
  ]);
  expect(runs).toMatchObject([{ exitCode: 0 }, { exitCode: 0 }]);
  expect(await verify(cli, damaged, '--deep')).toMatchObject({ exitCode: 0 });
});

test.each([
  ['--from without --repair', ['--from', 'http://127.0.0.1:1/'], 2, 'USAGE'],
  ['a path that is not there', ['0000000000000000000000000000000a'], 1, 'PATH_NOT_FOUND'],
  ['a place inside a path', ['0000000000000000000000000000000a-a/b'], 2, 'USAGE'],
])('%s', async (_, args, exitCode, code) => {
  await using damaged = await damagedStore([{ name: 'only' }]);
  await using cli = await temporaryCli();
  const run = await verify(cli, damaged, ...args);
  expect(run.exitCode).toBe(exitCode);
  expect(run.stderr).toContain(`[${code}]`);
});

test('there is no store', async () => {
  await using cli = await temporaryCli();
  for (const args of [['verify'], ['verify', '--repair']]) {
    expect(await cli.run(args)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('there is no store in'),
    });
  }
});
