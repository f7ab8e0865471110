/**
 * Installs what a lockfile pins, when it changed: by several processes at once, and again after
 * one was killed. What is there is known by a stamp in `node_modules`, written last.
 */
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { withLock } from './lock.mjs';
import { findNpmCli, npmInstall } from './npm.mjs';
import { SetupError } from './setupError.mjs';

const STAMP_FILE = join('node_modules', '.narthex-setup');

/**
 * What an installation depends on, as one text.
 * @param {string} folder with a package-lock.json
 * @param {string} nodeMajor of the Node that will load what is installed
 */
export function stampOf(folder, nodeMajor) {
  return createHash('sha256')
    .update(fs.readFileSync(join(folder, 'package-lock.json')))
    .update(`node ${nodeMajor} ${process.platform} ${process.arch}`)
    .digest('hex');
}

/**
 * Whether `folder` holds a finished installation for that stamp.
 * @param {string} folder
 * @param {string} stamp
 */
export function isInstalled(folder, stamp) {
  try {
    return fs.readFileSync(join(folder, STAMP_FILE), 'utf8') === stamp;
  } catch {
    return false; // never installed, or killed before the end
  }
}

/** The fields of package.json whose packages the lockfile pins. */
const DEPENDENCY_FIELDS = ['dependencies', 'devDependencies', 'optionalDependencies'];

/**
 * Throws if package.json asks for other packages than package-lock.json pins.
 * @param {string} folder
 */
export function checkLockfile(folder) {
  const read = (/** @type {string} */ file) =>
    JSON.parse(fs.readFileSync(join(folder, file), 'utf8'));
  const [manifest, locked] = [read('package.json'), read('package-lock.json').packages['']];
  const listed = (/** @type {Record<string, string> | undefined} */ packages) =>
    JSON.stringify(Object.entries(packages ?? {}).sort());
  for (const field of DEPENDENCY_FIELDS) {
    if (listed(manifest[field]) !== listed(locked[field])) {
      throw new SetupError(
        `${field} of package.json and package-lock.json differ: run npm install and commit both`,
      );
    }
  }
}

/**
 * @typedef {object} Setup what all steps of a set-up share
 * @property {string} root of the project
 * @property {AbortSignal} signal
 * @property {(line: string) => void} say tells the user
 */

/**
 * @param {Setup} setup
 * @param {{
 *   folder: string, node: string, nodeMajor: string, what: string, check?: () => void,
 * }} target `what` is installed in `folder`; `check` throws if that did not bring what it should
 */
export async function ensureInstalled({ root, signal, say }, target) {
  const { folder, node, nodeMajor, what } = target;
  const stamp = stampOf(folder, nodeMajor);
  if (isInstalled(folder, stamp)) return;

  const state = join(root, '.setup');
  fs.mkdirSync(state, { recursive: true });
  const lock = join(state, 'lock');
  const onWait = (/** @type {string} */ owner) =>
    say(`waiting for another set-up (process ${owner}; its lock is ${lock}) …`);
  await withLock(lock, { signal, onWait }, async (held) => {
    if (isInstalled(folder, stamp)) return; // by the one we waited for
    checkLockfile(folder);
    const npmCli = findNpmCli();
    if (npmCli === undefined) throw new SetupError('npm was not found beside node or on the path');

    say(`installing ${what} …`);
    // npm would take the halves of packages that a killed installation left for whole ones
    fs.rmSync(join(folder, 'node_modules'), { recursive: true, force: true });
    const onStart = held.addChild;
    const { ok, output } = await npmInstall({ folder, node, npmCli, signal, onStart });
    if (!ok) throw new SetupError(`installing ${what} failed, see npm's words above`, output);
    try {
      target.check?.();
    } catch (error) {
      throw error instanceof SetupError ? new SetupError(error.message, output) : error;
    }
    // whole or not at all; npm makes no folder where there is nothing to install
    fs.mkdirSync(join(folder, 'node_modules'), { recursive: true });
    fs.writeFileSync(join(folder, `${STAMP_FILE}.new`), stamp);
    fs.renameSync(join(folder, `${STAMP_FILE}.new`), join(folder, STAMP_FILE));
  });
}
