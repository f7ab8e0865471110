import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import { afterAll, describe, expect, test } from 'vitest';
import type { ContentBatch } from '../../src/ingest/contentBatch.ts';
import { type NarOutput, type NarRequest, readNar } from '../../src/ingest/narReading.ts';
import { DEFAULT_LIMITS } from '../../src/limits.ts';
import { WorkerPool } from '../../src/workers/workerPool.ts';
import { noise } from '../compression/codecs.ts';
import { cutStream } from '../ingest/cutBytes.ts';
import { directory, encodeNar, file, type SyntheticTree } from '../support/syntheticTree.ts';

const REQUEST: NarRequest = {
  compression: 'none',
  narSize: undefined,
  fileHash: 'sha256',
  contentAddress: undefined,
  limits: DEFAULT_LIMITS,
};

/** What a NAR begins with. */
const BEGINNING = encodeNar(directory()).subarray(0, 40);

/** Takes content and remembers what came. */
class Taker implements NarOutput {
  readonly batches: ContentBatch[] = [];
  narBytes = 0;

  async content(batch: ContentBatch): Promise<void> {
    this.batches.push(batch);
  }

  progress(narBytes: number): void {
    this.narBytes += narBytes;
  }
}

/** Trees that differ, with files of one chunk and of many. */
function treeOf(number: number): SyntheticTree {
  const large = new Uint8Array(noise(600_000 + 1_000 * number));
  return directory({ name: file(`tree ${number}`), large: file(large), empty: directory() });
}

async function* silent(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
  await new Promise(() => {});
}

const pool = new WorkerPool({ threads: 2, smallNarBytes: 0 });
afterAll(() => pool[Symbol.asyncDispose]());

