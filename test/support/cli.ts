/**
 * The program as people run it: a process of its own, with a store, a home and an environment of its
 * own.
 *
 *     await using cli = await temporaryCli();
 *     const { exitCode, stdout } = await cli.run(['info', '--json', path]);
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { fixtureCache } from './fixtureCache.ts';
import { temporaryDirectory } from './temporaryDirectory.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** The program's file, for tests that start it in some other way. */
export const PROGRAM = join(ROOT, 'src', 'cli', 'main.ts');
/** Compiled sources, so that hundreds of short runs do not each compile them anew. */
const COMPILE_CACHE = join(ROOT, 'node_modules', '.cache', 'narthex-test-compile');

/** How a run ended. */
export interface CliResult {
  /** `null` when a signal ended it. */
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  /** The same as it came, where it is no text. */
  readonly stdoutBytes: Buffer;
  readonly stderr: string;
}

/** How to run the program. */
export interface CliOptions {
  /** What it finds on standard input, which is empty by default; `null` leaves it open. */
  readonly input?: string | null | undefined;
  /** Added to its environment; `undefined` takes a variable out. */
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined;
}

/** A run that goes on. Disposing of it kills it. */
export interface RunningCli extends AsyncDisposable {
  readonly child: ChildProcessWithoutNullStreams;
  /** Resolves when it has ended and all that it wrote is here. */
  readonly ended: Promise<CliResult>;
  /**
   * The first line on standard output that matches, as soon as it is there.
   * @throws an `Error` when it ends before
   */
  line(matching: RegExp): Promise<string>;
  /** Resolves when so many lines are on standard output, or it has ended. */
  lines(count: number): Promise<void>;
  /** What is on standard error so far. */
  readonly stderr: string;
}

/** The program with a store of its own. Disposing of it removes all that it left. */
export interface TemporaryCli extends AsyncDisposable {
  /** For whatever a test needs. */
  readonly directory: string;
  /** In {@link directory}, named by `NARTHEX_STORE`; not there before the program makes it. */
  readonly storeDirectory: string;
  /** The environment of its runs. */
  readonly environment: NodeJS.ProcessEnv;
  /** Runs it to its end. */
  run(args: readonly string[], options?: CliOptions): Promise<CliResult>;
  /** Starts it. */
  start(args: readonly string[], options?: CliOptions): RunningCli;
}

/** Prepares a place to run the program in. */
export async function temporaryCli(): Promise<TemporaryCli> {
  const directory = await temporaryDirectory('cli');
  const storeDirectory = join(directory.path, 'store');
  const inherited = Object.entries(process.env).filter(([name]) => !/^(XDG|NARTHEX)_/.test(name));
  const environment = {
    ...Object.fromEntries(inherited),
    HOME: directory.path,
    NARTHEX_STORE: storeDirectory,
    NODE_COMPILE_CACHE: COMPILE_CACHE,
  };
  const start = (args: readonly string[], options: CliOptions = {}) =>
    startProgram(args, { ...environment, ...options.environment }, directory.path, options.input);
  return {
    directory: directory.path,
    storeDirectory,
    environment,
    run: (args, options) => start(args, options).ended,
    start,
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

function startProgram(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  cwd: string,
  input: string | null = '',
): RunningCli {
  const child = spawn(process.execPath, [PROGRAM, ...args], { env, cwd });
  child.stdin.on('error', () => {}); // it need not read what it is given
  if (input !== null) child.stdin.end(input);
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    child.emit('stdout line');
  });
  const textOf = (chunks: readonly Buffer[]) => Buffer.concat(chunks).toString();
  const ended = once(child, 'close').then(
    ([exitCode, signal]): CliResult => ({
      exitCode,
      signal,
      stdout: textOf(out),
      stdoutBytes: Buffer.concat(out),
      stderr: textOf(err),
    }),
  );
  /** Waits until `enough`, or for the end. */
  async function whenLines(enough: () => boolean): Promise<void> {
    let over = false;
    const end = ended.then(() => {
      over = true;
    });
    while (!over && !enough()) await Promise.race([once(child, 'stdout line'), end]);
  }

  return {
    child,
    ended,
    get stderr() {
      return textOf(err);
    },
    async line(matching) {
      const found = () => lines.find((line) => matching.test(line));
      await whenLines(() => found() !== undefined);
      const line = found();
      if (line !== undefined) return line;
      throw new Error(`ended before it printed ${matching}: ${textOf(err)}`);
    },
    lines: (count) => whenLines(() => lines.length >= count),
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      await ended;
    },
  };
}

/** The objects of lines of JSON. */
export function jsonLines(text: string): Record<string, unknown>[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

/** The `--trusted-public-keys` of the fixture. */
export const FIXTURE_KEYS = ['--trusted-public-keys', fixtureCache.publicKey] as const;

/** A store into which the fixture's cache was mirrored. */
export async function fixtureCli(): Promise<TemporaryCli> {
  await using cleanup = new AsyncDisposableStack();
  const cli = cleanup.use(await temporaryCli());
  const from = ['--from', fixtureCache.directory, ...FIXTURE_KEYS];
  const { exitCode, stderr } = await cli.run(['mirror', ...from, fixtureCache.root]);
  if (exitCode !== 0) throw new Error(`the fixture could not be mirrored: ${stderr}`);
  const owned = cleanup.move();
  return { ...cli, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
