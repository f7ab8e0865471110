/**
 * A binary cache on loopback, in a process of its own:
 *
 *     fork('serverProcess.ts', [JSON.stringify(served)])
 *
 * Sends its URL when it listens, and a report for each message that it receives.
 */
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { type SyntheticCache, syntheticCache } from '../data/syntheticCache.ts';
import type { Served, UpstreamReport } from './upstream.ts';

/** The default of 64 KiB costs a system call and a turn of the event loop each. */
const READ_BYTES = 512 * 1024;
/** Files up to this long are read at once. */
const SMALL_BYTES = 64 * 1024;

// written by upstream.ts
const served: Served = JSON.parse(process.argv[2] ?? '');
const made: SyntheticCache | undefined =
  served.synthetic === undefined ? undefined : syntheticCache(served.synthetic);

let requests = { narinfos: 0, nars: 0 };
let narinfoSpan: { first: number; last: number } | undefined;

async function send(path: string, response: ServerResponse): Promise<void> {
  const isNarInfo = path.endsWith('.narinfo');
  const asked = performance.now();
  if (isNarInfo) requests.narinfos++;
  else if (path.startsWith('nar/')) requests.nars++;
  const { delayMs, narinfoDelayMs = delayMs } = served;
  const heldBackMs = isNarInfo ? narinfoDelayMs : delayMs;
  if (heldBackMs > 0) await sleep(heldBackMs);
  if (isNarInfo) {
    narinfoSpan = { first: narinfoSpan?.first ?? asked, last: performance.now() };
  }
  if (made !== undefined) await sendMade(made, path, response);
  else await sendFile(join(served.directory ?? '', path), response);
}

async function sendMade(
  cache: SyntheticCache,
  path: string,
  response: ServerResponse,
): Promise<void> {
  const found = cache.file(path);
  if (found === undefined) {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, { 'content-length': found.sizeBytes });
  for (const piece of found.pieces()) {
    if (response.destroyed) return;
    if (!response.write(piece)) await once(response, 'drain');
  }
  response.end();
}

async function sendFile(path: string, response: ServerResponse): Promise<void> {
  const size = await stat(path).then(
    (stats) => (stats.isFile() ? stats.size : undefined),
    () => undefined,
  );
  if (size === undefined) {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, { 'content-length': size });
  if (size <= SMALL_BYTES) response.end(await readFile(path));
  else await pipeline(createReadStream(path, { highWaterMark: READ_BYTES }), response);
}

const server = createServer((request, response) => {
  const path = decodeURIComponent((request.url ?? '/').slice(1));
  const isInside = !path.split('/').includes('..');
  // a client that leaves is no concern of ours
  if (isInside) send(path, response).catch(() => response.destroy());
  else response.writeHead(404).end();
});
server.keepAliveTimeout = 0; // a client must not find closed what it was about to use
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const address = server.address();
if (address === null || typeof address === 'string') throw new TypeError('not a TCP server');

process.on('message', () => {
  const { user, system } = process.cpuUsage();
  const report: UpstreamReport = {
    ...requests,
    discoveryMs: narinfoSpan === undefined ? 0 : narinfoSpan.last - narinfoSpan.first,
    cpuSeconds: (user + system) / 1e6,
  };
  requests = { narinfos: 0, nars: 0 };
  narinfoSpan = undefined;
  process.send?.(report);
});
// the parent has ended
process.on('disconnect', () => process.exit());
process.send?.(`http://127.0.0.1:${address.port}`);
