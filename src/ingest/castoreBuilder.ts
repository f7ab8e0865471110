/**
 * The synchronous core of the ingest: what a NAR parser finds becomes castore content.
 *
 * Content comes out as *parts*, in an order that any store can take as it comes: the chunks of a
 * blob in order, then the blob; each directory after all those below it.
 */
import { EMPTY } from '../bytes.ts';
import type { Chunk, ChunkedBlob, ChunkRef } from '../castore/blobService.ts';
import { CHUNK_MIN_BYTES, Chunker } from '../castore/chunker.ts';
import { Digest, DigestHasher } from '../castore/digest.ts';
import { Directory, type DirectoryEntry } from '../castore/directory.ts';
import { FileNode, type Node, SymlinkNode } from '../castore/node.ts';
import type { NarHandler } from '../nar/parser.ts';

/** A directory, after all those it refers to. */
export interface DirectoryPart {
  readonly type: 'directory';
  readonly directory: Directory;
}

/** A piece of castore content. */
export type ContentPart = Chunk | ChunkedBlob | DirectoryPart;

/** What a part takes besides its content, roughly: its objects and digests. */
const PART_OVERHEAD_BYTES = 256;

const EMPTY_BLOB: ChunkedBlob = { type: 'blob', digest: Digest.of(EMPTY), size: 0, chunks: [] };

/** Takes one file's bytes and gives out its chunks and its blob. */
interface FileSink {
  push(bytes: Uint8Array): void;
  finish(): ChunkedBlob;
}

/** Builds the castore content of one NAR. */
export class CastoreBuilder implements NarHandler {
  #parts: ContentPart[] = [];
  #pendingBytes = 0;
  readonly #open: { name: Uint8Array; entries: DirectoryEntry[] }[] = [];
  #file: { name: Uint8Array; executable: boolean; sink: FileSink } | undefined;
  #root: Node | undefined;

  /** The root node, once the NAR is complete. */
  get root(): Node | undefined {
    return this.#root;
  }

  /**
   * How many bytes the parts take that wait to be taken, roughly. Chunks are not all of it: a NAR may
   * consist of millions of small directories and files.
   */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** Hands out the parts that are finished and not yet taken. */
  take(): ContentPart[] {
    const parts = this.#parts;
    this.#parts = [];
    this.#pendingBytes = 0;
    return parts;
  }

  startDirectory(name: Uint8Array): void {
    this.#open.push({ name, entries: [] });
  }

  endDirectory(): void {
    const closed = this.#open.pop();
    if (closed === undefined) throw new TypeError('endDirectory without startDirectory');
    const directory = new Directory(closed.entries);
    this.#emit({ type: 'directory', directory }, directory.encode().length);
    this.#add(closed.name, directory.node);
  }

  startFile(name: Uint8Array, sizeBytes: number, executable: boolean): void {
    const emit = (digest: Digest, bytes: Uint8Array) =>
      this.#emit({ type: 'chunk', digest, bytes }, bytes.length);
    const sink = sizeBytes <= CHUNK_MIN_BYTES ? wholeFile(sizeBytes, emit) : chunkedFile(emit);
    this.#file = { name, executable, sink };
  }

  fileData(bytes: Uint8Array): void {
    this.#file?.sink.push(bytes);
  }

  endFile(): void {
    const file = this.#file;
    if (file === undefined) throw new TypeError('endFile without startFile');
    this.#file = undefined;
    const blob = file.sink.finish();
    this.#emit(blob, 0);
    this.#add(file.name, new FileNode(blob.digest, blob.size, file.executable));
  }

  symlink(name: Uint8Array, target: Uint8Array): void {
    this.#add(name, new SymlinkNode(target));
  }

  #emit(part: ContentPart, contentBytes: number): void {
    this.#parts.push(part);
    this.#pendingBytes += PART_OVERHEAD_BYTES + contentBytes;
  }

  #add(name: Uint8Array, node: Node): void {
    const parent = this.#open.at(-1);
    if (parent === undefined) this.#root = node;
    else parent.entries.push({ name, node });
  }
}

type EmitChunk = (digest: Digest, bytes: Uint8Array) => void;

/** A file too small to be cut: its only chunk is the blob itself, so it is hashed once. */
function wholeFile(sizeBytes: number, emit: EmitChunk): FileSink {
  const content = new Uint8Array(sizeBytes);
  let length = 0;
  return {
    push(bytes) {
      content.set(bytes, length);
      length += bytes.length;
    },
    finish() {
      if (sizeBytes === 0) return EMPTY_BLOB;
      const digest = Digest.of(content);
      emit(digest, content);
      return { type: 'blob', digest, size: sizeBytes, chunks: [{ digest, size: sizeBytes }] };
    },
  };
}

function chunkedFile(emit: EmitChunk): FileSink {
  const hasher = new DigestHasher();
  const chunks: ChunkRef[] = [];
  let size = 0;
  const chunker = new Chunker((bytes) => {
    const digest = Digest.of(bytes);
    chunks.push({ digest, size: bytes.length });
    emit(digest, bytes);
  });
  return {
    push(bytes) {
      size += bytes.length;
      hasher.update(bytes);
      chunker.push(bytes);
    },
    finish() {
      chunker.finish();
      return { type: 'blob', digest: hasher.finish(), size, chunks };
    },
  };
}
