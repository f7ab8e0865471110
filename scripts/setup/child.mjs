/** Runs a program in our place: same terminal, same signals, same end. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { isatty } from 'node:tty';

/** What people and supervisors send to end a program. */
export const END_SIGNALS = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']);

/** npm passes on what it receives: within this time a signal that comes twice is one signal. */
const SAME_SIGNAL_MS = 500;

/**
 * The exit code by which shells report an end by `signal`.
 * @param {NodeJS.Signals} signal
 */
export function exitCodeOf(signal) {
  return 128 + constants.signals[signal];
}

/**
 * Whether Ctrl-C in our terminal reaches the program without us: the terminal sends SIGINT to
 * every process in it, and a second one would make the program end at once instead of in order.
 * @param {NodeJS.Signals} signal
 */
function comesFromTerminal(signal) {
  return signal === 'SIGINT' && isatty(0);
}

/**
 * @param {string} program
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<number>} its exit code, or 128 + the number of the signal that ended it
 */
export function runInPlace(program, args, env) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: 'inherit', env });
    /** @type {Map<NodeJS.Signals, number>} */
    const lastAt = new Map();
    for (const signal of END_SIGNALS) {
      process.on(signal, () => {
        const since = Date.now() - (lastAt.get(signal) ?? Number.NEGATIVE_INFINITY);
        lastAt.set(signal, Date.now());
        if (since >= SAME_SIGNAL_MS && !comesFromTerminal(signal)) child.kill(signal);
      });
    }
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      resolve(signal === null ? (code ?? 1) : exitCodeOf(signal));
    });
  });
}
