/** Which content is reached from some roots. */
import { EMPTY } from '../../bytes.ts';
import type { Digest } from '../../castore/digest.ts';
import type { Node } from '../../castore/node.ts';
import { NarthexError } from '../../errors.ts';
import { ChunkList } from '../chunkList.ts';
import { RECORD_HEADER_BYTES, type RecordKind } from '../packFormat.ts';
import { decodeLocation } from '../schema.ts';
import { EMPTY_BLOB } from '../storedNode.ts';
import { decodeExtraFile } from '../storeExtraFileService.ts';
import type { Tables } from '../storeIndex.ts';
import { DigestSet } from './digestSet.ts';
import type { DirectoryReader } from './directoryReader.ts';
import type { Stamp } from './leaseTable.ts';

/** What a record takes beside its data: its header, and about as much in the index. */
const RECORD_OVERHEAD_BYTES = 2 * RECORD_HEADER_BYTES;

/**
 * Marks, from above to below. The generators yield after every directory, so that who can wait lets others have
 * their turn.
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

  /**
   * The content of a path. What lies below a row that was lost would be taken for garbage, though a repair would
   * find it: nothing may be missing.
   * @throws DIRECTORY_MISSING | BLOB_MISSING
   * @throws DIGEST_MISMATCH | STORE_INVALID | STORE_FAILED a directory cannot be read
   */
  *markNode(node: Node): Generator<void, void, undefined> {
    if (node.type === 'directory') yield* this.#markDirectory(node.digest, throwMissing);
    else if (node.type === 'file') this.#markFile(node.digest, throwMissing);
  }

  /** What somebody relies on, as far as it is there. @throws DIGEST_MISMATCH | STORE_INVALID | STORE_FAILED */
  *markStamp({ kind, digest }: Stamp): Generator<void, void, undefined> {
    if (kind === 'directory') yield* this.markDirectory(digest);
    else if (kind === 'blob' || kind === 'chunk') this.#markFile(digest, passOver);
  }

  /** A directory and all below it, as far as it is there. @throws as {@link markStamp} */
  *markDirectory(root: Digest): Generator<void, void, undefined> {
    yield* this.#markDirectory(root, passOver);
  }

  /** The contents of extra files, as far as they are there: those of most cannot be had again. @throws as above */
  *markExtraFiles(): Generator<void, void, undefined> {
    for (const { key, value } of this.#tables.extra.withPrefix(EMPTY)) {
      const { digest } = decodeExtraFile(Buffer.from(key).toString('latin1'), value);
      this.#markFile(digest, passOver);
      yield;
    }
  }

  *#markDirectory(root: Digest, onMissing: OnMissing): Generator<void, void, undefined> {
    const toVisit = [root];
    for (let digest = toVisit.pop(); digest !== undefined; digest = toVisit.pop()) {
      if (this.directories.has(digest)) continue;
      const stored = this.#tables.directory.get(digest.bytes);
      if (stored === undefined) {
        onMissing('directory', digest);
        continue;
      }
      const location = decodeLocation(stored);
      for (const { node } of this.#reader.read(digest, location).entries) {
        if (node.type === 'directory') toVisit.push(node.digest);
        else if (node.type === 'file') this.#markFile(node.digest, onMissing);
      }
      this.directories.add(digest);
      this.#bytes += RECORD_OVERHEAD_BYTES + location.encodedSize;
      yield;
    }
  }

  /** A blob of one chunk is that chunk. */
  #markFile(digest: Digest, onMissing: OnMissing): void {
    const isChunk = this.#markChunk(digest);
    if (this.blobs.has(digest)) return;
    const list = this.#tables.blob.get(digest.bytes);
    if (list === undefined) {
      if (!isChunk && !digest.equals(EMPTY_BLOB)) onMissing('blob', digest);
      return;
    }
    this.blobs.add(digest);
    this.#bytes += RECORD_OVERHEAD_BYTES + list.length;
    const chunks = ChunkList.parse(digest, list);
    for (let index = 0; index < chunks.count; index++) {
      const chunk = chunks.chunkAt(index).digest;
      if (!this.#markChunk(chunk)) onMissing('chunk', chunk);
    }
  }

  /** @returns whether it is there */
  #markChunk(digest: Digest): boolean {
    if (this.chunks.has(digest)) return true;
    const stored = this.#tables.chunk.get(digest.bytes);
    if (stored === undefined) return false;
    this.chunks.add(digest);
    this.#bytes += RECORD_OVERHEAD_BYTES + decodeLocation(stored).encodedSize;
    return true;
  }
}

type OnMissing = (kind: RecordKind, digest: Digest) => void;

function passOver(): void {}

function throwMissing(kind: RecordKind, digest: Digest): void {
  throw new NarthexError(
    kind === 'directory' ? 'DIRECTORY_MISSING' : 'BLOB_MISSING',
    `${kind} ${digest} of a path that stays is not there; see: narthex verify --repair`,
    { digest: String(digest) },
  );
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
