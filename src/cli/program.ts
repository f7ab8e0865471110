/** The program: finds the command, runs it, and turns what happens into text and an exit code. */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type ErrorCode, isNarthexError, NarthexError } from '../errors.ts';
import { type Command, type CommandContext, ExitCode } from './command.ts';
import { COMMANDS } from './commands.ts';
import { errorLines } from './errorLine.ts';
import { Interruption } from './interruption.ts';
import { isClosedOutput, outputFailed } from './output.ts';

/** As if SIGPIPE had ended it: whoever read our output has gone. */
const EXIT_ON_CLOSED_OUTPUT = 141;

/**
 * Out of a command these codes are about its command line only: what upstreams say fails paths, not
 * commands.
 */
const USAGE_CODES: ReadonlySet<ErrorCode> = new Set([
  'USAGE',
  'STORE_PATH_INVALID',
  'KEY_INVALID',
  'UPSTREAM_URL_INVALID',
  'CONFIG_INVALID',
]);

/** Options that every command takes. */
const COMMON_OPTIONS = {
  help: { type: 'boolean', short: 'h' },
  json: { type: 'boolean' },
} as const;

/**
 * Runs a command line.
 * @param args without the names of node and the program
 * @returns the exit code; nothing is thrown
 */
export async function runProgram(args: readonly string[]): Promise<number> {
  using interruption = new Interruption(process);
  const context: CommandContext = {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    environment: process.env,
    signal: interruption.signal,
  };
  let told = false;
  const failed = (error: unknown): number => {
    if (error instanceof NarthexError && isClosedOutput(error)) return EXIT_ON_CLOSED_OUTPUT;
    if (!told) report(error, args.includes('--json'), context);
    told = true;
    return error instanceof NarthexError && USAGE_CODES.has(error.code)
      ? ExitCode.Usage
      : ExitCode.Error;
  };
  for (const output of [context.stdout, context.stderr]) {
    // comes at any time, and never through a command that does not wait for what it writes
    output.on('error', (error) => process.exit(failed(outputFailed(error))));
  }
  try {
    return await runCommand(args, context);
  } catch (error) {
    const { ended } = interruption;
    if (ended === undefined) return failed(error);
    context.stderr.write(`narthex: ended by ${ended.by}\n`);
    return ended.exitCode;
  }
}

async function runCommand(args: readonly string[], context: CommandContext): Promise<ExitCode> {
  const [name, ...rest] = args;
  const { stdout, stderr } = context;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    const asked = rest[0] === undefined ? undefined : await findCommand(rest[0]);
    const output = name === undefined ? stderr : stdout;
    output.write(asked === undefined ? await overview() : commandHelp(asked));
    return name === undefined ? ExitCode.Usage : ExitCode.Done;
  }
  if (name === '--version' || name === '-V') {
    stdout.write(`narthex ${version()} (node ${process.versions.node})\n`);
    if (rest.includes('--verbose')) stdout.write(await decodersText());
    return ExitCode.Done;
  }
  const command = await findCommand(name);
  try {
    const { values, positionals } = parseOptions(command, rest);
    if (values['help'] !== true) return await command.run(context, values, positionals);
    stdout.write(commandHelp(command));
    return ExitCode.Done;
  } catch (error) {
    if (!isNarthexError(error, 'USAGE')) throw error;
    const { message, facts, cause } = error;
    throw new NarthexError('USAGE', `${message}; see: narthex ${name} --help`, facts, cause);
  }
}

function parseOptions(command: Command, args: string[]) {
  try {
    const options = { ...COMMON_OPTIONS, ...command.options };
    return parseArgs({ args, options, allowPositionals: true, strict: true });
  } catch (error) {
    // the first sentence says what is wrong, others guess what was meant
    const [sentence] = String(error instanceof Error ? error.message : error).split(/\.\s/);
    throw new NarthexError('USAGE', sentence ?? 'the options are wrong', {}, error);
  }
}

async function findCommand(name: string): Promise<Command> {
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (load !== undefined) return await load();
  const wrong = name.startsWith('-')
    ? `the command comes first, then options such as '${name}'`
    : `there is no command '${name}'`;
  throw new NarthexError('USAGE', `${wrong}; see: narthex --help`, { actual: name });
}

/** One line for people, or the whole error as data. */
function report(error: unknown, json: boolean, { stdout, stderr }: CommandContext): void {
  if (!(error instanceof NarthexError)) {
    // a fault of ours: everything that helps to find it
    const known = error instanceof Error ? (error.stack ?? error.message) : String(error);
    stderr.write(`narthex: internal error\n${known}\n`);
  } else if (json && error.code !== 'OUTPUT_FAILED') {
    stdout.write(`${JSON.stringify({ error })}\n`);
  } else {
    for (const line of errorLines(error)) stderr.write(`narthex: ${line}\n`);
  }
}

async function overview(): Promise<string> {
  const commands = await Promise.all(Object.values(COMMANDS).map((load) => load()));
  const width = Math.max(...commands.map(({ name }) => name.length));
  return [
    'narthex: brings Nix binary caches into a content-addressed store, and takes them out again',
    '',
    'usage: narthex COMMAND [OPTION…] [ARGUMENT…]',
    '',
    ...commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`),
    '',
    'narthex COMMAND --help explains a command. Paths are given as store path, base name or hash part.',
    'The store is --store DIR, or NARTHEX_STORE, or narthex/store in the XDG data directory.',
    '',
  ].join('\n');
}

function commandHelp({ name, usage, summary, help }: Command): string {
  return `usage: narthex ${name} ${usage}\n\n${summary}\n\n${help}\n`;
}

/** What decompresses what: of several libraries the fastest that loads here. */
async function decodersText(): Promise<string> {
  // loaded only where it is asked for
  const { decoderNames } = await import('../compression/compression.ts');
  const lines = Object.entries(decoderNames()).map(([name, by]) => `  ${name.padEnd(5)} ${by}\n`);
  return `decoders:\n${lines.join('')}`;
}

function version(): string {
  const file = new URL('../../package.json', import.meta.url);
  const { version }: { version: string } = JSON.parse(readFileSync(file, 'utf8'));
  return version;
}
