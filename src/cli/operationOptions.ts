/** Options of a server for those who run it: logs, metrics, limits. */
import { fstatSync } from 'node:fs';
import { DEFAULT_MAX_UPLOADS } from '../cacheRoutes/uploadRoutes.ts';
import type { OperationConfig } from '../composition/config/operationConfig.ts';
import { LOG_LEVELS, Log } from '../operation/log.ts';
import { LOG_FORMATS, logLines } from '../operation/logLines.ts';
import { DEFAULT_SERVER_LIMITS } from '../server/serverLimits.ts';
import type { CommandContext, OptionValues } from './command.ts';
import { listenAddressOf } from './listenOption.ts';
import { count, oneOf } from './options.ts';

/** The options. */
export const OPERATION_OPTIONS = {
  'log-level': { type: 'string' },
  'log-format': { type: 'string' },
  metrics: { type: 'boolean' },
  'metrics-listen': { type: 'string' },
  'max-connections': { type: 'string' },
  'max-connections-per-client': { type: 'string' },
  'max-uploads': { type: 'string' },
  'drain-delay': { type: 'string' },
  'drain-timeout': { type: 'string' },
} as const;

const { maxConnections, drainTimeoutMs } = DEFAULT_SERVER_LIMITS;

/** Their help. */
export const OPERATION_HELP = [
  '  --log-level error|warn|info|debug',
  '                what is told on standard error (default: warn); info has each request',
  '  --log-format text|json',
  '                lines for people (the default), or an object a line',
  '  --metrics     answers /metrics too, for Prometheus, beside /healthz and /readyz',
  '  --metrics-listen HOST:PORT',
  '                answers these three at an address of their own, with details',
  `  --max-connections N            (default: ${maxConnections})`,
  '  --max-connections-per-client N (default: no limit, as behind a proxy all are one)',
  `  --max-uploads N                (default: ${DEFAULT_MAX_UPLOADS})`,
  '  --drain-delay SECONDS',
  '                when it is to end, how long it goes on before, while /readyz says that it will',
  '                (default: 0)',
  '  --drain-timeout SECONDS',
  `                how long it then waits for what it is sending (default: ${drainTimeoutMs / 1000})`,
].join('\n');

/** What the command line says, and else a file. @throws USAGE */
export function operationOf(
  values: OptionValues,
  file: OperationConfig | undefined,
): OperationConfig {
  return {
    logLevel: oneOf(values, 'log-level', LOG_LEVELS) ?? file?.logLevel,
    logFormat: oneOf(values, 'log-format', LOG_FORMATS) ?? file?.logFormat,
    metrics: values['metrics'] === true || file?.metrics,
    metricsListen: listenAddressOf(values, 'metrics-listen') ?? file?.metricsListen,
    maxConnections: count(values, 'max-connections', 1) ?? file?.maxConnections,
    maxConnectionsPerClient:
      count(values, 'max-connections-per-client', 1) ?? file?.maxConnectionsPerClient,
    maxUploads: count(values, 'max-uploads', 1) ?? file?.maxUploads,
    drainDelay: count(values, 'drain-delay', 0) ?? file?.drainDelay,
    drainTimeout: count(values, 'drain-timeout', 0) ?? file?.drainTimeout,
  };
}

/** A log on standard error. */
export function openLog(
  { logLevel = 'warn', logFormat: format = 'text' }: OperationConfig,
  { stderr, environment }: CommandContext,
): Log {
  const journal = isJournal(environment['JOURNAL_STREAM']);
  return new Log(logLevel, logLines({ format, journal, write: (line) => stderr.write(line) }));
}

/** Whether standard error is the journal: its device and inode, which systemd names (systemd.exec(5)). */
function isJournal(stream: string | undefined): boolean {
  if (stream === undefined) return false;
  const { dev, ino } = fstatSync(2);
  return stream === `${dev}:${ino}`;
}
