/** How every decoder treats its source, its consumer and memory. */
import { getEventListeners } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import {
  type Compression,
  type DecompressOptions,
  decompress as decompressBy,
} from '../../src/compression/compression.ts';
import { CODECS, type Codec, LONG_BYTES, TEXT, ZEROS_BYTES } from './codecs.ts';
import { TrackedSource } from './trackedSource.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const PIECE_BYTES = 64 * KIB;

/** More than anything here decodes to, except bombs. */
const ENOUGH = { maxOutputBytes: 256 * MIB };

/** What a decoder may take of its source for the first output: bzip2's longest block, and some. */
const READ_AHEAD_BYTES = 4 * MIB;

/** More than a decoder takes, dictionary and all; less than a bomb that goes off. */
const MEMORY_BYTES = 160 * MIB;

const THREADS = '/proc/self/task';

function cut(bytes: Uint8Array): Uint8Array[] {
  const count = Math.ceil(bytes.length / PIECE_BYTES);
  return Array.from({ length: count }, (_, i) =>
    bytes.subarray(i * PIECE_BYTES, (i + 1) * PIECE_BYTES),
  );
}

/** A file that decodes to a gigabyte of zeros, or where that takes several streams, to some of it. */
function bomb(codec: Codec): Uint8Array[] {
  const streams = codec.concatenates ? Math.ceil((1024 * MIB) / ZEROS_BYTES) : 1;
  return new Array<Uint8Array[]>(streams).fill(cut(codec.zeros())).flat();
}

/** A source that gives `bytes` and then is silent. */
function stalled(bytes: Uint8Array): TrackedSource {
  return new TrackedSource({ pieces: cut(bytes), silent: true });
}

