/**
 * A mirror run on a terminal: a few lines that are drawn again and again; what lasts stays above them.
 *
 * The cursor rests at the beginning of the line below what is drawn and is never hidden, so whatever
 * ends the program leaves the terminal usable. Lines are written over and then cut off, not cleared
 * first: that would flicker. None is as wide as the terminal, where the cursor would hang behind the
 * last column.
 */
import { HASH_PART_LENGTH } from '../storePath.ts';
import { counted, formatBytes, formatDuration } from './format.ts';
import { lastingLine, type MirrorDisplay } from './mirrorDisplay.ts';
import type { MirrorTally } from './mirrorTally.ts';

const REFRESH_MS = 100;
/** The largest that are fetched are shown, each in a line. */
const SHOWN_IN_FLIGHT = 4;
const DEFAULT_COLUMNS = 80;
const DEFAULT_ROWS = 24;

const CLEAR_RIGHT = '\x1b[K';
const CLEAR_BELOW = '\x1b[J';
const cursorUp = (rows: number) => (rows === 0 ? '\r' : `\x1b[${rows}A\r`);

/** The part of a terminal's stream that is needed. */
export type TerminalOutput = Pick<NodeJS.WriteStream, 'columns' | 'rows' | 'write'>;

/**
 * Shows a run on a terminal.
 * @param wanted hash parts of the paths that were asked for
 */
export function terminalDisplay(
  output: TerminalOutput,
  wanted: ReadonlySet<string>,
): MirrorDisplay {
  let drawn: readonly string[] = [];
  let latest: MirrorTally | undefined;
  // a terminal that became narrower has wrapped the lines
  const rowsDrawn = (columns: number) =>
    drawn.reduce((rows, line) => rows + Math.max(1, Math.ceil(line.length / columns)), 0);
  const draw = (above: readonly string[]) => {
    const { columns, rows } = sizeOf(output);
    const up = cursorUp(rowsDrawn(columns));
    drawn = latest === undefined ? [] : statusLines(latest, columns, rows);
    const lines = [...above, ...drawn].map((line) => `${line}${CLEAR_RIGHT}\n`);
    output.write(`${up}${lines.join('')}${CLEAR_BELOW}`);
  };
  const timer = setInterval(() => draw([]), REFRESH_MS).unref();
  return {
    show(event, tally) {
      latest = tally;
      const line = lastingLine(event, wanted, tally);
      if (line !== undefined) draw([line]);
    },
    end() {
      clearInterval(timer);
      latest = undefined;
      draw([]);
    },
  };
}

/** A terminal that does not know its size says 0 or nothing. */
function sizeOf({ columns, rows }: TerminalOutput): { columns: number; rows: number } {
  return { columns: columns || DEFAULT_COLUMNS, rows: rows || DEFAULT_ROWS };
}

function statusLines(tally: MirrorTally, columns: number, rows: number): string[] {
  const { inFlight } = tally;
  const shown = inFlight.slice(0, SHOWN_IN_FLIGHT).map(([baseName, { narSize, narBytes }]) => {
    const percent = `${Math.floor((100 * narBytes) / narSize)}%`;
    const name = baseName.slice(HASH_PART_LENGTH + 1);
    return `  ${percent.padStart(4)}  ${formatBytes(narSize).padStart(6)}  ${name}`;
  });
  const hidden = inFlight.length - shown.length;
  const lines = [status(tally), ...shown, ...(hidden > 0 ? [`  and ${hidden} more`] : [])];
  // the cursor's own row is below
  return lines.slice(0, Math.max(1, rows - 1)).map((line) => line.slice(0, columns - 1));
}

function status(tally: MirrorTally): string {
  const { kept, found, present, failed, rate, secondsLeft } = tally;
  // what nobody has heard of yet is not in it, so early on it is an estimate from below
  const left = secondsLeft === undefined ? '' : `, ${formatDuration(secondsLeft)} left`;
  return [
    `${kept}/${counted(found, 'path')}`,
    `${formatBytes(tally.narBytesDone)} of ${formatBytes(tally.narBytesFound)}`,
    `${formatBytes(rate)}/s`,
    `${formatDuration(tally.seconds)}${left}`,
    ...(present > 0 ? [`${present} were here`] : []),
    ...(failed > 0 ? [`${failed} failed`] : []),
  ].join(' · ');
}
