import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { COMPRESSIONS } from '../../src/compression/compression.ts';
import { isNarthexError, NarthexError } from '../../src/errors.ts';
import { ingestNar, type NarIngestOptions } from '../../src/ingest/narIngest.ts';
import { INLINE_NAR_READER, type NarReader } from '../../src/ingest/narReading.ts';
import { DEFAULT_LIMITS } from '../../src/limits.ts';
import type { NarInfo } from '../../src/narinfo/narinfo.ts';
import { parseNarInfo } from '../../src/narinfo/parse.ts';
import { renderNar } from '../../src/render/renderNar.ts';
import { WorkerPool } from '../../src/workers/workerPool.ts';
import { collect } from '../render/collect.ts';
import { narinfosOf, readCacheFiles } from '../support/cacheFiles.ts';
import type { Compression } from '../support/compress.ts';
import { fixturesByCompression } from '../support/fixtureCache.ts';
import { sha256Field } from '../support/nixbase32.ts';
import { type SyntheticPath, syntheticCache } from '../support/syntheticCache.ts';
import { directory, encodeNar, file, narString } from '../support/syntheticTree.ts';
import { cutStream } from './cutBytes.ts';
import { directoryService, type Log, wholeBlobService } from './recordingServices.ts';

const encoder = new TextEncoder();

/** A path of a made-up cache: what its narinfo says, and the file it names. */
async function onePath(spec: Partial<SyntheticPath> = {}, compression: Compression = 'zstd') {
  const cache = await syntheticCache([{ name: 'thing', ...spec }], { compression });
  const path = cache.path('thing');
  const narInfo = parseNarInfo(encoder.encode(path.narinfo));
  const content = cache.files.get(path.narFile);
  if (content === undefined) throw new Error('the cache has no NAR');
  return { narInfo, content, nar: path.nar };
}

/** A download that counts how it is treated. */
function watchedDownload(pieces: Iterable<Uint8Array>, end: 'end' | 'silence' = 'end') {
  const iterator = pieces[Symbol.iterator]();
  const seen = { nexts: 0, returns: 0, ended: false };
  const download: AsyncIterable<Uint8Array> = {
    [Symbol.asyncIterator]: () => ({
      async next() {
        seen.nexts++;
        const next = iterator.next();
        if (!next.done) return next;
        if (end === 'silence') await new Promise(() => {});
        seen.ended = true;
        return { done: true, value: undefined };
      },
      async return() {
        seen.returns++;
        return { done: true, value: undefined };
      },
    }),
  };
  return { download, seen };
}

/** The error that an ingest ends with. */
async function failureOf(ingest: Promise<unknown>): Promise<NarthexError> {
  const error = await ingest.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!isNarthexError(error)) throw new Error(`not a NarthexError: ${error}`);
  return error;
}

/** New services, and what is done to the directories and blobs. */
function servicesFor(reader: NarReader): NarIngestOptions & { readonly log: Log } {
  const log: Log = [];
  return {
    log,
    reader,
    blobService: wholeBlobService(log),
    directoryService: directoryService(log),
  };
}

/** Changes a letter in the contents. */
function alter(nar: Uint8Array): Uint8Array {
  const altered = Buffer.from(nar);
  const at = altered.indexOf('thing');
  altered.write('THING', at);
  return altered;
}

const workers = new WorkerPool({ threads: 1, smallNarBytes: 0 });
afterAll(() => workers[Symbol.asyncDispose]());

