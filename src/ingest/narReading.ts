/**
 * The reading of one NAR, from the bytes of a file to castore content and all that can be measured, as
 * one pipeline:
 *
 *     file → FileHash → decompress → NarHash → parse → chunk, hash → batches of content
 *
 * It knows no service and nothing of the narinfo but what bounds it, so that it can run on any thread
 * (`NarReader`). What it has measured counts only once it has returned, and is for others to compare.
 */
import { EMPTY } from '../bytes.ts';
import { decodeEntry, encodeEntry } from '../castore/directory.ts';
import type { Node } from '../castore/node.ts';
import { type Compression, decompress } from '../compression/compression.ts';
import { NarthexError } from '../errors.ts';
import { createStreamingHash, type HashAlgorithm } from '../hash.ts';
import type { Limits } from '../limits.ts';
import { NarParser } from '../nar/parser.ts';
import { ContentAddress } from '../narinfo/contentAddress.ts';
import { StorePath } from '../storePath.ts';
import { CastoreBuilder } from './castoreBuilder.ts';
import { contentAddressHasher, teeHandler } from './contentAddressHash.ts';
import type { ContentBatch } from './contentBatch.ts';

/** What is to be read, and how: plain data, to be sent to other threads. */
export interface NarRequest {
  readonly compression: Compression;
  /** How long the NAR must be, in bytes, where that is known. */
  readonly narSize: number | undefined;
  /** How the file is to be hashed, if it is. */
  readonly fileHash: HashAlgorithm | undefined;
  /** The content address that is to be computed, and the base name of the path that it is of. */
  readonly contentAddress: { readonly ca: string; readonly baseName: string } | undefined;
  readonly limits: Limits;
}

/** What a NAR and its file are: plain data, too. */
export interface NarReading {
  /** The canonical encoding of the root node, without a name. */
  readonly root: Uint8Array;
  readonly narSize: number;
  /** SHA-256. */
  readonly narHash: Uint8Array;
  /** Where it was asked for. */
  readonly fileHash: Uint8Array | undefined;
  /** Where it was asked for: the hash, or why such content cannot have such an address. */
  readonly contentAddress: Uint8Array | NarthexError | undefined;
}

/** Where what is read goes. Nothing more is read before a promise of its methods has settled. */
export interface NarOutput {
  /** Takes content, in order. Its memory belongs to the output from now on. */
  content(batch: ContentBatch): Promise<void>;
  /** Told how many bytes of NAR have come since the last call. */
  progress?(narBytes: number): void;
  /** Given each piece of the NAR, in order and before anything is known to be right; not to be kept. */
  tap?(bytes: Uint8Array): Promise<void>;
}

/** Whoever reads NARs, here or on other threads. */
export interface NarReader {
  /**
   * Reads a NAR.
   *
   * @param file is left (`return`) whatever happens
   * @throws COMPRESSION_INVALID | COMPRESSION_TRUNCATED | COMPRESSION_TRAILING | NAR_INVALID
   * @throws NAR_SIZE_MISMATCH | LIMIT_EXCEEDED | WORKER_FAILED; the reason of an abort; what `file` and
   *   `output` throw
   */
  read(
    request: NarRequest,
    file: AsyncIterable<Uint8Array>,
    output: NarOutput,
    signal?: AbortSignal,
  ): Promise<NarReading>;
}

/** The root node of a reading. */
export function rootOf({ root }: NarReading): Node {
  return decodeEntry(root).node;
}

/** Reads on the calling thread. What it throws, {@link NarReader} tells. */
export async function readNar(
  request: NarRequest,
  file: AsyncIterable<Uint8Array>,
  output: NarOutput,
  signal?: AbortSignal,
): Promise<NarReading> {
  const { compression, narSize, limits } = request;
  const hashers = new FileHashers(request);
  const nar = decompress(compression, hashers.hashing(file), {
    limits,
    signal,
    maxOutputBytes: narSize ?? limits.narBytes,
    lent: true,
  });
  const builder = new CastoreBuilder(narSize);
  const caHasher = contentAddressHasherOf(request);
  const handler = caHasher ? teeHandler(builder, caHasher.handler) : builder;
  const parser = new NarParser(handler, { limits, narSizeBytes: narSize });

  for await (const bytes of nar) {
    signal?.throwIfAborted();
    // under way while the piece is hashed and parsed
    const tapped = output.tap?.(bytes);
    hashers.nar(bytes);
    caHasher?.nar(bytes);
    parser.push(bytes);
    output.progress?.(bytes.length);
    await tapped;
    for (const batch of builder.takeFull()) await output.content(batch);
  }
  parser.end();
  for (const batch of builder.take()) await output.content(batch);
  if (builder.root === undefined) throw new TypeError('a complete NAR has a root');
  return {
    root: new Uint8Array(encodeEntry(EMPTY, builder.root)),
    narSize: parser.offset,
    ...hashers.digests(),
    contentAddress: caHasher && outcomeOf(() => caHasher.finish().digest),
  };
}

/** Reads NARs on the calling thread. */
export const INLINE_NAR_READER: NarReader = { read: readNar };

/** The hashes of a NAR and of the file that it comes in: only one where these are the same bytes. */
class FileHashers {
  readonly #nar = createStreamingHash('sha256');
  readonly #file;
  readonly #same: boolean;

  constructor({ compression, fileHash }: NarRequest) {
    this.#same = compression === 'none' && fileHash === 'sha256';
    this.#file = fileHash && !this.#same ? createStreamingHash(fileHash) : undefined;
  }

  /** Passes a file on that is to be hashed. */
  hashing(file: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    const hasher = this.#file;
    if (hasher === undefined) return file;
    return {
      [Symbol.asyncIterator]() {
        const pieces = file[Symbol.asyncIterator]();
        return {
          async next() {
            const piece = await pieces.next();
            if (!piece.done) hasher.update(piece.value);
            return piece;
          },
          async return() {
            await pieces.return?.();
            return { done: true, value: undefined };
          },
        };
      },
    };
  }

  nar(bytes: Uint8Array): void {
    this.#nar.update(bytes);
  }

  digests(): Pick<NarReading, 'narHash' | 'fileHash'> {
    const narHash = this.#nar.digest();
    return { narHash, fileHash: this.#same ? narHash : this.#file?.digest() };
  }
}

function contentAddressHasherOf({ contentAddress, limits }: NarRequest) {
  if (contentAddress === undefined) return undefined;
  const ca = ContentAddress.parse(contentAddress.ca);
  return contentAddressHasher(ca, StorePath.fromBaseName(contentAddress.baseName), limits);
}

function outcomeOf(action: () => Uint8Array): Uint8Array | NarthexError {
  try {
    return action();
  } catch (error) {
    if (error instanceof NarthexError) return error;
    throw error;
  }
}
