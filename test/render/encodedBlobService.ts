/** A blob service in memory with the capabilities that the `.nar.zst` form needs. */
import { zstdCompressSync } from 'node:zlib';
import type {
  BlobService,
  BlobStat,
  BlobWriter,
  EncodedChunk,
  ReadBlobOptions,
} from '../../src/castore/blobService.ts';
import { Digest } from '../../src/castore/digest.ts';
import { MemoryBlobService } from '../../src/castore/memoryBlobService.ts';
import { collect } from './collect.ts';

/** How the chunks of an {@link EncodedBlobService} lie at rest. */
export interface EncodedBlobServiceOptions {
  readonly chunkBytes: number;
  /** Which chunks are compressed, by their number in the service. */
  readonly compressed: (index: number) => boolean;
}

/** Keeps blobs in chunks of a fixed length, some of them as zstd frames. */
export class EncodedBlobService implements BlobService {
  readonly #blobs = new MemoryBlobService();
  readonly #chunks = new Map<string, { form: EncodedChunk; bytes: Uint8Array }>();
  readonly #options: EncodedBlobServiceOptions;
  /** How many chunks were read. */
  reads = 0;

  constructor(options: EncodedBlobServiceOptions) {
    this.#options = options;
  }

  has(digest: Digest): Promise<boolean> {
    return this.#blobs.has(digest);
  }

  stat(digest: Digest): Promise<BlobStat | undefined> {
    return this.#blobs.stat(digest);
  }

  read(digest: Digest, options?: ReadBlobOptions): Promise<AsyncIterable<Uint8Array> | undefined> {
    return this.#blobs.read(digest, options);
  }

  openWrite(): BlobWriter {
    return this.#blobs.openWrite();
  }

  async statEncoded(digest: Digest): Promise<readonly EncodedChunk[] | undefined> {
    const blob = await this.#blobs.read(digest);
    if (blob === undefined) return undefined;
    const bytes = await collect(blob);
    const forms: EncodedChunk[] = [];
    for (let at = 0; at < bytes.length; at += this.#options.chunkBytes) {
      forms.push(this.#encode(bytes.subarray(at, at + this.#options.chunkBytes)));
    }
    return forms;
  }

  async readEncoded({ digest }: EncodedChunk): Promise<Uint8Array> {
    this.reads += 1;
    const chunk = this.#chunks.get(digest.key);
    if (chunk === undefined) throw new Error(`no chunk ${digest}`);
    return chunk.bytes;
  }

  /** Changes how all chunks lie at rest, as a compression in the background does. */
  compressAll(): void {
    const plain = [...this.#chunks.values()];
    this.#chunks.clear();
    for (const { form, bytes } of plain) {
      if (form.encoding === 'raw') this.#encode(bytes, true);
    }
  }

  #encode(bytes: Uint8Array, forced = false): EncodedChunk {
    const digest = Digest.of(bytes);
    const known = this.#chunks.get(digest.key);
    if (known !== undefined) return known.form;
    const compressed = forced || this.#options.compressed(this.#chunks.size);
    const encoded = compressed ? zstdCompressSync(bytes) : bytes;
    const form: EncodedChunk = {
      digest,
      size: bytes.length,
      encoding: compressed ? 'zstd' : 'raw',
      encodedSize: encoded.length,
    };
    this.#chunks.set(digest.key, { form, bytes: encoded });
    return form;
  }
}
