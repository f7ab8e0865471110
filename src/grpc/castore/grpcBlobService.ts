/** A blob service of a gRPC peer. */
import { create } from '@bufbuild/protobuf';
import { type Client, createClient } from '@connectrpc/connect';
import { EMPTY } from '../../bytes.ts';
import type {
  BlobService,
  BlobStat,
  BlobWriter,
  ReadBlobOptions,
  ServiceOptions,
} from '../../castore/blobService.ts';
import { otherBlob } from '../../castore/copyBlob.ts';
import { Digest, DigestHasher } from '../../castore/digest.ts';
import type { GrpcChannel } from '../channel.ts';
import { digestFrom, sizeFrom } from '../fields.ts';
import {
  BlobChunkSchema,
  BlobService as BlobServiceSchema,
} from '../gen/snix/castore/v1/rpc_blobstore_pb.ts';
import { BLOB_PIECE_BYTES } from '../limits.ts';
import { messagesOf } from '../messages.ts';
import { fromConnectError, isNotFound } from '../status.ts';
import { UploadStream } from '../uploadStream.ts';

const EMPTY_BLOB = Digest.of(EMPTY);

/**
 * Blobs of up to so many bytes are held until their digest is known to be right. Of longer ones the last
 * bytes are held back until then, so that nobody gets the whole of what is not the blob.
 */
const HELD_BYTES = 4 * 1024 * 1024;

/** The blobs of a peer that speaks `snix.castore.v1.BlobService`. */
export class GrpcBlobService implements BlobService {
  readonly #channel: GrpcChannel;
  readonly #client: Client<typeof BlobServiceSchema>;

  constructor(channel: GrpcChannel) {
    this.#channel = channel;
    this.#client = createClient(BlobServiceSchema, channel.transport);
  }

  async has(digest: Digest, options?: ServiceOptions): Promise<boolean> {
    return (await this.#stat(digest, false, options)) !== undefined;
  }

  /** A peer that tells no chunks is asked for the whole blob, for its length stands nowhere else. */
  async stat(digest: Digest, options?: ServiceOptions): Promise<BlobStat | undefined> {
    options?.signal?.throwIfAborted();
    if (digest.equals(EMPTY_BLOB)) return { size: 0, chunks: [] };
    const stat = await this.#stat(digest, true, options);
    if (stat === undefined) return undefined;
    if (stat.chunks.length > 0) {
      const chunks = stat.chunks.map((chunk, i) => ({
        digest: digestFrom(chunk.digest, `chunks[${i}].digest`),
        size: sizeFrom(chunk.size, `chunks[${i}].size`),
      }));
      return { size: chunks.reduce((sum, chunk) => sum + chunk.size, 0), chunks };
    }
    const bytes = await this.read(digest, options);
    if (bytes === undefined) return undefined;
    let size = 0;
    for await (const piece of bytes) size += piece.length;
    return { size, chunks: [{ digest, size }] };
  }

  async read(
    digest: Digest,
    options: ReadBlobOptions = {},
  ): Promise<AsyncIterable<Uint8Array> | undefined> {
    const { signal, offset = 0, length = Number.POSITIVE_INFINITY } = options;
    signal?.throwIfAborted();
    if (digest.equals(EMPTY_BLOB)) return (async function* () {})();
    const pieces = this.#pieces(digest, signal);
    const first = await pieces.next();
    if (first.value === 'absent') return undefined;
    return within(this.#verified(digest, pieces), offset, offset + length);
  }

  openWrite(options?: ServiceOptions): BlobWriter {
    return new GrpcBlobWriter(this.#channel, this.#client, options?.signal);
  }

  async #stat(digest: Digest, sendChunks: boolean, options: ServiceOptions | undefined) {
    const signal = options?.signal;
    signal?.throwIfAborted();
    try {
      const request = { digest: digest.bytes, sendChunks };
      return await this.#client.stat(request, callOptions(this.#channel, signal));
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw this.#failure(error, 'Stat', signal);
    }
  }

  /** First whether it is there, then its pieces. */
  async *#pieces(
    digest: Digest,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<'absent' | 'present' | Uint8Array, void, undefined> {
    let begun = false;
    const pieces = messagesOf((call) => this.#client.read({ digest: digest.bytes }, call), {
      channel: this.#channel,
      method: 'Read',
      signal,
    });
    try {
      for await (const { data } of pieces) {
        if (!begun) yield 'present';
        begun = true;
        if (data.length > 0) yield data;
      }
      if (!begun) yield 'present';
    } catch (error) {
      if (!begun && isNotFound(error)) yield 'absent';
      else throw this.#failure(error, 'Read', signal);
    }
  }

  async *#verified(
    digest: Digest,
    pieces: AsyncIterable<'absent' | 'present' | Uint8Array>,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const hasher = new DigestHasher();
    const held: Uint8Array[] = [];
    let size = 0;
    for await (const piece of pieces) {
      if (typeof piece === 'string') continue;
      hasher.update(piece);
      held.push(piece);
      size += piece.length;
      if (size <= HELD_BYTES) continue;
      while (held.length > 1) yield held.shift() ?? EMPTY;
    }
    const actual = hasher.finish();
    if (!actual.equals(digest)) throw otherBlob(digest, actual);
    yield* held;
  }

