/** Writing blobs to the embedded store: whole ones, which are cut here, and ones that are cut already. */
import type {
  BlobWriter,
  ChunkedBlob,
  ChunkedBlobWriter,
  ChunkRef,
} from '../castore/blobService.ts';
import { Chunker } from '../castore/chunker.ts';
import { Digest, DigestHasher } from '../castore/digest.ts';
import { encodeChunkList } from './chunkList.ts';
import type { ContentWriter } from './contentWriter.ts';

/** A writer that holds back more records than this publishes the blobs that are complete. */
const HELD_RECORDS = 16 * 1024;

/** Length in bytes of a blob of these chunks. */
export function sizeOf(chunks: readonly ChunkRef[]): number {
  return chunks.reduce((sum, { size }) => sum + size, 0);
}

/** Puts a blob's chunk list where it has more than one chunk; one chunk is the blob. */
async function addBlob(
  writer: ContentWriter,
  digest: Digest,
  chunks: readonly ChunkRef[],
): Promise<void> {
  if (chunks.length > 1) await writer.addBlob(digest, encodeChunkList(chunks));
}

/** Cuts one blob into chunks and takes them. */
export class StoreBlobWriter implements BlobWriter {
  readonly #writer: ContentWriter;
  readonly #signal: AbortSignal | undefined;
  readonly #hasher = new DigestHasher();
  readonly #chunker: Chunker;
  readonly #chunks: ChunkRef[] = [];
  #cut: Uint8Array[] = [];

  constructor(writer: ContentWriter, signal: AbortSignal | undefined) {
    this.#writer = writer;
    this.#signal = signal;
    this.#chunker = new Chunker((chunk) => this.#cut.push(chunk));
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#signal?.throwIfAborted();
    this.#hasher.update(bytes);
    this.#chunker.push(bytes);
    await this.#takeCut();
  }

  async close(): Promise<{ digest: Digest; size: number }> {
    this.#signal?.throwIfAborted();
    this.#chunker.finish();
    await this.#takeCut();
    const digest = this.#hasher.finish();
    await addBlob(this.#writer, digest, this.#chunks);
    await this.#writer.publish();
    return { digest, size: sizeOf(this.#chunks) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer[Symbol.asyncDispose]();
  }

  async #takeCut(): Promise<void> {
    const cut = this.#cut;
    this.#cut = [];
    for (const bytes of cut) {
      const digest = Digest.of(bytes);
      this.#chunks.push({ digest, size: bytes.length });
      await this.#writer.add('chunk', digest, bytes);
    }
  }
}

/** Takes blobs that are cut already. */
export class StoreChunkedBlobWriter implements ChunkedBlobWriter {
  readonly #writer: ContentWriter;
  readonly #signal: AbortSignal | undefined;

  constructor(writer: ContentWriter, signal: AbortSignal | undefined) {
    this.#writer = writer;
    this.#signal = signal;
  }

  async write(parts: Parameters<ChunkedBlobWriter['write']>[0]): Promise<void> {
    for (const part of parts) {
      this.#signal?.throwIfAborted();
      if (part.type === 'chunk') {
        if (part.bytes.length > 0) await this.#writer.add('chunk', part.digest, part.bytes);
      } else {
        await this.#complete(part);
      }
    }
  }

  async close(): Promise<void> {
    this.#signal?.throwIfAborted();
    await this.#writer.publish();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer[Symbol.asyncDispose]();
  }

  async #complete({ digest, chunks }: ChunkedBlob): Promise<void> {
    await addBlob(this.#writer, digest, chunks);
    if (this.#writer.recordCount > HELD_RECORDS) await this.#writer.publish();
  }
}
