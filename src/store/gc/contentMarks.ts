/** Which content is reached from some roots. */
import type { Digest } from '../../castore/digest.ts';
import type { Node } from '../../castore/node.ts';
import { ChunkList } from '../chunkList.ts';
import { RECORD_HEADER_BYTES } from '../packFormat.ts';
import { decodeLocation } from '../schema.ts';
import type { Tables } from '../storeIndex.ts';
import { DigestSet } from './digestSet.ts';
import type { DirectoryReader } from './directoryReader.ts';
import type { Stamp } from './leaseTable.ts';

/** What a record takes beside its data: its header, and about as much in the index. */
const RECORD_OVERHEAD_BYTES = 2 * RECORD_HEADER_BYTES;

/**
 * Marks, from above to below. What is not in the index is passed over: there is nothing to be kept. The
 * generators yield after every directory, so that who can wait lets others have their turn.
 */
export class ContentMarks {
  readonly directories = new DigestSet();
  readonly blobs = new DigestSet();
  readonly chunks = new DigestSet();
  readonly #tables: Tables;
  readonly #reader: DirectoryReader;
  #bytes = 0;

  constructor(tables: Tables, reader: DirectoryReader) {
    this.#tables = tables;
    this.#reader = reader;
  }

  /** What the marked content takes on disk. */
  get bytes(): number {
    return this.#bytes;
  }

  /** @throws DIGEST_MISMATCH | STORE_INVALID | STORE_FAILED a directory cannot be read */
  *markNode(node: Node): Generator<void, void, undefined> {
    if (node.type === 'directory') yield* this.markDirectory(node.digest);
    else if (node.type === 'file') this.#markFile(node.digest);
  }

  /** @throws as {@link markNode} */
  *markStamp({ kind, digest }: Stamp): Generator<void, void, undefined> {
    if (kind === 'directory') yield* this.markDirectory(digest);
    else if (kind === 'blob' || kind === 'chunk') this.#markFile(digest);
  }

  /** @throws as {@link markNode} */
  *markDirectory(root: Digest): Generator<void, void, undefined> {
    const toVisit = [root];
    for (let digest = toVisit.pop(); digest !== undefined; digest = toVisit.pop()) {
      if (this.directories.has(digest)) continue;
      const stored = this.#tables.directory.get(digest.bytes);
      if (stored === undefined) continue;
      const location = decodeLocation(stored);
      for (const { node } of this.#reader.read(digest, location).entries) {
        if (node.type === 'directory') toVisit.push(node.digest);
        else if (node.type === 'file') this.#markFile(node.digest);
      }
      this.directories.add(digest);
      this.#bytes += RECORD_OVERHEAD_BYTES + location.encodedSize;
      yield;
    }
  }

  /** A blob of one chunk is that chunk. */
  #markFile(digest: Digest): void {
    this.#markChunk(digest);
    if (this.blobs.has(digest)) return;
    const list = this.#tables.blob.get(digest.bytes);
    if (list === undefined) return;
    this.blobs.add(digest);
    this.#bytes += RECORD_OVERHEAD_BYTES + list.length;
    const chunks = ChunkList.parse(digest, list);
    for (let index = 0; index < chunks.count; index++)
      this.#markChunk(chunks.chunkAt(index).digest);
  }

  #markChunk(digest: Digest): void {
    if (this.chunks.has(digest)) return;
    const stored = this.#tables.chunk.get(digest.bytes);
    if (stored === undefined) return;
    this.chunks.add(digest);
    this.#bytes += RECORD_OVERHEAD_BYTES + decodeLocation(stored).encodedSize;
  }
}

/** Does all at once. */
export function runNow(steps: Iterable<void>): void {
  for (const _ of steps);
}

/** Steps between which others have their turn. */
const STEPS_PER_TURN = 256;

/** Does it with pauses. @throws the signal's reason */
export async function runInTurns(steps: Iterable<void>, signal?: AbortSignal): Promise<void> {
  let left = STEPS_PER_TURN;
  for (const _ of steps) {
    if (--left > 0) continue;
    signal?.throwIfAborted();
    await new Promise(setImmediate);
    left = STEPS_PER_TURN;
  }
}
