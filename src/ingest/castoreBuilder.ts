/**
 * The synchronous core of the ingest: what a NAR parser finds becomes castore content, in batches
 * (`contentBatch.ts`).
 *
 * The contents of files are copied once, to where their chunks will lie, and cut there; the batch then
 * is that memory. Only a chunk that has not ended when its batch is full is copied again, into the next.
 */
import { EMPTY } from '../bytes.ts';
import { CHUNK_MIN_BYTES, CutFinder } from '../castore/chunker.ts';
import { Digest, DigestHasher } from '../castore/digest.ts';
import { Directory, type DirectoryEntry } from '../castore/directory.ts';
import { FileNode, type Node, SymlinkNode } from '../castore/node.ts';
import type { NarHandler } from '../nar/parser.ts';
import { type ContentBatch, PartKind, RecordWriter } from './contentBatch.ts';

/** How many bytes of content a batch has at most; a chunk has a quarter of it. */
const BATCH_BYTES = 1024 * 1024;

const EMPTY_BLOB = Digest.of(EMPTY);

/** A file that is being read. */
interface OpenFile {
  readonly name: Uint8Array;
  readonly sizeBytes: number;
  readonly executable: boolean;
  /** Of the whole; one too small to be cut is its only chunk and is hashed once. */
  readonly hasher: DigestHasher | undefined;
}

/** Builds the castore content of one NAR. */
export class CastoreBuilder implements NarHandler {
  readonly #open: { name: Uint8Array; entries: DirectoryEntry[] }[] = [];
  readonly #cuts = new CutFinder();
  readonly #records = new RecordWriter();
  readonly #blockBytes: number;
  #block: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  /** Up to here the block's content has its records; behind it lies the chunk that has not ended. */
  #start = 0;
  #end = 0;
  #full: ContentBatch[] = [];
  #file: OpenFile | undefined;
  #root: Node | undefined;

  /** @param narSizeBytes about how long the NAR is, where that is known: small ones take little memory */
  constructor(narSizeBytes: number = Number.POSITIVE_INFINITY) {
    this.#blockBytes = Math.min(BATCH_BYTES, narSizeBytes);
  }

  /** The root node, once the NAR is complete. */
  get root(): Node | undefined {
    return this.#root;
  }

  /** Hands out the batches that are full. */
  takeFull(): ContentBatch[] {
    const batches = this.#full;
    this.#full = [];
    return batches;
  }

  /** Hands out all that is finished and was not handed out. */
  take(): ContentBatch[] {
    this.#turnOver(0);
    return this.takeFull();
  }

  startDirectory(name: Uint8Array): void {
    this.#open.push({ name, entries: [] });
  }

  endDirectory(): void {
    const closed = this.#open.pop();
    if (closed === undefined) throw new TypeError('endDirectory without startDirectory');
    const directory = new Directory(closed.entries);
    const encoded = directory.encode();
    if (this.#end + encoded.length > this.#block.length) this.#turnOver(encoded.length);
    this.#block.set(encoded, this.#end);
    this.#end += encoded.length;
    this.#finish(PartKind.directory, encoded.length, directory.digest);
    this.#add(closed.name, directory.node);
  }

  startFile(name: Uint8Array, sizeBytes: number, executable: boolean): void {
    const hasher = sizeBytes > CHUNK_MIN_BYTES ? new DigestHasher() : undefined;
    this.#file = { name, sizeBytes, executable, hasher };
  }

  fileData(bytes: Uint8Array): void {
    const file = this.#openFile();
    file.hasher?.update(bytes);
    for (let taken = 0; taken < bytes.length; ) {
      if (this.#end === this.#block.length) this.#turnOver(1);
      const piece = bytes.subarray(taken, taken + this.#block.length - this.#end);
      this.#block.set(piece, this.#end);
      this.#end += piece.length;
      taken += piece.length;
      if (file.hasher !== undefined) this.#cut();
    }
  }

  endFile(): void {
    const { name, sizeBytes, executable, hasher } = this.#openFile();
    this.#file = undefined;
    this.#cuts.reset();
    const rest = this.#end - this.#start;
    let last = EMPTY_BLOB;
    if (rest > 0) {
      last = Digest.of(this.#block.subarray(this.#start, this.#end));
      this.#finish(PartKind.chunk, rest, last);
    }
    const digest = hasher?.finish() ?? last;
    this.#finish(PartKind.blob, 0, digest);
    this.#add(name, new FileNode(digest, sizeBytes, executable));
  }

  symlink(name: Uint8Array, target: Uint8Array): void {
    this.#add(name, new SymlinkNode(target));
  }

  #openFile(): OpenFile {
    if (this.#file === undefined) throw new TypeError('a file is not open');
    return this.#file;
  }

  #cut(): void {
    for (;;) {
      const length = this.#cuts.find(this.#block, this.#start, this.#end);
      if (length === 0) return;
      const chunk = this.#block.subarray(this.#start, this.#start + length);
      this.#finish(PartKind.chunk, length, Digest.of(chunk));
    }
  }

  /** Records the part that ends the finished content. */
  #finish(kind: PartKind, length: number, digest: Digest): void {
    this.#records.add(kind, length, digest);
    this.#start += length;
    if (this.#records.isFull) this.#turnOver(0);
  }

  /** Begins another block, with room for `moreBytes`; the one there is becomes a batch. */
  #turnOver(moreBytes: number): void {
    const open = this.#block.subarray(this.#start, this.#end);
    const records = this.#records.take();
    if (records.length > 0) {
      this.#full.push({ bytes: this.#block.subarray(0, this.#start), records });
    }
    const needed = open.length + moreBytes;
    const blockBytes = needed > 0 ? Math.max(this.#blockBytes, needed) : 0;
    // not cleared: it is written before it is read
    this.#block = new Uint8Array(Buffer.allocUnsafeSlow(blockBytes).buffer);
    this.#block.set(open);
    this.#start = 0;
    this.#end = open.length;
  }

  #add(name: Uint8Array, node: Node): void {
    const parent = this.#open.at(-1);
    if (parent === undefined) this.#root = node;
    else parent.entries.push({ name, node });
  }
}
