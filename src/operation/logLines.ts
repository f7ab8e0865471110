/**
 * Entries of a log as lines, one each.
 *
 *     2026-11-28T07:32:29.123Z warn  path not brought in path=…-hello-2.12.1: … answered with status 503 [UPSTREAM_STATUS]
 *     {"time":"2026-11-28T07:32:29.123Z","level":"warn","event":"path not brought in","path":"…","error":{"code":…}}
 *
 * Under systemd, which keeps the time, a line begins with its priority instead (sd-daemon(3)): `<4>warn …`.
 */

import { isNarthexError } from '../errors.ts';
import { excerpt } from '../excerpt.ts';
import type { LogEntry, LogLevel, LogSink } from './log.ts';
import { withoutSecrets } from './secrets.ts';

/** For people, or for programs. */
export const LOG_FORMATS = ['text', 'json'] as const;
/** The form of lines. */
export type LogFormat = (typeof LOG_FORMATS)[number];

/** How lines are made. */
export interface LogLinesOptions {
  readonly format: LogFormat;
  /** Lines go to the journal of systemd. */
  readonly journal?: boolean | undefined;
  /** Takes a line with its line break. */
  readonly write: (line: string) => void;
  readonly now?: (() => Date) | undefined;
}

/** A message of an error, or a stack, is cut off after so many UTF-16 units. */
const MAX_TEXT_LENGTH = 4096;
/** The longest level, to which others are padded. */
const LEVEL_LENGTH = 5;
/** Of syslog(3). */
const PRIORITIES: Readonly<Record<LogLevel, number>> = { error: 3, warn: 4, info: 6, debug: 7 };

/** A sink that makes lines. */
export function logLines({ format, journal = false, write, now }: LogLinesOptions): LogSink {
  const line = format === 'json' ? jsonLine : textLine;
  return (entry) => {
    const time = journal ? undefined : (now?.() ?? new Date()).toISOString();
    const priority = journal ? `<${PRIORITIES[entry.level]}>` : '';
    write(`${priority}${line(entry, time)}\n`);
  };
}

function textLine({ level, event, facts, error }: LogEntry, time: string | undefined): string {
  const words = [level.padEnd(LEVEL_LENGTH), event];
  if (time !== undefined) words.unshift(time);
  for (const [name, value] of Object.entries(facts)) {
    if (value !== undefined) words.push(`${name}=${textValue(value)}`);
  }
  return error === undefined ? words.join(' ') : `${words.join(' ')}: ${errorText(error)}`;
}

function textValue(value: string | number | boolean): string {
  if (typeof value !== 'string') return String(value);
  const text = shown(value);
  return /^[^\s"=]+$/.test(text) ? text : JSON.stringify(text);
}

/** Of an error of ours the message; of a fault of ours all that helps to find it. */
function errorText(error: unknown): string {
  if (isNarthexError(error)) return `${oneLine(error.message)} [${error.code}]`;
  return oneLine(error instanceof Error ? (error.stack ?? error.message) : String(error));
}

function jsonLine({ level, event, facts, error }: LogEntry, time: string | undefined): string {
  const told = Object.entries(facts).map(([name, value]) => [
    name,
    typeof value === 'string' ? shown(value) : value,
  ]);
  const line = { time, level, event, ...Object.fromEntries(told), error: errorData(error) };
  const json = JSON.stringify(line, (_, value: unknown) =>
    typeof value === 'string' ? withoutSecrets(value).slice(0, MAX_TEXT_LENGTH) : value,
  );
  // JSON lets them be, and some readers take them for line breaks
  return json.replace(/\u2028/g, '\\u2028').replace(/\u2029/g, '\\u2029');
}

function errorData(error: unknown): unknown {
  if (error === undefined || isNarthexError(error)) return error;
  if (!(error instanceof Error)) return { message: String(error) };
  return { message: error.message, stack: error.stack };
}

function shown(value: string): string {
  return withoutSecrets(excerpt(value));
}

function oneLine(text: string): string {
  const clean = withoutSecrets(text.slice(0, MAX_TEXT_LENGTH));
  return clean.replace(/[\p{Cc}\p{Zl}\p{Zp}]+ */gu, ' ');
}
