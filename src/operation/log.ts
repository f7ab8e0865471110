/**
 * A log: entries of a level, an event and facts. What writes them is a sink (`logLines.ts`); services do not
 * log, they tell, and whoever runs them logs.
 */

/** From what needs somebody at once to what only helps to understand. */
export const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const;
/** The weight of an entry. */
export type LogLevel = (typeof LOG_LEVELS)[number];

/** What is known, as plain values; those that are `undefined` are not told. */
export type LogFacts = Readonly<Record<string, string | number | boolean | undefined>>;

/** One entry. */
export interface LogEntry {
  readonly level: LogLevel;
  /** What happened, always in the same words. */
  readonly event: string;
  readonly facts: LogFacts;
  /** What went wrong. */
  readonly error?: unknown;
}

/** Writes an entry. MUST NOT throw. */
export type LogSink = (entry: LogEntry) => void;

/** Passes on what weighs enough. */
export class Log {
  readonly #most: number;
  readonly #sink: LogSink;

  /** @param level the lightest that is passed on */
  constructor(level: LogLevel, sink: LogSink) {
    this.#most = LOG_LEVELS.indexOf(level);
    this.#sink = sink;
  }

  /** Whether entries of this level are passed on. */
  isOn(level: LogLevel): boolean {
    return LOG_LEVELS.indexOf(level) <= this.#most;
  }

  write(level: LogLevel, event: string, facts: LogFacts = {}, error?: unknown): void {
    if (this.isOn(level)) this.#sink({ level, event, facts, error });
  }

  /** Something is broken here. */
  error(event: string, facts?: LogFacts, error?: unknown): void {
    this.write('error', event, facts, error);
  }

  /** Something went wrong that others are at fault of, or that passes. */
  warn(event: string, facts?: LogFacts, error?: unknown): void {
    this.write('warn', event, facts, error);
  }

  /** What was done. */
  info(event: string, facts?: LogFacts): void {
    this.write('info', event, facts);
  }

  /** What is of no interest as long as all goes well. */
  debug(event: string, facts?: LogFacts, error?: unknown): void {
    this.write('debug', event, facts, error);
  }
}
