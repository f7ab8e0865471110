/**
 * Clients of a binary cache, each with a connection of its own. All of them compare every byte that they
 * are given with what it must be.
 */
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { connect as connectHttp2, constants } from 'node:http2';
import { setTimeout as sleep } from 'node:timers/promises';

/** What a slow reader takes, and how often. */
const SLOW_BYTES = 64 * 1024;
const SLOW_EVERY_MS = 250;
const RANGE_BYTES = 64 * 1024;

/** @typedef {import('./servedStore.mjs').ServedPath} ServedPath */
/** @typedef {import('./tally.mjs').Tally} Tally */
/**
 * @typedef {{ url: string, others: ServedPath[], large: ServedPath, tally: Tally, pauseMs: number,
 *   signal: AbortSignal }} Load
 */
/** @typedef {{ status: number, headers: Record<string, unknown>, pieces: AsyncIterable<Uint8Array> }} Answer */
/** @typedef {(path: string, headers?: Record<string, string>) => Promise<Answer>} Get */

/** @template T @param {readonly T[]} items @returns {T} */
function pick(items) {
  const item = items[Math.floor(Math.random() * items.length)];
  if (item === undefined) throw new Error('nothing to choose from');
  return item;
}

/** @param {unknown} actual @param {unknown} expected @param {string} what */
function expectSame(actual, expected, what) {
  if (actual !== expected) throw new Error(`${what} is ${actual}, not ${expected}`);
}

/** Reads all of an answer, which must be `expected`. @param {Answer} answer @param {Uint8Array} expected */
async function expectBytes({ pieces }, expected) {
  let at = 0;
  for await (const piece of pieces) {
    if (Buffer.compare(piece, expected.subarray(at, at + piece.length)) !== 0) {
      throw new Error(`wrong bytes after ${at}`);
    }
    at += piece.length;
  }
  expectSame(at, expected.length, 'the length');
  return at;
}

/** Over HTTP/1.1, on one connection that is kept. @param {string} url */
function http1(url) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  /** @type {Get} */
  const get = async (path, headers = {}) => {
    const [answer] = await once(request(url + path, { agent, headers }).end(), 'response');
    return { status: answer.statusCode, headers: answer.headers, pieces: answer };
  };
  return { get, close: () => agent.destroy() };
}

/** Over HTTP/2, on one connection. @param {string} url */
function http2(url) {
  const session = connectHttp2(url);
  session.on('error', () => {}); // shows at the streams too
  /** @type {Get} */
  const get = async (path, headers = {}) => {
    const stream = session.request({ ...headers, [constants.HTTP2_HEADER_PATH]: path });
    const [answer] = await once(stream, 'response');
    return { status: answer[':status'], headers: answer, pieces: stream };
  };
  return { get, close: () => session.destroy() };
}

/** Asks again and again until the load ends; what fails is counted. @param {Load} load @param {string} kind @param {() => Promise<number>} ask */
async function repeat({ tally, pauseMs, signal }, kind, ask) {
  // not all in the same moment
  await sleep(Math.random() * 2 * pauseMs);
  while (!signal.aborted) {
    const startedMs = performance.now();
    try {
      const bytes = await ask();
      tally.done(kind, performance.now() - startedMs, bytes);
    } catch (error) {
      tally.failed(kind, error);
    }
    await sleep(Math.random() * 2 * pauseMs);
  }
}

/** A narinfo and its NAR, as Nix asks. @param {Load} load @param {(url: string) => { get: Get, close: () => void }} protocol @param {string} kind */
async function substituter(load, protocol, kind) {
  const { get, close } = protocol(load.url);
  await repeat(load, kind, async () => {
    const path = pick(load.others);
    const narinfo = await get(path.narinfoPath);
    expectSame(narinfo.status, 200, 'the status of a narinfo');
    const text = Buffer.concat(await Array.fromAsync(narinfo.pieces)).toString();
    expectSame(/^NarHash: (.*)$/m.exec(text)?.[1], path.narHash, 'the NarHash');
    const nar = await get(`/${/^URL: (.*)$/m.exec(text)?.[1]}`);
    expectSame(nar.status, 200, 'the status of a NAR');
    return text.length + (await expectBytes(nar, path.nar));
  });
  close();
}

/** Asks for what is not there. @param {Load} load */
async function stranger(load) {
  const { get, close } = http1(load.url);
  await repeat(load, 'absent', async () => {
    const answer = await get(`/${'0'.repeat(32)}.narinfo`);
    expectSame(answer.status, 404, 'the status');
    for await (const _ of answer.pieces);
    return 0;
  });
  close();
}

/** Reads ranges of a large NAR. @param {Load} load */
async function ranger(load) {
  const { get, close } = http1(load.url);
  const { nar } = load.large;
  const path = narPathOf(load.large);
  await repeat(load, 'range', async () => {
    const start = Math.floor(Math.random() * (nar.length - RANGE_BYTES));
    const end = start + Math.floor(Math.random() * RANGE_BYTES);
    const answer = await get(path, { range: `bytes=${start}-${end}` });
    expectSame(answer.status, 206, 'the status');
    return await expectBytes(answer, nar.subarray(start, end + 1));
  });
  close();
}

/** Takes a large NAR slowly, and leaves before its end. @param {Load} load */
async function slowReader(load) {
  const { get, close } = http1(load.url);
  const { nar } = load.large;
  await repeat(load, 'slow', async () => {
    const answer = await get(narPathOf(load.large));
    expectSame(answer.status, 200, 'the status');
    let at = 0;
    for await (const piece of answer.pieces) {
      if (Buffer.compare(piece, nar.subarray(at, at + piece.length)) !== 0) {
        throw new Error(`wrong bytes after ${at}`);
      }
      at += piece.length;
      if (load.signal.aborted) break;
      await sleep((SLOW_EVERY_MS * piece.length) / SLOW_BYTES);
    }
    return at;
  });
  close();
}

/** Asks for a large NAR and goes away at its first bytes. @param {Load} load */
async function deserter(load) {
  await repeat(load, 'deserted', async () => {
    const { get, close } = http1(load.url);
    const answer = await get(narPathOf(load.large));
    expectSame(answer.status, 200, 'the status');
    for await (const _ of answer.pieces) break;
    close();
    return 0;
  });
}

/** @param {ServedPath} path */
function narPathOf({ narHash }) {
  return `/nar/${narHash.replace('sha256:', '')}.nar`;
}

/** Of every twenty clients, so many of each sort. */
const SORTS = /** @type {const} */ ([
  [9, (/** @type {Load} */ load) => substituter(load, http1, 'substitute')],
  [3, (/** @type {Load} */ load) => substituter(load, http2, 'substitute h2')],
  [3, ranger],
  [2, slowReader],
  [2, deserter],
  [1, stranger],
]);
const ALL = SORTS.flatMap(([count, sort]) => Array.from({ length: count }, () => sort));

/** Runs so many clients until the load ends. @param {number} count @param {Load} load */
export async function runClients(count, load) {
  await Promise.all(Array.from({ length: count }, (_, i) => ALL[i % ALL.length]?.(load)));
}
