/**
 * Processes by more than their numbers, which are given to others later: whether one that wrote its
 * identity down still runs.
 */
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** A process. */
export interface ProcessIdentity {
  /**
   * This run of the machine. A store is on one machine, since LMDB maps it into memory and locks it, so that
   * all processes of another run have ended.
   */
  readonly boot: string;
  /** Where its number means something: containers have numbers of their own. */
  readonly namespace: string;
  readonly pid: number;
  /** When it began, in ticks since boot; empty where the system does not say. */
  readonly startedAt: string;
}

/** What can be said about a process from here. */
export type Liveness = 'alive' | 'gone' | 'unknown';

/** Text of a file or link of the system, or `undefined` where there is none such. */
function fromSystem(read: () => string): string | undefined {
  try {
    return read().trim();
  } catch {
    return undefined; // another system than Linux, or a process that is no more
  }
}

/** The 22nd field of `/proc/PID/stat` (proc_pid_stat(5)); the name before it may hold anything. */
function startOf(pid: number): string {
  const stat = fromSystem(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

let own: ProcessIdentity | undefined;

/** The process that asks. */
export function ownIdentity(): ProcessIdentity {
  own ??= {
    boot: fromSystem(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')) ?? hostname(),
    namespace: fromSystem(() => readlinkSync('/proc/self/ns/pid')) ?? '',
    pid: process.pid,
    startedAt: startOf(process.pid),
  };
  return own;
}

/** Whether a process runs; `unknown` where its number means nothing here. */
export function livenessOf({ boot, namespace, pid, startedAt }: ProcessIdentity): Liveness {
  if (boot !== ownIdentity().boot) return 'gone';
  if (namespace !== ownIdentity().namespace) return 'unknown';
  try {
    process.kill(pid, 0);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ESRCH') return 'gone';
    // EPERM: some process of another user; of those not even /proc may tell
    if (startOf(pid) === '') return 'alive';
  }
  const startsAt = startOf(pid);
  // one that has ended and was not waited for yet still has its entry
  const ended = fromSystem(() => readFileSync(`/proc/${pid}/stat`, 'utf8'))?.match(/\) [ZX] /);
  return startsAt === startedAt && !ended ? 'alive' : 'gone';
}
