/**
 * Measures what a client waits for when a store brings in on demand what it lacks:
 *
 *     node scripts/run.mjs scripts/measure-streaming.mjs [MEGABYTES [MEGABYTES A SECOND]]
 *
 * An upstream on loopback gives one NAR of 100 MB, made on the fly and not compressed, at 5 MB/s. It is
 * downloaded from there, then by one client through an empty store, then by ten at once through another.
 * Prints the time to the first byte of the NAR and to its last, also as ratios to the download alone,
 * and how often the upstream was asked.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  BinaryCacheRoutes,
  fingerprint,
  Hash,
  listen,
  NixHTTPPathInfoService,
  PullThrough,
  renderNarInfo,
  SecretKey,
  Store,
  StorePath,
} from '../src/index.ts';

const MEGABYTE = 1_000_000;
const fileBytes = Number(process.argv[2] ?? 100) * MEGABYTE;
const bytesPerSecond = Number(process.argv[3] ?? 5) * MEGABYTE;
const CLIENTS = 10;
const BLOCK_BYTES = 64 * 1024;
/** How often the upstream sends, in milliseconds. */
const TICK_MS = 20;

/** A string of a NAR: its length, its bytes, zeros up to eight. @param {string} text */
function narString(text) {
  const bytes = Buffer.alloc(8 + Math.ceil(text.length / 8) * 8);
  bytes.writeBigUInt64LE(BigInt(text.length));
  bytes.write(text, 8);
  return bytes;
}

/** The NAR of one file whose bytes do not repeat, in pieces. */
function* narPieces() {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(fileBytes));
  const head = ['nix-archive-1', '(', 'type', 'regular', 'contents'].map(narString);
  yield Buffer.concat([...head, length]);
  // xorshift32: any bytes do that no chunker finds twice
  let state = 0x9e3779b9;
  for (let done = 0; done < fileBytes; ) {
    const block = Buffer.alloc(Math.min(BLOCK_BYTES, fileBytes - done));
    for (let at = 0; at + 4 <= block.length; at += 4) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      block.writeInt32LE(state, at);
    }
    done += block.length;
    yield block;
  }
  yield Buffer.concat([Buffer.alloc((8 - (fileBytes % 8)) % 8), narString(')')]);
}

const key = SecretKey.generate('measurement-1');
const storePath = StorePath.parse(`/nix/store/${'0'.repeat(32)}-measurement`);

function makeNarInfo() {
  const hasher = createHash('sha256');
  let narSize = 0;
  for (const piece of narPieces()) {
    hasher.update(piece);
    narSize += piece.length;
  }
  const signed = {
    storePath,
    narHash: Hash.of('sha256', hasher.digest()),
    narSize,
    references: [],
  };
  return renderNarInfo({
    ...signed,
    url: 'nar/measurement.nar',
    compression: 'none',
    fileHash: undefined,
    fileSize: undefined,
    deriver: undefined,
    system: undefined,
    signatures: [key.sign(fingerprint(signed, 'sorted'))],
    ca: undefined,
  });
}

const narinfo = makeNarInfo();
const narSize = Number(/^NarSize: (.*)$/m.exec(narinfo)?.[1]);
/** @type {Map<string, number>} */
let asked = new Map();

/** Sends the NAR at the pace that was chosen. @param {import('node:http').ServerResponse} response */
async function sendNar(response) {
  const began = performance.now();
  let sent = 0;
  for (const piece of narPieces()) {
    while (sent / bytesPerSecond > (performance.now() - began) / 1000) await sleep(TICK_MS);
    if (response.destroyed) return;
    if (!response.write(piece)) await once(response, 'drain');
    sent += piece.length;
  }
  response.end();
}

const upstream = createServer((request, response) => {
  const path = request.url ?? '/';
  asked.set(path, (asked.get(path) ?? 0) + 1);
  if (path === '/nix-cache-info') response.end('StoreDir: /nix/store\n');
  else if (path === `/${storePath.hashPart}.narinfo`) response.end(narinfo);
  else if (path === '/nar/measurement.nar') {
    response.writeHead(200, { 'content-length': narSize });
    sendNar(response).catch(() => response.destroy());
  } else response.writeHead(404).end();
});
upstream.listen(0, '127.0.0.1');
await once(upstream, 'listening');
const address = upstream.address();
if (address === null || typeof address === 'string') throw new Error('not a TCP server');
const upstreamUrl = `http://127.0.0.1:${address.port}`;

