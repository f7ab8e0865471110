/** What all commands have in common: finding them, options, errors, exit codes, output that ends. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { COMMANDS } from '../../src/cli/commands.ts';
import { fixtureCli, PROGRAM, type TemporaryCli } from '../support/cli.ts';
import { fixtureCache } from '../support/fixtureCache.ts';

let cli: TemporaryCli;
beforeAll(async () => {
  cli = await fixtureCli();
});
afterAll(() => cli[Symbol.asyncDispose]());

const ROOT = fixtureCache.root;
const manifest: { version: string; engines: { node: string } } = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
);

describe('help', () => {
  test('without a command, on standard error', async () => {
    const { exitCode, stdout, stderr } = await cli.run([]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    for (const name of Object.keys(COMMANDS))
      expect(stderr).toMatch(new RegExp(`^  ${name} +\\S`, 'm'));
  });

  test.each([['--help'], ['-h'], ['help']])('%s, on standard output', async (argument) => {
    const { exitCode, stdout, stderr } = await cli.run([argument]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toContain('usage: narthex COMMAND');
  });

  test.each([[['help', 'mirror']], [['mirror', '--help']], [['mirror', '-h', 'no store path']]])(
    'of a command: %j',
    async (args) => {
      const { exitCode, stdout } = await cli.run(args);
      expect(exitCode).toBe(0);
      expect(stdout).toMatch(/^usage: narthex mirror /);
      expect(stdout).toContain('--trusted-public-keys');
    },
  );

  test.each(Object.entries(COMMANDS))('%s: is whole, and fits a terminal', async (name, load) => {
    const command = await load();
    expect(command.name).toBe(name);
    const lines = [command.summary, ...command.help.split('\n')];
    expect(lines.filter((line) => line.length > 100)).toEqual([]);
    for (const option of Object.keys(command.options))
      expect(command.help).toContain(`--${option}`);
  });

  test('an old Node gets a clear answer', async () => {
    const { environment: env, directory: cwd } = cli;
    const old = "{ value: { ...process.versions, node: '22.20.0' } }";
    const pretend = `data:text/javascript,Object.defineProperty(process, 'versions', ${old})`;
    const child = spawn(process.execPath, ['--import', pretend, PROGRAM, '--version'], {
      env,
      cwd,
    });
    const stderr = await text(child.stderr);
    expect(stderr).toBe(
      `narthex: needs Node ${manifest.engines.node.replace('>=', '')} or newer, this is 22.20.0\n`,
    );
  });

  test('--version', async () => {
    const { exitCode, stdout } = await cli.run(['--version']);
    expect({ exitCode, stdout }).toEqual({
      exitCode: 0,
      stdout: `narthex ${manifest.version} (node ${process.versions.node})\n`,
    });
  });
});

describe('wrong usage is one line on standard error, and exit code 2', () => {
  test.each<[what: string, args: string[], code: string, says: RegExp]>([
    ['an unknown command', ['nope'], 'USAGE', /no command 'nope'; see: narthex --help/],
    ['a name of Object', ['toString'], 'USAGE', /no command 'toString'/],
    ['options before the command', ['--store', 'x', 'stats'], 'USAGE', /the command comes first/],
    ['help for nothing', ['help', 'nope'], 'USAGE', /no command 'nope'/],
    ['an unknown option', ['info', '--nope', ROOT], 'USAGE', /'--nope'.*see: narthex info --help/],
    ['an option without its value', ['mirror', ROOT, '--jobs'], 'USAGE', /--jobs/],
    ['an option for a value', ['mirror', '--jobs', '-1', ROOT], 'USAGE', /--jobs/],
    ['a value for a switch', ['mirror', '--no-check-sigs=yes', ROOT], 'USAGE', /no-check-sigs/],
    ['no jobs', ['mirror', '--jobs', '0', ROOT], 'USAGE', /whole number from 1, not '0'/],
    ['half a job', ['mirror', '--jobs', '1.5', ROOT], 'USAGE', /not '1\.5'/],
    ['no connections', ['mirror', '--connections', '0', ROOT], 'USAGE', /whole number from 1/],
    ['too many jobs', ['mirror', '--jobs', '9'.repeat(20), ROOT], 'USAGE', /whole number/],
    [
      'no path to mirror',
      ['mirror'],
      'USAGE',
      /no store path is given; see: narthex mirror --help/,
    ],
    ['no path to tell of', ['info'], 'USAGE', /no store path/],
    ['no path on standard input', ['info', '-'], 'USAGE', /no store path/],
    ['no place', ['ls'], 'USAGE', /one place is needed, 0 are given/],
    ['two places', ['ls', ROOT, ROOT], 'USAGE', /2 are given/],
    ['no file', ['cat'], 'USAGE', /no file is given/],
    ['two paths', ['nar', ROOT, ROOT], 'USAGE', /one store path is needed/],
    ['no target', ['restore', ROOT], 'USAGE', /a target/],
    ['a chain with sizes', ['closure', '--why', ROOT, '--sizes', ROOT], 'USAGE', /only one/],
    ['an argument for stats', ['stats', 'x'], 'USAGE', /no argument is taken/],
    ['an argument for serve', ['serve', 'x'], 'USAGE', /no argument is taken/],
    ['no port', ['serve', '--listen', 'localhost'], 'USAGE', /HOST:PORT, not 'localhost'/],
    ['no such port', ['serve', '--listen', ':65536'], 'USAGE', /HOST:PORT/],
    ['another compression', ['serve', '--compression', 'xz'], 'USAGE', /one of none, zstd/],
    ['an empty store', ['stats', '--store='], 'USAGE', /--store is a directory/],
    ['a missing netrc', ['mirror', '--netrc-file', '/no/such', ROOT], 'USAGE', /cannot be read/],
    ['no store path', ['info', 'bash'], 'STORE_PATH_INVALID', /'bash' is not a store path/],
    ['an empty store path', ['mirror', ''], 'STORE_PATH_INVALID', /'' is not a store path/],
    ['a place for a path', ['nar', `${ROOT}/app`], 'STORE_PATH_INVALID', /a place inside/],
    ['no key', ['mirror', '--trusted-public-keys', 'x', ROOT], 'KEY_INVALID', /name:base64/],
    ['no cache', ['mirror', '--from', 'ftp://x', ROOT], 'UPSTREAM_URL_INVALID', /'ftp:\/\/x'/],
    ['an empty cache', ['mirror', '--from', '', ROOT], 'UPSTREAM_URL_INVALID', /no address/],
    ['control characters', ['info', 'a\u001b[2J\n'], 'STORE_PATH_INVALID', /a\\x1b\[2J\\x0a/],
  ])('%s', async (_, args, code, says) => {
    const { exitCode, stdout, stderr } = await cli.run(args);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toMatch(says);
    expect(stderr).toMatch(new RegExp(`^narthex: [^\\n]+ \\[${code}\\]\\n$`));
  });

  test('no store is made by it', async () => {
    const NARTHEX_STORE = `${cli.directory}/not-made`;
    const args = ['mirror', '--from', 'ftp://x', ROOT];
    await cli.run(args, { environment: { NARTHEX_STORE } });
    const { stderr } = await cli.run(['stats'], { environment: { NARTHEX_STORE } });
    expect(stderr).toContain('there is no store in');
  });
});

describe('errors', () => {
  test('a store that is not there: what, where and what to do', async () => {
    const { exitCode, stderr } = await cli.run(['stats', '--store', 'nowhere']);
    expect(exitCode).toBe(1);
    expect(stderr).toBe(
      `narthex: there is no store in ${cli.directory}/nowhere; narthex mirror makes one [STORE_FAILED]\n`,
    );
  });

  test('a path that is not in the store', async () => {
    const path = ROOT.replace('fixture-root', 'another-name');
    const { exitCode, stderr } = await cli.run(['info', path]);
    expect(exitCode).toBe(1);
    expect(stderr).toBe(`narthex: ${path} is not in the store, but ${ROOT} is [PATH_NOT_FOUND]\n`);
  });

  test('as data, on standard output', async () => {
    const path = `/nix/store/${'0'.repeat(32)}-nothing`;
    const { exitCode, stdout, stderr } = await cli.run(['info', '--json', path]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: '' });
    expect(JSON.parse(stdout)).toEqual({
      error: {
        code: 'PATH_NOT_FOUND',
        message: `${path} is not in the store; narthex mirror brings it in`,
        facts: { storePath: path },
      },
    });
  });

  test('wrong usage as data', async () => {
    const { exitCode, stdout, stderr } = await cli.run(['stats', '--json', 'x']);
    expect({ exitCode, stderr }).toEqual({ exitCode: 2, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'USAGE', facts: {} } });
  });
});

describe('output that is not taken', () => {
  /** Runs the program with its output going somewhere else. */
  async function runInto(stdout: number | 'pipe', args: readonly string[]) {
    const { environment: env, directory: cwd } = cli;
    const child = spawn(process.execPath, [PROGRAM, ...args], {
      env,
      cwd,
      stdio: ['ignore', stdout, 'pipe'],
    });
    return { child, ended: once(child, 'close') };
  }

  test.each([
    ['ls', ['ls', ROOT]],
    ['closure', ['closure', ROOT]],
    ['nar', ['nar', fixtureCache.path('large-1.0').storePath]],
    ['cat', ['cat', fixtureCache.path('single-file').storePath]],
  ])('a reader that has gone ends %s quietly, as SIGPIPE would', async (_, args) => {
    const { child, ended } = await runInto('pipe', args);
    child.stdout?.destroy();
    const stderr = child.stderr === null ? '' : await text(child.stderr);
    const [exitCode] = await ended;
    expect({ exitCode, stderr }).toEqual({ exitCode: 141, stderr: '' });
  });

  test('so does one of standard error', async () => {
    const { environment: env, directory: cwd } = cli;
    const args = [PROGRAM, 'mirror', '--from', '/no/such', ROOT];
    const child = spawn(process.execPath, args, { env, cwd });
    child.stderr.destroy();
    const [exitCode] = await once(child, 'close');
    expect(exitCode).toBe(141);
  });

  test.skipIf(process.platform !== 'linux').each([
    ['nar', ['nar', ROOT]],
    ['info', ['info', ROOT]],
  ])('a full disk is an error of %s', async (_, args) => {
    const { child, ended } = await runInto(openSync('/dev/full', 'w'), args);
    const stderr = child.stderr === null ? '' : await text(child.stderr);
    const [exitCode] = await ended;
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(
      /^narthex: the output could not be written: .*no space left.* \[OUTPUT_FAILED\]\n$/i,
    );
  });
});
