/** npm: where it is, and a quiet installation with it. */
import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { delimiter, dirname, join } from 'node:path';

/**
 * The entry of npm's command line, a script that any Node can run: the npm that started us, else
 * the one beside our Node, else the one on the path.
 * @param {NodeJS.ProcessEnv} env
 * @param {string} execPath
 * @returns {string | undefined}
 */
export function findNpmCli(env = process.env, execPath = process.execPath) {
  const bin = dirname(execPath);
  const candidates = [
    env['npm_execpath'] ?? '', // also set by yarn and pnpm, to their own entries
    join(bin, '..', 'lib', 'node_modules', 'npm', 'bin', 'npm-cli.js'),
    join(bin, 'node_modules', 'npm', 'bin', 'npm-cli.js'),
    ...(env['PATH'] ?? '').split(delimiter).map((directory) => join(directory, 'npm')),
  ];
  for (const candidate of candidates) {
    try {
      const entry = fs.realpathSync(candidate);
      if (entry.endsWith('npm-cli.js')) return entry;
    } catch {
      // no such file: the next one
    }
  }
  return undefined;
}

/**
 * The environment with the directory of `node` first on the path, so that every process below
 * finds that Node.
 * @param {string} node
 * @param {NodeJS.ProcessEnv} env
 * @returns {NodeJS.ProcessEnv}
 */
export function environmentWith(node, env = process.env) {
  const key = Object.keys(env).find((name) => name.toUpperCase() === 'PATH') ?? 'PATH';
  const rest = (env[key] ?? '').split(delimiter).filter((entry) => entry !== dirname(node));
  return {
    ...env,
    [key]: [dirname(node), ...rest].join(delimiter),
    NODE: node,
    npm_node_execpath: node,
  };
}

/**
 * Not `ci`, although it does the same here: `ci` refuses a lockfile without the binaries of other
 * platforms, and such a one is what npm writes where its registry does not have them all.
 */
const INSTALL_ARGUMENTS = [
  'install',
  '--no-save', // the lockfile decides and is not touched
  '--ignore-scripts', // nothing that we depend on needs its install script
  '--include=dev', // also where NODE_ENV is production
  '--include=optional',
  '--prefer-offline',
  '--no-audit',
  '--no-fund',
  '--loglevel=error',
];

/**
 * Installs what the lockfile of `folder` pins, by an npm that `node` runs: npm leaves out optional
 * packages that do not fit the Node that runs it, so this must be the Node that will use them.
 * @param {{
 *   folder: string, node: string, npmCli: string, signal: AbortSignal,
 *   onStart: (pid: number) => void,
 * }} options
 * @returns {Promise<{ ok: boolean, output: string }>} what npm printed, for the case that it failed
 */
export function npmInstall({ folder, node, npmCli, signal, onStart }) {
  return new Promise((resolve, reject) => {
    const child = spawn(node, [npmCli, ...INSTALL_ARGUMENTS, `--prefix=${folder}`], {
      cwd: folder,
      env: environmentWith(node),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    if (child.pid !== undefined) onStart(child.pid);
    const kill = () => child.kill('SIGTERM');
    signal.addEventListener('abort', kill, { once: true });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        output += text;
      });
    }
    child.on('error', reject);
    child.on('close', (code, killedBy) => {
      signal.removeEventListener('abort', kill);
      if (signal.aborted) reject(signal.reason);
      else if (killedBy !== null)
        resolve({ ok: false, output: `${output}killed by ${killedBy}\n` });
      else resolve({ ok: code === 0, output });
    });
  });
}