describe.each(CODECS)('$compression$by', (codec) => {
  const { compression, text } = codec;
  const decompress = (
    name: Compression,
    source: AsyncIterable<Uint8Array>,
    options: DecompressOptions,
  ) => decompressBy(name, source, { ...options, decoders: codec.decoders });
  const drain = async (
    name: Compression,
    source: AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
  ) => {
    for await (const _ of decompress(name, source, { ...ENOUGH, signal }));
  };

  it.each([0, MIB, 40 * MIB])('stops a bomb at %i bytes, with little memory', async (limit) => {
    const source = new TrackedSource({ pieces: bomb(codec) });
    const before = process.memoryUsage.rss();
    let outputBytes = 0;
    let most = before;
    const decoding = (async () => {
      for await (const piece of decompress(compression, source, { maxOutputBytes: limit })) {
        outputBytes += piece.length;
        most = Math.max(most, process.memoryUsage.rss());
      }
    })();
    await expect(decoding).rejects.toMatchObject({
      code: 'LIMIT_EXCEEDED',
      facts: { compression, limit: 'maxOutputBytes', expected: limit },
    });
    expect(outputBytes).toBeLessThanOrEqual(limit);
    expect(most - before).toBeLessThan(MEMORY_BYTES);
  });

  it('gives what is exactly as long as the limit', async () => {
    const source = new TrackedSource({ pieces: [text] });
    const decoded = decompress(compression, source, { maxOutputBytes: TEXT.length });
    expect(Buffer.concat(await Array.fromAsync(decoded))).toEqual(Buffer.from(TEXT));
    expect(source.returns).toBe(0); // it has ended by itself
  });

  describe('a consumer', () => {
    it('that is slow is waited for, with no read under way', async () => {
      const source = new TrackedSource({ pieces: cut(codec.long()) });
      const decoded = decompress(compression, source, ENOUGH);
      await decoded.next();
      await setTimeout(50); // time for reading ahead, if anything did
      const given = source.givenBytes;
      expect(given).toBeLessThan(READ_AHEAD_BYTES);
      expect(source.pending).toBe(0);
      await setTimeout(20);
      expect(source.givenBytes).toBe(given);
      await decoded.return();
      expect(source.returns).toBe(1);
    });

    it('that leaves closes the source, and leaves no thread behind', async () => {
      const file = cut(codec.long());
      const threads = () => (existsSync(THREADS) ? readdirSync(THREADS).length : 0);
      let settled = 0;
      for (let run = 0; run < 40; run++) {
        const source = new TrackedSource({ pieces: file });
        for await (const _ of decompress(compression, source, ENOUGH)) break;
        expect(source.returns).toBe(1);
        // pools of threads fill up in the first runs
        if (run === 10) settled = threads();
      }
      expect(threads()).toBeLessThan(settled + 10);
    });
  });

  describe('a source', () => {
    it.each([
      ['at once', 0],
      ['after a part', 100],
      ['at the end', LONG_BYTES],
    ])('that fails %s passes its error on unchanged', async (_, length) => {
      const error = new TypeError('the cable was cut');
      const pieces = length < text.length ? [text.subarray(0, length)] : cut(codec.long());
      const source = new TrackedSource({ pieces, error });
      await expect(drain(compression, source)).rejects.toBe(error);
      expect(source.returns).toBe(0); // an iterator that throws has ended
    });

    it('that is refused is closed', async () => {
      const broken = [text.subarray(0, 100), new Uint8Array(100_000), ...cut(codec.long())];
      const source = new TrackedSource({ pieces: broken });
      await expect(drain(compression, source)).rejects.toMatchObject({
        code: expect.stringMatching(/^COMPRESSION_/),
      });
      expect(source.returns).toBe(1);
    });
  });

  describe('an abort', () => {
    const reason = new Error('enough');

    it('before the start leaves the source alone', async () => {
      const source = stalled(text);
      await expect(drain(compression, source, AbortSignal.abort(reason))).rejects.toBe(reason);
      expect(source).toMatchObject({ givenBytes: 0, pending: 0 });
    });

    it('ends the wait for a silent source, and closes it', async () => {
      const source = stalled(text.subarray(0, 100));
      const controller = new AbortController();
      const draining = drain(compression, source, controller.signal);
      await source.silence.promise;
      controller.abort(reason);
      await expect(draining).rejects.toBe(reason);
      expect(source.returns).toBe(1);
      expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
    });

    it('is heard between two pieces', async () => {
      const source = new TrackedSource({ pieces: cut(codec.long()) });
      const controller = new AbortController();
      const decoded = decompress(compression, source, { ...ENOUGH, signal: controller.signal });
      await decoded.next();
      controller.abort(reason);
      await expect(decoded.next()).rejects.toBe(reason);
      expect(source.returns).toBe(1);
      expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
    });

    it('by a timer is heard although source and decoder never wait', async () => {
      const controller = new AbortController();
      const timer = setTimeout(1).then(() => controller.abort(reason));
      const source = new TrackedSource({ pieces: bomb(codec) });
      const decoded = decompress(compression, source, {
        maxOutputBytes: 2 ** 31,
        signal: controller.signal,
      });
      await expect(Array.fromAsync(decoded, (piece) => piece.length)).rejects.toBe(reason);
      await timer;
    });

    it('that never comes leaves no listener', async () => {
      const { signal } = new AbortController();
      await drain(compression, new TrackedSource({ pieces: [text] }), signal);
      expect(getEventListeners(signal, 'abort')).toEqual([]);
    });
  });
});

describe('none', () => {
  const pieces = () => Array.from({ length: 10 }, () => new Uint8Array(1000));

  it('is held to the limit', async () => {
    const source = new TrackedSource({ pieces: pieces() });
    const decoded = decompressBy('none', source, { maxOutputBytes: 2500 });
    await expect(Array.fromAsync(decoded)).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
    expect(source).toMatchObject({ givenBytes: 3000, returns: 1 });
  });

  it('closes its source when the consumer leaves', async () => {
    const source = new TrackedSource({ pieces: pieces() });
    for await (const _ of decompressBy('none', source, ENOUGH)) break;
    expect(source).toMatchObject({ givenBytes: 1000, returns: 1 });
  });

  it('passes an error of closing on, unless there was another', async () => {
    const closing = new Error('closing failed');
    const source = (): AsyncIterable<Uint8Array> => ({
      [Symbol.asyncIterator]: () => ({
        next: async () => ({ done: false, value: new Uint8Array(10) }),
        return: () => Promise.reject(closing),
      }),
    });
    const left = decompressBy('none', source(), { maxOutputBytes: 100 });
    await left.next();
    await expect(left.return()).rejects.toBe(closing);
    const refused = decompressBy('none', source(), { maxOutputBytes: 5 });
    await expect(Array.fromAsync(refused)).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
  });
});