  #failure(error: unknown, method: string, signal: AbortSignal | undefined): unknown {
    return fromConnectError(error, { url: this.#channel.url, method }, signal);
  }
}

/** The bytes from `start` to `end`; what lies before is read and dropped, for peers give whole blobs. */
async function* within(
  bytes: AsyncIterable<Uint8Array>,
  start: number,
  end: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (start >= end) return;
  let position = 0;
  for await (const piece of bytes) {
    const wanted = piece.subarray(
      Math.max(0, start - position),
      Math.min(piece.length, Math.max(0, end - position)),
    );
    position += piece.length;
    if (wanted.length > 0) yield wanted;
    if (position >= end) return;
  }
}

function callOptions({ timeoutMs }: GrpcChannel, signal: AbortSignal | undefined) {
  return signal === undefined ? { timeoutMs } : { timeoutMs, signal };
}

function signalOf(caller: AbortSignal | undefined, own: AbortSignal): AbortSignal {
  return caller === undefined ? own : AbortSignal.any([caller, own]);
}

/** Sends one blob. */
class GrpcBlobWriter implements BlobWriter {
  readonly #channel: GrpcChannel;
  readonly #client: Client<typeof BlobServiceSchema>;
  readonly #signal: AbortSignal | undefined;
  readonly #abort = new AbortController();
  readonly #hasher = new DigestHasher();
  readonly #stream = new UploadStream<ReturnType<typeof pieceOf>>();
  #call: Promise<Digest> | undefined;
  #size = 0;

  constructor(
    channel: GrpcChannel,
    client: Client<typeof BlobServiceSchema>,
    signal: AbortSignal | undefined,
  ) {
    this.#channel = channel;
    this.#client = client;
    this.#signal = signal;
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#signal?.throwIfAborted();
    this.#begin();
    this.#hasher.update(bytes);
    this.#size += bytes.length;
    for (let at = 0; at < bytes.length; at += BLOB_PIECE_BYTES) {
      // a copy: the transport may still send it when the caller reuses the bytes
      await this.#stream.write(pieceOf(bytes.slice(at, at + BLOB_PIECE_BYTES)));
    }
  }

  async close(): Promise<{ digest: Digest; size: number }> {
    this.#signal?.throwIfAborted();
    const call = this.#begin();
    this.#stream.end();
    const told = await call;
    const digest = this.#hasher.finish();
    if (!told.equals(digest)) throw otherBlob(digest, told);
    return { digest, size: this.#size };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    this.#stream.abandon();
    // that it was given up is the outcome
    await this.#call?.catch(() => {});
  }

  #begin(): Promise<Digest> {
    if (this.#call === undefined) {
      this.#call = this.#put();
      // told by close(), or of no interest
      this.#call.catch(() => this.#stream.leave());
    }
    return this.#call;
  }

  async #put(): Promise<Digest> {
    const signal = signalOf(this.#signal, this.#abort.signal);
    try {
      const response = await this.#client.put(this.#stream, { signal });
      return digestFrom(response.digest, 'digest');
    } catch (error) {
      const facts = { url: this.#channel.url, method: 'Put' };
      throw fromConnectError(error, facts, this.#signal);
    }
  }
}

function pieceOf(data: Uint8Array) {
  return create(BlobChunkSchema, { data });
}
