/** Which Node runs narthex: the current one if it is new enough, else a pinned one from npm. */
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { ensureInstalled } from './install.mjs';
import { SetupError } from './setupError.mjs';

/** The pinned Node that stands in where the machine's own is too old: a folder of scripts/runtime. */
export const DEFAULT_RUNTIME = '26';

/**
 * Whether `version` meets `range`, which is of the form `>=1.2` or `>=1.2.3`.
 * @param {string} version such as `v24.12.0`
 * @param {string} range
 */
export function meets(version, range) {
  const minimum = /^>=(\d+(?:\.\d+){0,2})$/.exec(range)?.[1];
  if (minimum === undefined) throw new Error(`a range of the form >=1.2.3 is needed, not ${range}`);
  const have = numbersOf(version);
  const need = numbersOf(minimum);
  for (let i = 0; i < 3; i++) {
    const difference = (have[i] ?? 0) - (need[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

/** @param {string} version */
function numbersOf(version) {
  return version.replace(/^v/, '').replace(/-.*$/, '').split('.').map(Number);
}

/**
 * The package that brings Node for a platform, or `undefined` where there is none.
 * @param {Record<string, string>} packages name → version, as pinned
 * @param {string} platform
 * @param {string} arch
 */
export function runtimePackage(packages, platform = process.platform, arch = process.arch) {
  // macOS on ARM has the second form
  const names = [`node-${platform}-${arch}`, `node-bin-${platform}-${arch}`];
  return names.find((name) => Object.hasOwn(packages, name));
}

/**
 * The version of a Node by asking it, or `undefined` if it does not run.
 * @param {string} node
 */
function versionOf(node) {
  const { status, stdout } = spawnSync(node, ['--version'], { encoding: 'utf8' });
  return status === 0 ? stdout.trim().replace(/^v/, '') : undefined;
}

/**
 * The Node to run narthex with.
 * @param {import('./install.mjs').Setup} setup
 * @param {string} range that the project's `engines` asks for
 * @param {string | undefined} chosen NARTHEX_NODE: a path, or the name of a pinned runtime
 * @returns {Promise<{ node: string, version: string }>}
 */
export async function chooseNode(setup, range, chosen) {
  if (chosen !== undefined && chosen !== '') {
    if (/^\d+$/.test(chosen)) return pinnedNode(setup, range, chosen);
    const version = versionOf(chosen);
    if (version === undefined) throw new SetupError(`NARTHEX_NODE=${chosen} is no Node that runs`);
    if (!meets(version, range)) {
      throw new SetupError(`NARTHEX_NODE=${chosen} is Node ${version}, ${range} is needed`);
    }
    return { node: fs.realpathSync(chosen), version };
  }
  const { node: version } = process.versions;
  if (meets(version, range)) return { node: process.execPath, version };
  return pinnedNode(setup, range, DEFAULT_RUNTIME);
}

/**
 * A Node from scripts/runtime, installed when it is missing.
 * @param {import('./install.mjs').Setup} setup
 * @param {string} range
 * @param {string} major
 */
async function pinnedNode(setup, range, major) {
  const folder = join(setup.root, 'scripts', 'runtime', major);
  if (!fs.existsSync(folder)) throw new SetupError(`no Node ${major} is pinned in scripts/runtime`);
  const manifest = JSON.parse(fs.readFileSync(join(folder, 'package.json'), 'utf8'));
  /** @type {Record<string, string>} */
  const packages = manifest.optionalDependencies;
  const name = runtimePackage(packages);
  const system = `${process.platform}-${process.arch}`;
  const advice = `install a Node ${range} yourself (this one is ${process.versions.node})`;
  if (name === undefined) {
    throw new SetupError(`npm has no Node ${major} for ${system}: ${advice}`);
  }
  const version = packages[name] ?? '';
  const node = join(folder, 'node_modules', name, 'bin', 'node');
  await ensureInstalled(setup, {
    folder,
    node: process.execPath,
    nodeMajor: 'any', // it runs nothing there
    what: `Node ${version} (this one is ${process.versions.node})`,
    check() {
      // npm is content when an optional package cannot be had; and a Node may need another libc
      if (!fs.existsSync(node)) throw new SetupError(`npm did not bring ${name}: ${advice}`);
      if (versionOf(node) === undefined) {
        throw new SetupError(`Node ${version} does not run on this ${system}: ${advice}`);
      }
    },
  });
  return { node, version };
}