/** Downloads a NAR from a cache, as Nix does. @param {string} base */
async function download(base) {
  const began = performance.now();
  const answer = await (await fetch(`${base}/${storePath.hashPart}.narinfo`)).text();
  const told = performance.now() - began;
  const url = /^URL: (.*)$/m.exec(answer)?.[1];
  const response = await fetch(`${base}/${url}`);
  if (response.status !== 200 || response.body === null) throw new Error(await response.text());
  const hasher = createHash('sha256');
  let first;
  for await (const piece of response.body) {
    first ??= performance.now() - began;
    hasher.update(piece);
  }
  const total = performance.now() - began;
  const narHash = Hash.of('sha256', hasher.digest());
  if (!narinfo.includes(`NarHash: ${narHash}\n`)) throw new Error('another NAR came');
  return { told, first: first ?? total, total };
}

/** Runs an action over a new store that has the upstream behind it. */
async function withStore(/** @type {(url: string) => Promise<void>} */ action) {
  const directory = await mkdtemp(join(tmpdir(), 'narthex-measure-'));
  try {
    await using opened = new AsyncDisposableStack();
    const store = opened.use(await Store.open(join(directory, 'store')));
    const castore = { blobService: store.blobs, directoryService: store.directories };
    const ingester = opened.use(
      new NixHTTPPathInfoService({
        baseUrl: upstreamUrl,
        trustedKeys: [key.publicKey],
        ...castore,
        pathInfoService: store.pathInfos,
        contentByNarHash: (narHash) => store.contentByNarHash(narHash),
        recordContent: (narHash, content) => store.recordContent(narHash, content),
      }),
    );
    const kept = Promise.withResolvers();
    const pending = opened.use(
      await PullThrough.open({
        ingester: {
          source: ingester.source,
          ingest: async (wanted, options) => {
            const results = await ingester.ingest(wanted, options);
            kept.resolve(undefined);
            return results;
          },
        },
        pathInfoService: store.pathInfos,
        castore,
        spoolDirectory: join(directory, 'spools'),
        now: () => performance.now(),
      }),
    );
    const routes = new BinaryCacheRoutes({
      ...castore,
      pathInfoService: store.pathInfos,
      narHashIndex: store,
      pending,
    });
    const server = opened.use(await listen({ routes }));
    asked = new Map();
    await action(server.url);
    await kept.promise;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

const seconds = (/** @type {number} */ ms) => `${(ms / 1000).toFixed(3)} s`;
const ratio = (/** @type {number} */ a, /** @type {number} */ b) => `${(a / b).toFixed(3)}×`;

console.log(`a NAR of ${narSize} bytes at ${bytesPerSecond / MEGABYTE} MB/s`);
const alone = await download(upstreamUrl);
console.log(`download alone    first byte ${seconds(alone.first)}, all ${seconds(alone.total)}`);
await withStore(async (url) => {
  const one = await download(url);
  console.log(
    `one client        first byte ${seconds(one.first)} (${ratio(one.first, alone.total)} of the download),`,
    `all ${seconds(one.total)} (${ratio(one.total, alone.total)})`,
  );
});
await withStore(async (url) => {
  const all = await Promise.all(Array.from({ length: CLIENTS }, () => download(url)));
  const first = Math.max(...all.map((one) => one.first));
  const total = Math.max(...all.map((one) => one.total));
  console.log(
    `${CLIENTS} clients, last   first byte ${seconds(first)} (${ratio(first, alone.total)}),`,
    `all ${seconds(total)} (${ratio(total, alone.total)})`,
  );
  for (const [path, times] of asked) console.log(`  upstream was asked ${times}× for ${path}`);
});
upstream.closeAllConnections();
upstream.close();
console.log(
  `peak memory ${Math.round(process.resourceUsage().maxRSS / 1024)} MB, upstream and clients included`,
);
