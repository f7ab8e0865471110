/**
 * The ingest of one NAR, from the bytes that an upstream sends to castore content:
 *
 *     download → count → read (`narReading.ts`, here or on another thread) → content sink
 *              → compare with all that the narinfo says → close the sink
 *
 * Nothing refers to the content before all checks have passed.
 */

import { releaseBytes } from '../bytes.ts';
import type { BlobService } from '../castore/blobService.ts';
import type { DirectoryService } from '../castore/directoryService.ts';
import type { Node } from '../castore/node.ts';
import { parseCompression } from '../compression/compression.ts';
import { isNarthexError, NarthexError } from '../errors.ts';
import { Hash } from '../hash.ts';
import { checkLimit, DEFAULT_LIMITS, type Limits } from '../limits.ts';
import type { NarInfo } from '../narinfo/narinfo.ts';
import { ContentBatchReader } from './contentBatch.ts';
import { type ContentSink, openContentSink } from './contentSink.ts';
import {
  INLINE_NAR_READER,
  type NarOutput,
  type NarReader,
  type NarReading,
  rootOf,
} from './narReading.ts';

/**
 * How long a file may be whose FileSize is not told: a compressor that cannot compress adds little,
 * but padding and frames of no content may go on for ever without a byte of NAR.
 */
function longestFileBytes(narSizeBytes: number): number {
  return 2 * narSizeBytes + 1024 * 1024;
}

/** Where content goes, and what bounds the ingest. */
export interface NarIngestOptions {
  readonly blobService: BlobService;
  readonly directoryService: DirectoryService;
  readonly limits?: Limits | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Reads the NAR; on the calling thread by default. */
  readonly reader?: NarReader | undefined;
  /** Told how many bytes of NAR have come since the last call. */
  readonly onProgress?: ((narBytes: number) => void) | undefined;
  /**
   * Given each piece of the NAR, in order and before anything is known to be right. The next piece is not
   * asked for before it is done with this one. MUST NOT reject.
   */
  readonly tap?: ((bytes: Uint8Array) => Promise<void>) | undefined;
}

/**
 * Brings the NAR of a narinfo into castore and compares it with all that the narinfo says.
 *
 * @param narInfo what is expected: NarHash, NarSize, Compression, FileHash, FileSize, CA
 * @param download the file that its `URL` names; it is left (`return`) whatever happens
 * @returns the root node
 * @throws COMPRESSION_UNSUPPORTED | COMPRESSION_INVALID | COMPRESSION_TRUNCATED | COMPRESSION_TRAILING
 * @throws NAR_INVALID | NAR_HASH_MISMATCH | NAR_SIZE_MISMATCH | LIMIT_EXCEEDED
 * @throws FILE_HASH_MISMATCH | FILE_SIZE_MISMATCH | CONTENT_ADDRESS_MISMATCH
 */
export async function ingestNar(
  narInfo: NarInfo,
  download: AsyncIterable<Uint8Array>,
  options: NarIngestOptions,
): Promise<Node> {
  try {
    return await runPipeline(narInfo, download, options);
  } catch (error) {
    throw explained(error, narInfo);
  }
}

async function runPipeline(
  narInfo: NarInfo,
  download: AsyncIterable<Uint8Array>,
  options: NarIngestOptions,
): Promise<Node> {
  const { signal, limits = DEFAULT_LIMITS, reader = INLINE_NAR_READER } = options;
  const { storePath, narSize, fileHash, ca } = narInfo;
  await using file = new CountedFile(narInfo, download);
  checkLimit(limits, 'narBytes', narSize, { storePath: storePath.absolute });
  const request = {
    compression: parseCompression(narInfo.compression),
    narSize,
    fileHash: fileHash?.algorithm,
    contentAddress: ca && { ca: ca.toString(), baseName: storePath.baseName },
    limits,
  };
  signal?.throwIfAborted();
  await using sink = openContentSink(options.blobService, options.directoryService, { signal });
  const reading = await reader.read(request, file, outputInto(sink, options), signal);
  file.checkSize();
  checkReading(reading, narInfo);
  await sink.close();
  return rootOf(reading);
}

/** What a reader gives goes into the sink, and to those who watch. */
export function outputInto(
  sink: ContentSink,
  { onProgress, tap }: Pick<NarIngestOptions, 'onProgress' | 'tap'> = {},
): NarOutput {
  const batches = new ContentBatchReader();
  return {
    async content(batch) {
      await sink.write(batches.parts(batch));
      releaseBytes(batch.bytes);
    },
    ...(onProgress && { progress: onProgress }),
    ...(tap && { tap }),
  };
}

