/**
 * The ingest of one NAR, from the bytes that an upstream sends to castore content, as one pipeline:
 *
 *     download → count, FileHash → decompress → NarHash → parse → chunk, hash → content sink
 *
 * Nothing refers to the content before all checks have passed.
 */
import type { BlobService } from '../castore/blobService.ts';
import type { DirectoryService } from '../castore/directoryService.ts';
import type { Node } from '../castore/node.ts';
import { decompress, parseCompression } from '../compression/compression.ts';
import { isNarthexError, NarthexError } from '../errors.ts';
import { createStreamingHash, Hash } from '../hash.ts';
import { checkLimit, DEFAULT_LIMITS, type Limits } from '../limits.ts';
import { NarParser } from '../nar/parser.ts';
import type { NarInfo } from '../narinfo/narinfo.ts';
import { CastoreBuilder } from './castoreBuilder.ts';
import { contentAddressHasher, teeHandler } from './contentAddressHash.ts';
import { openContentSink } from './contentSink.ts';

/** How many bytes of chunks are gathered before they are handed on. */
const BATCH_BYTES = 1024 * 1024;

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
  const { signal, limits = DEFAULT_LIMITS } = options;
  const { storePath, narHash, narSize, ca } = narInfo;
  await using file = new MeasuredFile(narInfo, download);
  checkLimit(limits, 'narBytes', narSize, { storePath: storePath.absolute });
  const nar = decompress(parseCompression(narInfo.compression), file, {
    limits,
    signal,
    maxOutputBytes: narSize,
  });
  const builder = new CastoreBuilder();
  const caHasher = ca && contentAddressHasher(ca, storePath, limits);
  const handler = caHasher ? teeHandler(builder, caHasher.handler) : builder;
  const parser = new NarParser(handler, { limits, narSizeBytes: narSize });
  const hasher = createStreamingHash('sha256');
  await using sink = openContentSink(options.blobService, options.directoryService, { signal });

  for await (const bytes of nar) {
    signal?.throwIfAborted();
    // under way while the piece is hashed and parsed
    const tapped = options.tap?.(bytes);
    hasher.update(bytes);
    caHasher?.nar(bytes);
    parser.push(bytes);
    options.onProgress?.(bytes.length);
    await tapped;
    if (builder.pendingBytes >= BATCH_BYTES) await sink.write(builder.take());
  }
  parser.end();
  file.check();
  const actual = Hash.of('sha256', hasher.digest());
  if (!actual.equals(narHash)) {
    throw mismatch(narInfo, 'NAR_HASH_MISMATCH', 'the NAR', narHash, actual);
  }
  if (caHasher && ca) {
    const actualCa = caHasher.finish();
    if (!actualCa.equals(ca.hash)) {
      throw mismatch(narInfo, 'CONTENT_ADDRESS_MISMATCH', 'its content', ca.hash, actualCa);
    }
  }
  if (builder.root === undefined) throw new TypeError('a complete NAR has a root');
  await sink.write(builder.take());
  await sink.close();
  return builder.root;
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
 * Passes a download on, counting and hashing it as far as the narinfo speaks of the file. Leaving it
 * reaches the download at once, also while it is waited for or before it was begun: a generator would
 * do neither.
 */
class MeasuredFile implements AsyncIterable<Uint8Array>, AsyncDisposable {
  readonly #narInfo: NarInfo;
  readonly #download: AsyncIterator<Uint8Array>;
  readonly #hasher;
  readonly #maxBytes: number;
  #length = 0;
  #ended = false;

  constructor(narInfo: NarInfo, download: AsyncIterable<Uint8Array>) {
    this.#narInfo = narInfo;
    this.#download = download[Symbol.asyncIterator]();
    this.#hasher = narInfo.fileHash && createStreamingHash(narInfo.fileHash.algorithm);
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

  /** @throws FILE_SIZE_MISMATCH | FILE_HASH_MISMATCH */
  check(): void {
    const { fileSize, fileHash } = this.#narInfo;
    if (fileSize !== undefined && this.#length !== fileSize) throw this.#sizeMismatch(fileSize);
    if (fileHash === undefined || this.#hasher === undefined) return;
    const actual = Hash.of(fileHash.algorithm, this.#hasher.digest());
    if (!actual.equals(fileHash)) {
      throw mismatch(this.#narInfo, 'FILE_HASH_MISMATCH', 'the downloaded file', fileHash, actual);
    }
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
    this.#hasher?.update(result.value);
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
