/**
 * A lock between processes: a directory that exists while somebody holds it.
 *
 * It holds one file `owner~…` and, for every process that works on the owner's behalf, one
 * `child~…`. The names say whose they are (place, process id, start of the process), so that taking
 * over a dead owner's lock is a single rename that only one of several waiters can do. The lock is
 * stale when none of the named processes lives: an installation whose parent was killed still
 * holds it.
 */
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 200;
/** How often a holder shows to other machines and containers that it lives. */
const HEARTBEAT_MS = 5_000;
/** A holder elsewhere that has shown no sign of life for so long is dead. */
const SILENCE_MS = 60_000;

/**
 * @typedef {object} Held
 * @property {(pid: number) => void} addChild makes the lock last until that process is gone, too
 */

/**
 * Runs `body` while holding the lock directory `path`, whose parent exists.
 * @template T
 * @param {string} path
 * @param {{ signal: AbortSignal, onWait: (owner: string) => void }} options `onWait` is told once
 * @param {(held: Held) => Promise<T>} body
 * @returns {Promise<T>}
 */
export async function withLock(path, { signal, onWait }, body) {
  const owner = processName('owner', process.pid);
  await acquire(path, owner, signal, onWait);
  const heartbeat = setInterval(() => touch(join(path, owner)), HEARTBEAT_MS);
  /** @type {string[]} */
  const children = [];
  try {
    return await body({
      addChild(pid) {
        const child = processName('child', pid);
        children.push(child);
        fs.writeFileSync(join(path, child), '');
      },
    });
  } finally {
    clearInterval(heartbeat);
    // the owner last: a lock without one would not be taken over
    for (const name of [...children, owner]) fs.rmSync(join(path, name), { force: true });
    removeIfEmpty(path);
  }
}

/**
 * @param {string} path
 * @param {string} owner
 * @param {AbortSignal} signal
 * @param {(owner: string) => void} onWait
 */
async function acquire(path, owner, signal, onWait) {
  // made aside and renamed, so that a lock never exists without its owner
  const prepared = fs.mkdtempSync(join(dirname(path), `${basename(path)}-`));
  fs.writeFileSync(join(prepared, owner), '');
  try {
    for (let announced = false; ; ) {
      signal.throwIfAborted();
      if (renamed(prepared, path)) return;
      const names = readNames(path);
      if (names.length === 0) removeIfEmpty(path); // its holder died while releasing it
      const holder = names.find((name) => name.startsWith('owner~'));
      if (holder !== undefined) {
        if (!names.some((name) => lives(path, name))) {
          touch(join(path, holder)); // or else another machine could find us silent as well
          if (renamed(join(path, holder), join(path, owner))) {
            for (const name of names)
              if (name !== holder) fs.rmSync(join(path, name), { force: true });
            return;
          }
          continue;
        }
        if (!announced) onWait(holder.split('~')[2] ?? '?');
        announced = true;
      }
      await sleep(POLL_MS, undefined, { signal });
    }
  } finally {
    fs.rmSync(prepared, { recursive: true, force: true });
  }
}

/**
 * Process ids mean something within one place only: this machine, and this container on it.
 */
function place() {
  let namespace = '';
  try {
    namespace = fs.readlinkSync('/proc/self/ns/pid');
  } catch {
    // not Linux: one process table a machine
  }
  return createHash('sha256').update(`${hostname()} ${namespace}`).digest('hex').slice(0, 12);
}

/**
 * When a process started, as far as the system tells: so that a process id used again is not taken
 * for the same process. `undefined` if there is none.
 * @param {number} pid
 */
function startOf(pid) {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
    // the second field, the command in parentheses, may itself hold spaces and parentheses
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state, start] = [fields[0], fields[19]];
    return state === 'Z' || state === 'X' ? undefined : start;
  } catch {
    if (fs.existsSync('/proc/self/stat')) return undefined;
  }
  try {
    process.kill(pid, 0);
    return 'unknown';
  } catch (error) {
    // EPERM: it lives, as another user's
    return codeOf(error) === 'EPERM' ? 'unknown' : undefined;
  }
}

/**
 * @param {'owner' | 'child'} role
 * @param {number} pid
 */
export function processName(role, pid) {
  return [role, place(), pid, startOf(pid) ?? 'gone'].join('~');
}

/**
 * @param {string} path the lock
 * @param {string} name of a file in it
 */
function lives(path, name) {
  const [, where, pid, start] = name.split('~');
  if (where === place()) return startOf(Number(pid)) === start;
  try {
    return Date.now() - fs.statSync(join(path, name)).mtimeMs < SILENCE_MS;
  } catch {
    return false; // gone in the meantime
  }
}

/**
 * Whether the rename could be done; it cannot where another was faster.
 * @param {string} from
 * @param {string} to
 */
function renamed(from, to) {
  try {
    fs.renameSync(from, to);
    return true;
  } catch (error) {
    if (['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(codeOf(error))) return false;
    throw error;
  }
}

/** @param {string} path */
function readNames(path) {
  try {
    return fs.readdirSync(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return []; // released in the meantime
    throw error;
  }
}

/** @param {string} path */
function touch(path) {
  try {
    fs.utimesSync(path, new Date(), new Date());
  } catch {
    // taken over or released in the meantime: then there is nothing to keep alive
  }
}

/** @param {string} path */
function removeIfEmpty(path) {
  try {
    fs.rmdirSync(path);
  } catch {
    // the next holder is in it already
  }
}

/** @param {unknown} error */
function codeOf(error) {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
