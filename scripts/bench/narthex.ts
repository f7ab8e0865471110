/** Narthex itself, as people run it: the command line in processes of its own. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { BenchError } from './benchError.ts';
import type { Command } from './measure/process.ts';

/** A running `narthex serve`; disposing of it ends it in order. */
export interface RunningServe extends AsyncDisposable {
  readonly url: string;
}

/** One checkout of the project. */
export class Narthex {
  readonly #main: string;

  private constructor(main: string) {
    this.#main = main;
  }

  /**
   * Builds a checkout, since that is what people run. One that cannot be built is run from its sources.
   * @param checkout its directory; its dependencies are installed
   */
  static async build(
    say: (line: string) => void,
    checkout: string = join(import.meta.dirname, '../..'),
  ): Promise<Narthex> {
    try {
      const script = join(checkout, 'scripts/build.mjs');
      await promisify(execFile)(process.execPath, [script], { cwd: checkout });
      return new Narthex(join(checkout, 'dist/cli/main.js'));
    } catch (error) {
      say(`${checkout} cannot be built, so its sources are run: ${error}`);
      return new Narthex(join(checkout, 'src/cli/main.ts'));
    }
  }

  /** Any command. */
  command(...args: readonly string[]): Command {
    return { program: process.execPath, args: [this.#main, ...args] };
  }

  /** `narthex mirror`. */
  mirror(
    source: { readonly url: string; readonly publicKey: string; readonly paths: readonly string[] },
    store: string,
    ...options: readonly string[]
  ): Command {
    const from = ['--from', source.url, '--trusted-public-keys', source.publicKey];
    return this.command('mirror', '--store', store, ...from, ...options, ...source.paths);
  }

  /** `narthex serve` on a free port. @throws BenchError it ended before it listened */
  async serve(store: string, ...options: readonly string[]): Promise<RunningServe> {
    const { program, args } = this.command(
      ...['serve', '--store', store, '--listen', '127.0.0.1:0', '--json'],
      ...options,
    );
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(child, 'exit');
    const lines = createInterface({ input: child.stdout });
    const [line] = await Promise.race([
      once(lines, 'line'),
      ended.then(() => Promise.reject(new BenchError('narthex serve has ended'))),
    ]);
    // the first line is {"event":"listening","url":…}
    const { url }: { url: string } = JSON.parse(String(line));
    return {
      url,
      async [Symbol.asyncDispose]() {
        child.kill('SIGTERM');
        await ended;
      },
    };
  }
}
