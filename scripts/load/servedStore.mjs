/** A store with made-up paths, and a server over it in a process of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { writeCacheFiles } from '../../test/support/cacheFiles.ts';
import { narinfoField } from '../../test/support/narinfoText.ts';
import { syntheticCache } from '../../test/support/syntheticCache.ts';
import { directory, file } from '../../test/support/syntheticTree.ts';

const PROGRAM = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const SMALL_PATHS = 200;
const SMALL_BYTES = 24 * 1024;
const MEDIUM_PATHS = 12;
const MEDIUM_BYTES = 1024 * 1024;
/** More than the buffers of a connection hold. */
const LARGE_BYTES = 32 * 1024 * 1024;

/**
 * What a client asks for and expects.
 * @typedef {{ narinfoPath: string, narHash: string, nar: Uint8Array }} ServedPath
 */

/** Bytes that do not repeat, the same each time (xorshift32). @param {number} length @param {number} seed */
function noise(length, seed) {
  const bytes = Buffer.alloc(length);
  let state = seed | 1;
  for (let at = 0; at + 4 <= length; at += 4) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes.writeInt32LE(state, at);
  }
  return bytes;
}

/** @param {string} name @param {number} index @param {number} bytes */
function madeUp(name, index, bytes) {
  // half of it compresses, as programs do
  const contents = Buffer.concat([
    noise(bytes / 2, index + 7),
    Buffer.alloc(bytes / 2, `${index} `),
  ]);
  return { name: `${name}-${index}`, tree: directory({ bin: directory({ x: file(contents) }) }) };
}

/** Runs the program to its end. @param {readonly string[]} args */
async function run(args) {
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`narthex ${args[0]} ended with ${code}`);
}

/** Fills a store in `folder`. @param {string} folder */
export async function makeStore(folder) {
  const cache = await syntheticCache(
    [
      ...Array.from({ length: SMALL_PATHS }, (_, i) => madeUp('small', i, SMALL_BYTES)),
      ...Array.from({ length: MEDIUM_PATHS }, (_, i) => madeUp('medium', i, MEDIUM_BYTES)),
      madeUp('large', 0, LARGE_BYTES),
    ],
    { compression: 'none' },
  );
  await writeCacheFiles(cache.files, `${folder}/cache`);
  const store = `${folder}/store`;
  const paths = cache.paths.map(({ storePath }) => storePath);
  const from = ['--from', `${folder}/cache`, '--trusted-public-keys', cache.publicKey];
  await run(['mirror', '--json', '--store', store, ...from, ...paths]);
  const served = cache.paths.map(({ name, hashPart, nar, narinfo }) => ({
    name,
    narinfoPath: `/${hashPart}.narinfo`,
    narHash: narinfoField(narinfo, 'NarHash'),
    nar,
  }));
  const large = served.find(({ name }) => name.startsWith('large'));
  if (large === undefined) throw new Error('the large path was not made');
  return { store, large, others: served.filter((path) => path !== large) };
}

/** Serves a store until it is ended or disposed of, with metrics at an address of their own. @param {string} store */
export async function startServer(store) {
  const listen = ['--listen', '127.0.0.1:0', '--metrics-listen', '127.0.0.1:0'];
  const child = spawn(process.execPath, [PROGRAM, 'serve', '--json', '--store', store, ...listen], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'close');
  const lines = createInterface({ input: child.stdout });
  const [line] = await Promise.race([
    once(lines, 'line'),
    ended.then(() => Promise.reject(new Error('the server has ended'))),
  ]);
  /** @type {{ url: string, metricsUrl: string }} */
  const addresses = JSON.parse(line);
  return {
    ...addresses,
    /** Ends it in order. @returns {Promise<number | null>} its exit code */
    async end() {
      child.kill('SIGTERM');
      const [code] = await ended;
      return code;
    },
    /** Ends it at once, if it runs. */
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
