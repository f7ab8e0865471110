/**
 * Puts load on a server:
 *
 *     npm run load [-- --clients 1000] [--warm-up 60] [--seconds 120] [--pause 2000] [--json]
 *
 * `narthex serve` runs over a store that is made for it; this process is all of its clients, each with a
 * connection of its own: most ask for narinfos and NARs as Nix does, over HTTP/1.1 and HTTP/2, some for
 * ranges, some read slowly, some go away in the middle, some ask for what is not there. Each waits some time
 * between its requests (up to twice `--pause`, in milliseconds). Prints latencies in milliseconds and the
 * server's memory over time, as it tells it at /metrics, after `--warm-up` seconds, in which code is compiled
 * and heaps grow to their size. Ends with 1 if anything went wrong: an answer that was refused, broken off or wrong, an exit code.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { runClients } from './load/clients.mjs';
import { makeStore, startServer } from './load/servedStore.mjs';
import { Tally } from './load/tally.mjs';

const { values } = parseArgs({
  options: {
    clients: { type: 'string', default: '1000' },
    'warm-up': { type: 'string', default: '60' },
    seconds: { type: 'string', default: '120' },
    pause: { type: 'string', default: '2000' },
    json: { type: 'boolean', default: false },
  },
});
const clients = Number(values.clients);
const seconds = Number(values.seconds);
const warmUpSeconds = Number(values['warm-up']);
const pauseMs = Number(values.pause);
const SAMPLES = 30;

/** @typedef {{ rssBytes: number, heapBytes: number, externalBytes: number, connections: number }} Sample */
/**
 * @typedef {{ rows: ReturnType<Tally['summary']>, samples: Sample[], errors: number, messages: string[],
 *   exitCode: number | null, lastThirdToFirst: number, maxConnections: number }} LoadResult
 */

/** The values of metrics by name and labels. @param {string} metricsUrl */
async function scrape(metricsUrl) {
  const text = await (await fetch(`${metricsUrl}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const space = line.lastIndexOf(' ');
      return /** @type {const} */ ([line.slice(0, space), Number(line.slice(space + 1))]);
    }),
  );
}

/** @param {LoadResult} result */
function print({ rows, samples, errors, messages, exitCode, lastThirdToFirst, maxConnections }) {
  const duration = `${warmUpSeconds} + ${seconds} s`;
  console.log(`${clients} clients for ${duration}, up to ${maxConnections} connections`);
  console.table(rows);
  const figures = /** @type {const} */ (['rssBytes', 'heapBytes', 'externalBytes']);
  for (const figure of figures) {
    const values = samples.map((sample) => Math.round(sample[figure] / 1e6));
    console.log(`${figure}, in MB: ${values.join(' ')}`);
  }
  console.log(`memory: the last third is ${lastThirdToFirst.toFixed(2)}× the first`);
  console.log(`errors: ${errors}, exit code of the server: ${exitCode}`);
  for (const message of messages) console.log(message);
}

/** @param {readonly number[]} numbers */
const mean = (numbers) => numbers.reduce((sum, n) => sum + n, 0) / numbers.length;

const folder = await mkdtemp(join(tmpdir(), 'narthex-load-'));
try {
  const { store, large, others } = await makeStore(folder);
  await using server = await startServer(store);
  const tally = new Tally();
  const ending = new AbortController();
  const load = { url: server.url, large, others, tally, pauseMs, signal: ending.signal };
  const running = runClients(clients, load);
  /** @type {Sample[]} */
  const samples = [];
  await sleep(warmUpSeconds * 1000);
  for (let i = 0; i < SAMPLES; i++) {
    await sleep((seconds * 1000) / SAMPLES);
    const metrics = await scrape(server.metricsUrl);
    samples.push({
      rssBytes: metrics.get('process_resident_memory_bytes') ?? Number.NaN,
      connections: metrics.get('narthex_connections') ?? Number.NaN,
      heapBytes: metrics.get('nodejs_heap_size_used_bytes') ?? Number.NaN,
      externalBytes: metrics.get('nodejs_external_memory_bytes') ?? Number.NaN,
    });
  }
  ending.abort();
  await running;
  const exitCode = await server.end();
  const rss = samples.map(({ rssBytes }) => rssBytes);
  const third = Math.floor(SAMPLES / 3);
  const [firstThird, lastThird] = [mean(rss.slice(0, third)), mean(rss.slice(-third))];
  const result = {
    clients,
    warmUpSeconds,
    seconds,
    maxConnections: Math.max(...samples.map(({ connections }) => connections)),
    rows: tally.summary(),
    errors: tally.errors,
    messages: tally.messages,
    exitCode,
    samples,
    lastThirdToFirst: lastThird / firstThird,
  };
  if (values.json) console.log(JSON.stringify(result));
  else print(result);
  if (result.errors > 0 || exitCode !== 0) process.exitCode = 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}
