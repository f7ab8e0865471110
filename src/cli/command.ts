/** What a command of the command line is. */
import type { ParseArgsOptionsConfig } from 'node:util';

/** How a run of the program ends. */
export const ExitCode = {
  Done: 0,
  Error: 1,
  Usage: 2,
  /** Some paths were brought in, others were not. */
  Partial: 3,
  /** A policy refused it. */
  Rejected: 4,
  /** It was done, and there are findings. */
  Findings: 5,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** The world around a command. */
export interface CommandContext {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Aborted by the first SIGINT or SIGTERM. */
  readonly signal: AbortSignal;
}

/** The values of a command's options, as `node:util`'s `parseArgs` gives them. */
export type OptionValues = Readonly<
  Record<string, string | boolean | readonly (string | boolean)[] | undefined>
>;

/** One command. */
export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** What follows the name on the command line. */
  readonly usage: string;
  /** Explanation of arguments and options, one a line. */
  readonly help: string;
  readonly options: ParseArgsOptionsConfig;
  /** @throws NarthexError shown as one line, or as data with `--json` */
  run(
    context: CommandContext,
    values: OptionValues,
    positionals: readonly string[],
  ): Promise<ExitCode>;
}
