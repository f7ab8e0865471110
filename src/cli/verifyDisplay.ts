/** Showing how far a verification is: one line on a terminal, nothing elsewhere. */
import type { VerifyEvent, VerifyPhase } from '../verify/verifyEvent.ts';
import type { CommandContext } from './command.ts';
import { errorLine } from './errorLine.ts';
import { counted, formatBytes } from './format.ts';
import type { TerminalOutput } from './terminalDisplay.ts';

const REFRESH_MS = 100;
const DEFAULT_COLUMNS = 80;
const CLEAR_RIGHT = '\x1b[K';

/** Shows a run. */
export interface VerifyDisplay {
  readonly show: (event: VerifyEvent) => void;
  /** The run is over: takes away what is only for the moment. */
  end(): void;
}

const PHASES: Readonly<Record<VerifyPhase, string>> = {
  records: 'records',
  blobs: 'chunk lists',
  paths: 'store paths',
  relations: 'index',
  repair: 'repairing paths',
};

/** A display for where the program runs. */
export function verifyDisplay(
  { stderr, environment }: CommandContext,
  json: boolean,
): VerifyDisplay {
  const isTerminal = stderr.isTTY && environment['TERM'] !== 'dumb';
  if (isTerminal) return terminalLine(stderr);
  // what is found is told at the end; that something cannot be fetched may be of use before
  const show = (event: VerifyEvent) => {
    const line = lastingLine(event);
    if (!json && line !== undefined) stderr.write(`${line}\n`);
  };
  return { show, end() {} };
}

/** One line that is written again and again; what lasts stays above it. */
export function terminalLine(output: TerminalOutput): VerifyDisplay {
  let damaged = 0;
  let progress = '';
  const draw = () => {
    const found = damaged > 0 ? ` · ${damaged} damaged` : '';
    const line = `${progress}${found}`.slice(0, (output.columns || DEFAULT_COLUMNS) - 1);
    output.write(`\r${line}${CLEAR_RIGHT}`);
  };
  const timer = setInterval(draw, REFRESH_MS).unref();
  return {
    show(event) {
      if (event.type === 'damage') damaged += 1;
      if (event.type === 'progress') progress = progressText(event);
      const line = lastingLine(event);
      if (line === undefined) return;
      output.write(`\r${line}${CLEAR_RIGHT}\n`);
      draw();
    },
    end() {
      clearInterval(timer);
      output.write(`\r${CLEAR_RIGHT}`);
    },
  };
}

function progressText({
  phase,
  done,
  total,
}: Extract<VerifyEvent, { readonly type: 'progress' }>): string {
  const percent = total === 0 ? 100 : Math.floor((100 * done) / total);
  return `${PHASES[phase]}: ${done}/${total} (${percent}%)`;
}

function lastingLine(event: VerifyEvent): string | undefined {
  switch (event.type) {
    case 'fetching':
      return `fetching ${event.storePath} (${formatBytes(event.narSize)})`;
    case 'failed':
      return `failed: ${event.storePath}: ${errorLine(event.error)}`;
    default:
      return undefined;
  }
}

/** `3 things are damaged`. */
export function damagedText(count: number): string {
  return `${counted(count, 'thing')} ${count === 1 ? 'is' : 'are'} damaged`;
}