/** @throws FILE_HASH_MISMATCH | NAR_HASH_MISMATCH | CONTENT_ADDRESS_MISMATCH */
function checkReading(reading: NarReading, narInfo: NarInfo): void {
  const { fileHash, narHash, ca } = narInfo;
  const check = (
    code: Parameters<typeof mismatch>[1],
    what: string,
    expected: Hash,
    digest: Uint8Array,
  ) => {
    const actual = Hash.of(expected.algorithm, digest);
    if (!actual.equals(expected)) throw mismatch(narInfo, code, what, expected, actual);
  };
  if (fileHash !== undefined && reading.fileHash !== undefined) {
    check('FILE_HASH_MISMATCH', 'the downloaded file', fileHash, reading.fileHash);
  }
  check('NAR_HASH_MISMATCH', 'the NAR', narHash, reading.narHash);
  if (ca === undefined || reading.contentAddress === undefined) return;
  if (reading.contentAddress instanceof NarthexError) throw reading.contentAddress;
  check('CONTENT_ADDRESS_MISMATCH', 'its content', ca.hash, reading.contentAddress);
}

/** Says of which store path an error is that only knows bytes. */
function explained(error: unknown, narInfo: NarInfo): unknown {
  if (!(error instanceof NarthexError) || error.facts['storePath'] !== undefined) return error;
  const facts = { storePath: narInfo.storePath.absolute, url: narInfo.url };
  // the decoder was told to stop at the signed size
  if (isNarthexError(error, 'LIMIT_EXCEEDED') && error.facts['limit'] === 'maxOutputBytes') {
    return new NarthexError(
      'NAR_SIZE_MISMATCH',
      `${narInfo.storePath.absolute}: the NAR is longer than its NarSize of ${narInfo.narSize}`,
      { ...facts, expected: narInfo.narSize },
      error,
    );
  }
  return new NarthexError(
    error.code,
    `${narInfo.storePath.absolute}: ${error.message}`,
    { ...facts, ...error.facts },
    error,
  );
}

function mismatch(
  { storePath, url }: NarInfo,
  code: 'NAR_HASH_MISMATCH' | 'FILE_HASH_MISMATCH' | 'CONTENT_ADDRESS_MISMATCH',
  what: string,
  expected: Hash,
  actual: Hash,
): NarthexError {
  return new NarthexError(
    code,
    `${storePath.absolute}: ${what} hashes to ${actual.toNixbase32()}, not to ${expected.toNixbase32()}`,
    {
      storePath: storePath.absolute,
      url,
      expected: expected.toNixbase32(),
      actual: actual.toNixbase32(),
    },
  );
}

/**
 * Passes a download on, counting it as far as the narinfo speaks of its size. Leaving it reaches the
 * download at once, also while it is waited for or before it was begun: a generator would do neither.
 */
class CountedFile implements AsyncIterable<Uint8Array>, AsyncDisposable {
  readonly #narInfo: NarInfo;
  readonly #download: AsyncIterator<Uint8Array>;
  readonly #maxBytes: number;
  #length = 0;
  #ended = false;

  constructor(narInfo: NarInfo, download: AsyncIterable<Uint8Array>) {
    this.#narInfo = narInfo;
    this.#download = download[Symbol.asyncIterator]();
    this.#maxBytes = narInfo.fileSize ?? longestFileBytes(narInfo.narSize);
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return {
      next: () => this.#next(),
      return: async () => {
        await this.#leave();
        return { done: true, value: undefined };
      },
    };
  }

  /** Leaves the download, if that has not happened. Failing to is no outcome. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#leave().catch(() => {});
  }

  /** @throws FILE_SIZE_MISMATCH */
  checkSize(): void {
    const { fileSize } = this.#narInfo;
    if (fileSize !== undefined && this.#length !== fileSize) throw this.#sizeMismatch(fileSize);
  }

  /** @throws FILE_SIZE_MISMATCH | LIMIT_EXCEEDED as soon as there is more than there may be */
  async #next(): Promise<IteratorResult<Uint8Array>> {
    const result = await this.#download.next();
    if (result.done === true) {
      this.#ended = true;
      return { done: true, value: undefined };
    }
    this.#length += result.value.length;
    if (this.#length > this.#maxBytes) throw this.#tooLong();
    return result;
  }

  async #leave(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.#download.return?.();
  }

  #tooLong(): NarthexError {
    const { fileSize, narSize, storePath, url } = this.#narInfo;
    if (fileSize !== undefined) return this.#sizeMismatch(fileSize);
    return new NarthexError(
      'LIMIT_EXCEEDED',
      `${storePath.absolute}: the downloaded file has more than ${this.#maxBytes} bytes, for a NAR of ${narSize}`,
      { storePath: storePath.absolute, url, limit: 'fileBytes', expected: this.#maxBytes },
    );
  }

  #sizeMismatch(expected: number): NarthexError {
    const { storePath, url } = this.#narInfo;
    const found = `${this.#length} bytes${this.#length > expected ? ' or more' : ''}`;
    return new NarthexError(
      'FILE_SIZE_MISMATCH',
      `${storePath.absolute}: the downloaded file has ${found}, not ${expected}`,
      { storePath: storePath.absolute, url, expected, actual: this.#length },
    );
  }
}