describe.each([
  ['on the calling thread', INLINE_NAR_READER],
  ['on a worker thread', workers.narReader],
])('%s', (_, reader) => {
  const services = () => servicesFor(reader);

  describe('ingestNar', () => {
    test.each(fixturesByCompression.kinds)('%s, as real Nix wrote it', async (kind) => {
      const files = await readCacheFiles(fixturesByCompression.directory(kind));
      const [text = ''] = narinfosOf(files).values();
      const narInfo = parseNarInfo(encoder.encode(text));
      const content = await readFile(join(fixturesByCompression.directory(kind), narInfo.url));
      const options = services();
      let progress = 0;
      const ingested = ingestNar(narInfo, cutStream(content, [1_000]), {
        ...options,
        onProgress: (narBytes) => {
          progress += narBytes;
        },
      });
      if (!COMPRESSIONS.some((known) => known === kind)) {
        expect(await failureOf(ingested)).toMatchObject({ code: 'COMPRESSION_UNSUPPORTED' });
        return;
      }
      const rendered = await collect(renderNar(await ingested, options));
      expect(sha256Field(rendered)).toBe(narInfo.narHash.toNixbase32());
      expect(progress).toBe(narInfo.narSize);
    });

    test('services are closed, directories last, and only after all checks', async () => {
      const { narInfo, content } = await onePath();
      const good = services();
      await ingestNar(narInfo, cutStream(content), good);
      expect(good.log.slice(-2)).toEqual(['close directories', 'dispose directories']);

      const wrong = await onePath({ lie: { servedNar: (nar) => alter(nar) } });
      const bad = services();
      const error = await failureOf(ingestNar(wrong.narInfo, cutStream(wrong.content), bad));
      expect(error.code).toBe('NAR_HASH_MISMATCH');
      expect(bad.log).not.toContain('close directories');
      expect(bad.log.at(-1)).toBe('dispose directories');
    });
  });

  describe('every way out leaves the download', () => {
    const endless = function* (bytes: Uint8Array) {
      yield bytes;
      for (;;) yield new Uint8Array(1_024);
    };

    test('the end is reached: nothing to leave', async () => {
      const { narInfo, content } = await onePath();
      const { download, seen } = watchedDownload([content]);
      await ingestNar(narInfo, download, services());
      expect(seen).toMatchObject({ ended: true, returns: 0 });
    });

    const faults: Readonly<
      Record<
        string,
        { code: string; change: (info: NarInfo) => NarInfo; compression?: Compression }
      >
    > = {
      'an unknown compression': {
        code: 'COMPRESSION_UNSUPPORTED',
        change: (info) => ({ ...info, compression: 'rot13' }),
      },
      'a NarSize above the limit': {
        code: 'LIMIT_EXCEEDED',
        change: (info) => ({ ...info, narSize: DEFAULT_LIMITS.narBytes + 1 }),
      },
      'another compression than it says': {
        code: 'COMPRESSION_INVALID',
        change: (info) => ({ ...info, compression: 'xz' }),
      },
      'no NAR in it': {
        code: 'NAR_INVALID',
        change: (info) => ({ ...info, compression: 'none', fileSize: undefined }),
      },
      'more file than its FileSize': { code: 'FILE_SIZE_MISMATCH', change: (info) => info },
      'no FileSize, and more file than could be of use': {
        code: 'LIMIT_EXCEEDED',
        compression: 'gzip',
        change: (info) => ({ ...info, fileSize: undefined }),
      },
    };

    test.each(Object.entries(faults))('%s', async (name, { code, change, compression }) => {
      const { narInfo, content } = await onePath({}, compression);
      const pieces = compression === 'gzip' ? emptyMembers(content) : endless(content);
      const { download, seen } = watchedDownload(pieces);
      const error = await failureOf(ingestNar(change(narInfo), download, services()));
      expect(error.code).toBe(code);
      expect(error.facts['storePath']).toBe(narInfo.storePath.absolute);
      // once, not once for each that passed the error on
      expect(error.message.split(narInfo.storePath.absolute).length).toBeLessThanOrEqual(2);
      expect(seen.returns, name).toBe(1);
    });

    /** gzip members without contents, for ever, and the real one never. */
    function* emptyMembers(_: Uint8Array) {
      const empty = Buffer.from('1f8b080000000000000303000000000000000000', 'hex');
      for (;;) yield Buffer.concat(Array(1_000).fill(empty));
    }

    test('aborted before it begins', async () => {
      const { narInfo, content } = await onePath();
      const { download, seen } = watchedDownload([content]);
      const reason = new Error('enough');
      const signal = AbortSignal.abort(reason);
      await expect(ingestNar(narInfo, download, { ...services(), signal })).rejects.toBe(reason);
      expect(seen).toEqual({ nexts: 0, returns: 1, ended: false });
    });

    test('aborted while the download is silent', async () => {
      const { narInfo, content } = await onePath();
      const { download, seen } = watchedDownload([content.subarray(0, 10)], 'silence');
      const controller = new AbortController();
      const reason = new Error('enough');
      const options = services();
      const ingest = ingestNar(narInfo, download, { ...options, signal: controller.signal });
      setImmediate(() => controller.abort(reason));
      await expect(ingest).rejects.toBe(reason);
      expect(seen.returns).toBe(1);
      expect(options.log).not.toContain('close directories');
    });

    test('the store fails', async () => {
      const { narInfo, content } = await onePath({}, 'none');
      const full = new NarthexError('STORE_FAILED', 'no space left');
      const failing = (word: string) => (word === 'put directory' ? full : undefined);
      const { download, seen } = watchedDownload([content]);
      const error = await failureOf(
        ingestNar(narInfo, download, {
          reader,
          blobService: wholeBlobService([]),
          directoryService: directoryService([], failing),
        }),
      );
      expect(error.code).toBe('STORE_FAILED');
      expect(seen.returns + Number(seen.ended)).toBe(1);
    });

    test('the download fails: its own error, about this path', async () => {
      const { narInfo, content } = await onePath();
      const broken = new NarthexError('UPSTREAM_FAILED', 'connection reset', { kind: 'reset' });
      async function* download() {
        yield content.subarray(0, 10);
        throw broken;
      }
      const error = await failureOf(ingestNar(narInfo, download(), services()));
      expect(error).toMatchObject({
        code: 'UPSTREAM_FAILED',
        facts: { kind: 'reset', storePath: narInfo.storePath.absolute },
        cause: broken,
      });
    });
  });

  describe('what a NAR can cost', () => {
    test('a bomb stops at the NarSize', async () => {
      const zeros = encodeNar(file(new Uint8Array(50_000_000)));
      const { narInfo, content } = await onePath({ lie: { servedNar: () => zeros } });
      const options = services();
      const error = await failureOf(ingestNar(narInfo, cutStream(content), options));
      expect(error.code).toBe('NAR_SIZE_MISMATCH');
    });

    test('a file that is longer than the NAR is not allocated', async () => {
      // 2^40 bytes are declared; NarSize fits the few that are there
      const lie = Buffer.concat([
        ...['nix-archive-1', '(', 'type', 'regular', 'contents'].map((text) => narString(text)),
        Buffer.from('0000000000010000', 'hex'),
      ]);
      const { narInfo, content } = await onePath({ lie: { hashedNar: () => lie } });
      const error = await failureOf(ingestNar(narInfo, cutStream(content), services()));
      expect(error.code).toBe('NAR_SIZE_MISMATCH');
    });

    test('many small nodes are handed on as they come', async () => {
      const entries = Array.from({ length: 30_000 }, (_, i) => [`${i}`, directory()] as const);
      const { narInfo, content } = await onePath({ tree: directory(entries) }, 'none');
      const options = services();
      let putBeforeEnd = 0;
      async function* download() {
        for await (const piece of cutStream(content, [65_536])) {
          yield piece;
          putBeforeEnd = options.log.length;
        }
      }
      await ingestNar(narInfo, download(), options);
      expect(putBeforeEnd).toBeGreaterThan(10_000);
    });
  });
});
