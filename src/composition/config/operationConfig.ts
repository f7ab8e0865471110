/** How a server is run, as it is told; what is not told is `undefined`. */
import { excerpt } from '../../excerpt.ts';
import { LOG_LEVELS, type LogLevel } from '../../operation/log.ts';
import { LOG_FORMATS, type LogFormat } from '../../operation/logLines.ts';
import type { Fields } from './fields.ts';
import { LISTEN_FORM, type ListenAddress, parseListenAddress } from './listenAddress.ts';

/** Settings for those who run it. */
export interface OperationConfig {
  readonly logLevel: LogLevel | undefined;
  readonly logFormat: LogFormat | undefined;
  /** On the server's own port. */
  readonly metrics: boolean | undefined;
  /** Metrics and health at an address of their own. */
  readonly metricsListen: ListenAddress | undefined;
  readonly maxConnections: number | undefined;
  readonly maxConnectionsPerClient: number | undefined;
  readonly maxUploads: number | undefined;
  /** Seconds. */
  readonly drainDelay: number | undefined;
  /** Seconds. */
  readonly drainTimeout: number | undefined;
}

/** Reads them out of a configuration file. */
export function readOperation(fields: Fields): OperationConfig {
  return {
    logLevel: fields.word('log_level', LOG_LEVELS),
    logFormat: fields.word('log_format', LOG_FORMATS),
    metrics: fields.flag('metrics'),
    metricsListen: readAddress(fields, 'metrics_listen'),
    maxConnections: fields.count('max_connections', 1),
    maxConnectionsPerClient: fields.count('max_connections_per_client', 1),
    maxUploads: fields.count('max_uploads', 1),
    drainDelay: fields.count('drain_delay', 0),
    drainTimeout: fields.count('drain_timeout', 0),
  };
}

/** Reads an address to listen at. */
export function readAddress(fields: Fields, key: string): ListenAddress | undefined {
  const text = fields.text(key);
  if (text === undefined) return undefined;
  const address = parseListenAddress(text);
  if (address === undefined) fields.fault(key, `should be ${LISTEN_FORM}, not '${excerpt(text)}'`);
  return address;
}