describe('a worker pool', () => {
  test('reads many NARs at once as the calling thread does', async () => {
    const nars = Array.from({ length: 12 }, (_, i) => encodeNar(treeOf(i)));
    const read = async (nar: Uint8Array, readOne: typeof readNar) => {
      const taker = new Taker();
      const reading = await readOne(REQUEST, cutStream(nar, [50_000, 7]), taker);
      return { reading, ...taker };
    };
    const there = await Promise.all(nars.map((nar) => read(nar, pool.narReader.read)));
    for (const [i, nar] of nars.entries()) {
      const here = await read(nar, readNar);
      expect(there[i]?.reading).toEqual({
        ...here.reading,
        narHash: new Uint8Array(createHash('sha256').update(nar).digest()),
        fileHash: new Uint8Array(createHash('sha256').update(nar).digest()),
      });
      expect(there[i]?.batches).toEqual(here.batches);
      expect(there[i]?.narBytes).toBe(nar.length);
    }
  });

  test('a NAR that does not come keeps no other waiting', async () => {
    const waiting = new AbortController();
    const stalled = [1, 2].map(() =>
      pool.narReader.read(REQUEST, silent(BEGINNING), new Taker(), waiting.signal),
    );
    const nar = encodeNar(treeOf(1));
    const others = [1, 2, 3].map(() => pool.narReader.read(REQUEST, cutStream(nar), new Taker()));
    expect((await Promise.all(others)).map(({ narSize }) => narSize)).toEqual(
      [1, 2, 3].map(() => nar.length),
    );
    const reason = new Error('enough');
    waiting.abort(reason);
    const outcomes = await Promise.allSettled(stalled);
    expect(outcomes).toEqual([1, 2].map(() => ({ status: 'rejected', reason })));
  });

  test('a tap is given the NAR, piece by piece', async () => {
    const nar = encodeNar(treeOf(3));
    const pieces: Uint8Array[] = [];
    const output = Object.assign(new Taker(), {
      tap: async (bytes: Uint8Array) => {
        pieces.push(bytes);
      },
    });
    await pool.narReader.read(REQUEST, cutStream(nar), output);
    expect(Buffer.concat(pieces).equals(nar)).toBe(true);
  });

  test('content is not sent faster than it is taken', async () => {
    const nar = encodeNar(file(new Uint8Array(noise(20_000_000))));
    let waitingBytes = 0;
    let most = 0;
    const output: NarOutput = {
      async content({ bytes }) {
        waitingBytes = 0;
        await new Promise((resolve) => setTimeout(resolve, 20));
        expect(bytes.length).toBeLessThanOrEqual(1024 * 1024);
      },
    };
    const pieces = (async function* () {
      for await (const piece of cutStream(nar, [100_000])) {
        waitingBytes += piece.length;
        most = Math.max(most, waitingBytes);
        yield piece;
      }
    })();
    await pool.narReader.read(REQUEST, pieces, output);
    // what is on its way there, what is on its way back, and what is in work
    expect(most).toBeLessThan(8 * 1024 * 1024);
  });

  test('a thread that ends fails what it works on, and another takes its place', async () => {
    await using small = new WorkerPool({ threads: 1, smallNarBytes: 0, threadHeapMib: 24 });
    const many = Array.from({ length: 400_000 }, (_, i) => [`${i}`, directory()] as const);
    const crowded = encodeNar(directory(many.toSorted(([a], [b]) => (a < b ? -1 : 1))));
    const lost = small.narReader.read(REQUEST, cutStream(crowded, [100_000]), new Taker());
    const besides = small.narReader.read(REQUEST, silent(BEGINNING), new Taker());
    for (const outcome of await Promise.allSettled([lost, besides])) {
      expect(outcome).toMatchObject({
        status: 'rejected',
        reason: { code: 'WORKER_FAILED', facts: { reason: expect.stringContaining('memory') } },
      });
    }
    const nar = encodeNar(treeOf(1));
    const reading = await small.narReader.read(REQUEST, cutStream(nar), new Taker());
    expect(reading.narSize).toBe(nar.length);
  });

  test('disposing of it ends what is under way', async () => {
    const ended = new WorkerPool({ threads: 1, smallNarBytes: 0 });
    const reading = ended.narReader.read(REQUEST, silent(BEGINNING), new Taker());
    const outcome = expect(reading).rejects.toMatchObject({ code: 'WORKER_FAILED' });
    await ended[Symbol.asyncDispose]();
    await outcome;
  });

  test('an idle one does not keep the process alive, nor does an aborted NAR', () => {
    const script = `
      import { WorkerPool } from '${new URL('../../src/workers/workerPool.ts', import.meta.url)}';
      const pool = new WorkerPool({ threads: 2, smallNarBytes: 0 });
      const request = ${JSON.stringify(REQUEST)};
      const read = (file, signal) => pool.narReader.read(request, file, { async content() {} }, signal)
        .catch((error) => console.log(error.code ?? error.message));
      await read((async function* () { yield Buffer.from('no NAR, not at all'); })());
      async function* silent() { yield Buffer.alloc(4); await new Promise(() => {}); }
      const controller = new AbortController();
      const aborted = read(silent(), controller.signal);
      setTimeout(() => controller.abort(new Error('enough')), 10);
      await aborted;
    `;
    const args = ['--input-type=module', '--eval', script];
    const output = execFileSync(process.execPath, args, { encoding: 'utf8', timeout: 50_000 });
    expect(output).toBe('NAR_INVALID\nenough\n');
  });
});

test.skipIf(process.platform !== 'linux')(
  'in the background, only its threads step back',
  async () => {
    await using background = new WorkerPool({ threads: 1, inBackground: true });
    await background.encoder()(new Uint8Array(100_000));
    expect(nicenessOfThreads()).toContain(19);
    expect(getPriority()).toBe(0);
  },
);

/** The priorities of this process's threads: the 19th field of stat(5), which comes 16 behind the name. */
function nicenessOfThreads(): number[] {
  return readdirSync('/proc/self/task').map((thread) => {
    const fields = readFileSync(`/proc/self/task/${thread}/stat`, 'latin1');
    return Number(fields.slice(fields.lastIndexOf(')')).split(' ')[17]);
  });
}

test('without threads, all is done by the caller', async () => {
  await using none = new WorkerPool({ threads: 0 });
  const nar = encodeNar(treeOf(1));
  expect((await none.narReader.read(REQUEST, cutStream(nar), new Taker())).narSize).toBe(
    nar.length,
  );
  expect(await none.encoder()(new Uint8Array(100_000))).toMatchObject({ encoding: 'zstd' });
});
