/**
 * Castore content on its way from whoever reads a NAR to the services, which may be on another thread:
 * the *parts* of one or more megabytes of NAR, without an object for each.
 *
 *     batch  = bytes records        two blocks of memory, which are handed on and not copied
 *     bytes  = what the chunks and directories hold, one after the other
 *     record = kind(4) length(4) digest(32)          little-endian
 *
 * The parts come in an order that any store can take as it comes: the chunks of a blob in order, then
 * the blob, whose chunks are those that came since the last blob; each directory after all below it.
 */
import { EMPTY } from '../bytes.ts';
import type { Chunk, ChunkedBlob, ChunkRef } from '../castore/blobService.ts';
import { DIGEST_BYTES, Digest } from '../castore/digest.ts';
import { Directory } from '../castore/directory.ts';

/** A directory, after all those it refers to. */
export interface DirectoryPart {
  readonly type: 'directory';
  readonly directory: Directory;
}

/** A piece of castore content. */
export type ContentPart = Chunk | ChunkedBlob | DirectoryPart;

/** Parts of content; whoever is handed one owns its memory. */
export interface ContentBatch {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** `RECORD_BYTES` for each part. */
  readonly records: Uint8Array<ArrayBuffer>;
}

/** What a record is about. */
export const PartKind = { chunk: 1, blob: 2, directory: 3 } as const;
export type PartKind = (typeof PartKind)[keyof typeof PartKind];

const LENGTH_AT = 4;
const DIGEST_AT = 8;
/** Bytes of a record. */
export const RECORD_BYTES: number = DIGEST_AT + DIGEST_BYTES;

/** A batch has no more parts than this: a NAR may consist of millions of empty files. */
const MOST_RECORDS = 4096;

/** Writes the records of one batch after the other. */
export class RecordWriter {
  #view = new DataView(new ArrayBuffer(64 * RECORD_BYTES));
  #length = 0;

  /** Whether there should be no more before {@link take}. */
  get isFull(): boolean {
    return this.#length >= MOST_RECORDS * RECORD_BYTES;
  }

  /** Adds a record. `length` is the part's in the batch's bytes. */
  add(kind: PartKind, length: number, digest: Digest): void {
    if (this.#length === this.#view.byteLength) {
      this.#view = new DataView(this.#view.buffer.transfer(2 * this.#length));
    }
    this.#view.setUint32(this.#length, kind, true);
    this.#view.setUint32(this.#length + LENGTH_AT, length, true);
    new Uint8Array(this.#view.buffer).set(digest.bytes, this.#length + DIGEST_AT);
    this.#length += RECORD_BYTES;
  }

  /** The records since the last call. */
  take(): Uint8Array<ArrayBuffer> {
    const records = new Uint8Array(this.#view.buffer.slice(0, this.#length));
    this.#length = 0;
    return records;
  }
}

/** Turns batches of one NAR, in order, into parts. */
export class ContentBatchReader {
  /** Those of the blob that has not ended. */
  #chunks: ChunkRef[] = [];

  /**
   * @returns parts whose bytes and digests are views of the batch's
   * @throws TypeError the batch is none: it comes from us
   */
  parts({ bytes, records }: ContentBatch): ContentPart[] {
    const view = new DataView(records.buffer, records.byteOffset, records.length);
    const parts: ContentPart[] = [];
    let at = 0;
    for (let record = 0; record < records.length; record += RECORD_BYTES) {
      const kind = view.getUint32(record, true);
      const length = view.getUint32(record + LENGTH_AT, true);
      // not copied: memory of their own for so few bytes costs native code more than they are worth
      const digest = () => new Digest(records.subarray(record + DIGEST_AT, record + RECORD_BYTES));
      const content = length === 0 ? EMPTY : bytes.subarray(at, at + length);
      at += length;
      if (kind === PartKind.chunk) parts.push(this.#chunk(digest(), content));
      else if (kind === PartKind.blob) parts.push(this.#blob(digest()));
      else if (kind === PartKind.directory) {
        parts.push({ type: 'directory', directory: Directory.decode(content) });
      } else throw new TypeError(`there is no part of kind ${kind}`);
    }
    return parts;
  }

  #chunk(digest: Digest, bytes: Uint8Array): Chunk {
    this.#chunks.push({ digest, size: bytes.length });
    return { type: 'chunk', digest, bytes };
  }

  #blob(digest: Digest): ChunkedBlob {
    const chunks = this.#chunks;
    this.#chunks = [];
    let size = 0;
    for (const chunk of chunks) size += chunk.size;
    return { type: 'blob', digest, size, chunks };
  }
}
