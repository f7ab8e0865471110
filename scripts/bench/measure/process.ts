/** Running a program and measuring what it takes, by GNU time. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BenchError } from '../benchError.ts';
import { AnonymousMemory } from './anonymousMemory.ts';

/** What a program is run as. */
export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv | undefined;
}

/** What one run took. */
export interface Run {
  readonly wallSeconds: number;
  /** Of all processors, in user space and in the kernel, children included. */
  readonly cpuSeconds: number;
  /** The most that the kernel counted as resident in one process, mapped files included. */
  readonly peakRssBytes: number;
  /** The same without mapped files, such as an index; where it was asked for. */
  readonly peakAnonymousBytes: number | undefined;
  readonly stdout: string;
}

const KIB = 1024;
const TIME = '/usr/bin/time';
/** Failing programs may write a lot. */
const SHOWN_ERROR_CHARACTERS = 2000;
let runs = 0;

/**
 * Runs a program to its end.
 * @param options.watchMemory whether its memory is looked at while it runs
 * @throws BenchError it failed, or there is no GNU time
 */
export async function run(
  command: Command,
  { watchMemory = false }: { readonly watchMemory?: boolean } = {},
): Promise<Run> {
  const { program, args, env = process.env } = command;
  const report = join(tmpdir(), `narthex-bench-time-${process.pid}-${runs++}`);
  try {
    const began = performance.now();
    const child = spawn(TIME, ['-f', '%U %S %M', '-o', report, program, ...args], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    using memory =
      watchMemory && child.pid !== undefined ? new AnonymousMemory(child.pid) : undefined;
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const [code] = await once(child, 'close').catch((error: Error) => {
      throw new BenchError(`${TIME} (GNU time, Debian package "time") is needed: ${error.message}`);
    });
    const wallSeconds = (performance.now() - began) / 1000;
    if (code !== 0)
      throw new BenchError(`${program} ${args.join(' ')}: exit ${code}\n${telling(stderr)}`);
    const [user = 0, system = 0, rssKib = 0] = (await readFile(report, 'utf8'))
      .trim()
      .split(' ')
      .map(Number);
    return {
      wallSeconds,
      cpuSeconds: user + system,
      peakRssBytes: rssKib * KIB,
      peakAnonymousBytes: memory?.peakBytes,
      stdout,
    };
  } finally {
    await rm(report, { force: true });
  }
}

/** What of a program's errors says why it failed: lines that speak of failure, or the end. */
function telling(stderr: string): string {
  const lines = stderr.split('\n').filter((line) => /error|fail/i.test(line));
  return (lines.length > 0 ? lines.join('\n') : stderr).slice(-SHOWN_ERROR_CHARACTERS);
}

/** Several at the same time as one: the wall time of the last, the CPU time of all. */
export async function runTogether(commands: readonly Command[]): Promise<Run> {
  const all = await Promise.all(commands.map((command) => run(command)));
  return {
    wallSeconds: Math.max(...all.map(({ wallSeconds }) => wallSeconds)),
    cpuSeconds: all.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0),
    peakRssBytes: Math.max(...all.map(({ peakRssBytes }) => peakRssBytes)),
    peakAnonymousBytes: undefined,
    stdout: all.map(({ stdout }) => stdout).join(''),
  };
}

/** Times something that is done in this process. */
export async function timed<Result>(
  action: () => Promise<Result>,
): Promise<{ readonly result: Result } & Pick<Run, 'wallSeconds' | 'cpuSeconds'>> {
  const cpuBefore = process.cpuUsage();
  const began = performance.now();
  const result = await action();
  const wallSeconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(cpuBefore);
  return { result, wallSeconds, cpuSeconds: (user + system) / 1e6 };
}
