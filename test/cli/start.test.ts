/** How the program starts: with what a command needs, and with code that was compiled before. */
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FIXTURE_KEYS, fixtureCli, type TemporaryCli, temporaryCli } from '../support/cli.ts';
import { fixtureCache } from '../support/fixtureCache.ts';

const TELL_PACKAGES = fileURLToPath(new URL('../support/tellPackages.mjs', import.meta.url));

/** What only some commands have a use for, and takes long to load. */
const HEAVY = [
  '@bufbuild/protobuf',
  '@connectrpc/connect',
  '@connectrpc/connect-node',
  '@napi-rs/lzma',
  'diff',
  'lmdb',
  'node-liblzma',
  'prom-client',
  'toml-eslint-parser',
  'undici',
  'yauzl-promise',
];

describe('of the heavy packages', () => {
  let cli: TemporaryCli;
  beforeAll(async () => {
    cli = await fixtureCli();
  });
  afterAll(() => cli[Symbol.asyncDispose]());

  const from = ['--from', fixtureCache.directory, ...FIXTURE_KEYS];
  test.each<[command: string, args: readonly string[], loaded: readonly string[]]>([
    ['--version', ['--version'], []],
    ['stats', ['stats'], ['lmdb']],
    ['info', ['info', fixtureCache.root], ['lmdb']],
    ['ls', ['ls', fixtureCache.root], ['lmdb']],
    ['gc', ['gc', '--dry-run'], ['lmdb']],
    ['mirror of what is here', ['mirror', ...from, fixtureCache.root], ['lmdb', 'undici']],
    ['config', ['config', '--help'], []],
  ])('%s', async (_command, args, loaded) => {
    const told = join(cli.directory, 'packages');
    const environment = { NODE_OPTIONS: `--import=${TELL_PACKAGES}`, TOLD_PACKAGES: told };
    const { exitCode, stderr } = await cli.run(args, { environment });
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
    const packages = (await readFile(told, 'utf8')).split('\n');
    expect(HEAVY.filter((name) => packages.includes(name))).toEqual(loaded);
  });
});

describe('compiled code', () => {
  /** The program as it is without the tests' own `NODE_COMPILE_CACHE`. */
  async function versionBy(
    cli: TemporaryCli,
    environment: Readonly<Record<string, string | undefined>> = {},
  ): Promise<void> {
    const own = { NODE_COMPILE_CACHE: undefined, XDG_CACHE_HOME: undefined };
    const result = await cli.run(['--version'], { environment: { ...own, ...environment } });
    expect(result).toMatchObject({ exitCode: 0, stderr: '' });
  }

  /** What is in a directory, hidden or not; nothing if it is not there. */
  const contentsOf = (directory: string) => readdir(directory).catch(() => []);

  test('is kept in the cache directory of the user', async () => {
    await using cli = await temporaryCli();
    await versionBy(cli);
    expect(await contentsOf(join(cli.directory, '.cache/narthex/compiled'))).toHaveLength(1);
  });

  test('is kept in the XDG cache directory, if that is absolute', async () => {
    await using cli = await temporaryCli();
    await versionBy(cli, { XDG_CACHE_HOME: join(cli.directory, 'xdg') });
    expect(await contentsOf(join(cli.directory, 'xdg/narthex/compiled'))).toHaveLength(1);
    await versionBy(cli, { XDG_CACHE_HOME: 'xdg-of-here' });
    expect(await contentsOf(cli.directory)).not.toContain('xdg-of-here');
  });

  test('is kept of worker threads, too', async () => {
    await using cli = await temporaryCli();
    const mirrored = async (threads: number) => {
      const from = ['--from', fixtureCache.directory, ...FIXTURE_KEYS];
      const to = ['--store', join(cli.directory, `store-${threads}`), '--threads', `${threads}`];
      const args = ['mirror', ...from, ...to, fixtureCache.root];
      const environment = { NODE_COMPILE_CACHE: undefined };
      expect(await cli.run(args, { environment })).toMatchObject({ exitCode: 0 });
      const compiled = join(cli.directory, '.cache/narthex/compiled');
      return (await readdir(compiled, { recursive: true })).length;
    };
    const ofOneThread = await mirrored(0);
    // what worker threads alone load
    expect(await mirrored(1)).toBeGreaterThan(ofOneThread);
  });

  test('is not kept where others may write', async () => {
    await using cli = await temporaryCli();
    const compiled = join(cli.directory, '.cache/narthex/compiled');
    await mkdir(compiled, { recursive: true });
    await chmod(compiled, 0o777);
    await versionBy(cli);
    expect(await contentsOf(compiled)).toEqual([]);
  });

  test('is done without where nothing can be written', async () => {
    await using cli = await temporaryCli();
    const file = join(cli.directory, 'file');
    await writeFile(file, '');
    await versionBy(cli, { XDG_CACHE_HOME: file });
    await versionBy(cli, { XDG_CACHE_HOME: '/proc/nothing' });
  });

  test.each<[what: string, environment: Readonly<Record<string, string>>]>([
    ['NODE_DISABLE_COMPILE_CACHE', { NODE_DISABLE_COMPILE_CACHE: '1' }],
    ['NODE_COMPILE_CACHE of another directory', { NODE_COMPILE_CACHE: 'elsewhere' }],
  ])('is left to %s', async (_what, environment) => {
    await using cli = await temporaryCli();
    await versionBy(cli, environment);
    expect(await contentsOf(join(cli.directory, '.cache'))).toEqual([]);
  });
});
