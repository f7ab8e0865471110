/**
 * Runs a script of this project, having set up what it needs: `npm start`, `npm test` and the
 * others all come through here.
 *
 *     node scripts/run.mjs [options of node …] <script> [arguments …]
 *
 * This file and scripts/setup run under any Node ≥ 18, before anything is installed. They choose a
 * Node that is new enough (installing a pinned one if need be), install the project's dependencies
 * under it when the lockfile changed, and run the script with it. Sources run as they are: every
 * Node that `engines` admits strips types by itself and without a warning.
 *
 * NARTHEX_NODE chooses the Node: a path, or a name in scripts/runtime such as 24.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { END_SIGNALS, exitCodeOf, runInPlace } from './setup/child.mjs';
import { ensureInstalled } from './setup/install.mjs';
import { environmentWith } from './setup/npm.mjs';
import { chooseNode } from './setup/runtime.mjs';
import { SetupError } from './setup/setupError.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

/** @param {string} line */
function say(line) {
  process.stderr.write(`narthex: ${line}\n`);
}

/**
 * The Node to use, with the dependencies installed for it.
 * @param {AbortSignal} signal
 * @returns {Promise<string>}
 */
async function setUp(signal) {
  const setup = { root, signal, say };
  const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const { node, version } = await chooseNode(setup, engines.node, process.env['NARTHEX_NODE']);
  const nodeMajor = version.split('.')[0] ?? version;
  await ensureInstalled(setup, { folder: root, node, nodeMajor, what: 'dependencies' });
  return node;
}

/** @returns {Promise<number>} the exit code */
async function main() {
  const interruption = new AbortController();
  /** @type {NodeJS.Signals | undefined} */
  let endedBy;
  const interrupt = (/** @type {NodeJS.Signals} */ signal) => {
    endedBy ??= signal;
    interruption.abort();
  };
  for (const signal of END_SIGNALS) process.on(signal, interrupt);
  try {
    const node = await setUp(interruption.signal);
    for (const signal of END_SIGNALS) process.off(signal, interrupt);
    return await runInPlace(node, process.argv.slice(2), environmentWith(node));
  } catch (error) {
    if (endedBy !== undefined) return exitCodeOf(endedBy);
    if (error instanceof SetupError) {
      process.stderr.write(error.output);
      say(error.message);
    } else {
      say(`set-up failed: ${error instanceof Error ? error.message : error}`);
    }
    return 1;
  }
}

process.exitCode = await main();
