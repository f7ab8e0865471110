/** Settings for those who run a server, in a file. */
import { expect, test } from 'vitest';
import { explainConfig, explainedLines } from '../../../src/composition/config/explainConfig.ts';
import { readConfig } from '../../../src/composition/config/readConfig.ts';

const files = { directory: '/', readText: () => Promise.reject(new Error('no file is read')) };
const read = (text: string) => readConfig(text, 'x.toml', files);

test('every key', async () => {
  const config = await read(`
    log_level = "info"
    log_format = "json"
    metrics = true
    metrics_listen = "[::1]:9127"
    max_connections = 10
    max_connections_per_client = 2
    max_uploads = 3
    drain_delay = 0
    drain_timeout = 60
  `);
  expect(config.operation).toEqual({
    logLevel: 'info',
    logFormat: 'json',
    metrics: true,
    metricsListen: { host: '::1', port: 9127 },
    maxConnections: 10,
    maxConnectionsPerClient: 2,
    maxUploads: 3,
    drainDelay: 0,
    drainTimeout: 60,
  });
  expect(explainedLines(explainConfig(config))).toEqual(
    expect.arrayContaining([
      'log from the level: info',
      'form of logs: json',
      'metrics on the same port: true',
      'metrics at: [::1]:9127',
      'connections: 10',
      'connections of one client: 2',
      'uploads at once: 3',
      'goes on before its end, in seconds: 0',
      'waits at its end, in seconds: 60',
    ]),
  );
});

test('none', async () => {
  const { operation } = await read('');
  expect(Object.values(operation).filter((value) => value !== undefined)).toEqual([]);
});

test.each([
  ['log_level = "loud"', 'log_level'],
  ['log_format = "xml"', 'log_format'],
  ['metrics = "yes"', 'metrics'],
  ['metrics_listen = "nowhere"', 'metrics_listen'],
  ['max_connections = 0', 'max_connections'],
  ['drain_timeout = -1', 'drain_timeout'],
])('%s is a fault', async (text, key) => {
  await expect(read(text)).rejects.toMatchObject({ code: 'CONFIG_INVALID', facts: { key } });
});
