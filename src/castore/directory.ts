/**
 * Castore directories and their canonical encoding, whose BLAKE3 is their digest.
 *
 *     Directory      { directories = 1 repeated, files = 2 repeated, symlinks = 3 repeated }
 *     DirectoryEntry { name = 1, digest = 2, size = 3 }
 *     FileEntry      { name = 1, digest = 2, size = 3, executable = 4 }
 *     SymlinkEntry   { name = 1, target = 2 }
 *     Entry          { oneof: directory = 1, file = 2, symlink = 3 }
 *
 * Each list is sorted by the bytes of its names; names are unique over all three. Decoding refuses
 * whatever this encoder would not have written, so digest and directory determine each other.
 *
 * Source: snix `castore/protos/castore.proto` and `castore/src/directoryservice/directory.rs`.
 */
import { compareBytes, copyBytes, displayBytes, EMPTY, equalBytes } from '../bytes.ts';
import { type ErrorFacts, NarthexError } from '../errors.ts';
import { Digest } from './digest.ts';
import { checkName, DirectoryNode, FileNode, type Node, SymlinkNode } from './node.ts';
import { LENGTH_DELIMITED, ProtobufReader, ProtobufWriter, VARINT } from './protobuf.ts';

/** A name in a directory, and what lies under it. */
export interface DirectoryEntry {
  /** 1 to 255 bytes. */
  readonly name: Uint8Array;
  readonly node: Node;
}

const LISTS = { directory: 1, file: 2, symlink: 3 } as const;

/** A directory: entries with unique names, sorted by the names' bytes. */
export class Directory {
  /** Sorted by the bytes of the names. */
  readonly entries: readonly DirectoryEntry[];
  /** Number of all descendants: what {@link DirectoryNode.size} says of this directory. */
  readonly size: number;
  #encoded: Uint8Array | undefined;
  #digest: Digest | undefined;

  /**
   * @param entries in any order
   * @throws DIRECTORY_INVALID a name stands twice, or there are 2^53 descendants
   * @throws NODE_INVALID a name may not stand in a directory
   */
  constructor(entries: Iterable<DirectoryEntry>) {
    const sorted = [...entries];
    // what a NAR or an encoding holds is sorted already
    if (!isSorted(sorted)) sorted.sort((a, b) => compareBytes(a.name, b.name));
    let size = 0;
    let previous: Uint8Array | undefined;
    for (const { name, node } of sorted) {
      checkName(name);
      if (previous !== undefined && equalBytes(previous, name)) {
        throw invalid(`the name "${displayBytes(name)}" stands twice`, {
          field: 'name',
          actual: displayBytes(name),
        });
      }
      previous = name;
      size += 1 + (node.type === 'directory' ? node.size : 0);
    }
    if (!Number.isSafeInteger(size)) {
      throw invalid('more than 2^53 nodes are below it', { field: 'size' });
    }
    this.entries = sorted;
    this.size = size;
  }

  /**
   * Reads a canonical encoding.
   * @throws DIRECTORY_INVALID not canonical protobuf, names unsorted or twice, unknown fields
   * @throws NODE_INVALID | DIGEST_INVALID an entry is malformed
   */
  static decode(encoded: Uint8Array): Directory {
    const reader = new ProtobufReader(encoded, 'Directory');
    const entries: DirectoryEntry[] = [];
    let list = 0;
    let previous: Uint8Array = EMPTY;
    while (!reader.done) {
      const { field, wireType } = reader.tag();
      if (wireType !== LENGTH_DELIMITED || field < list || field > LISTS.symlink || field === 0) {
        throw reader.error(`field ${field} of wire type ${wireType} is out of order or unknown`);
      }
      if (field > list) previous = EMPTY;
      list = field;
      const entry = decodeListEntry(field, reader.bytes());
      if (compareBytes(previous, entry.name) >= 0) {
        throw reader.error(`names are not sorted: "${displayBytes(entry.name)}"`);
      }
      previous = entry.name;
      entries.push(entry);
    }
    return new Directory(entries);
  }

  /** The node that stands for this directory in its parent. */
  get node(): DirectoryNode {
    return new DirectoryNode(this.digest, this.size);
  }

  /** BLAKE3 of the canonical encoding. */
  get digest(): Digest {
    this.#digest ??= Digest.of(this.encode());
    return this.#digest;
  }

  /** What lies under `name`, by binary search. */
  get(name: Uint8Array): Node | undefined {
    let low = 0;
    let high = this.entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const entry = this.entries[middle];
      if (entry === undefined) return undefined;
      const order = compareBytes(entry.name, name);
      if (order === 0) return entry.node;
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return undefined;
  }

  /** The canonical encoding. */
  encode(): Uint8Array {
    if (this.#encoded === undefined) {
      const writer = new ProtobufWriter();
      for (const [type, field] of Object.entries(LISTS)) {
        for (const { name, node } of this.entries) {
          if (node.type === type) writer.message(field, encodeListEntry(name, node));
        }
      }
      this.#encoded = writer.finish();
    }
    return this.#encoded;
  }
}

/**
 * The canonical encoding of an `Entry`: a node and its name, which is empty where the name is told
 * by other means (the closure digest, infused NAR URLs).
 */
export function encodeEntry(name: Uint8Array, node: Node): Uint8Array {
  return new ProtobufWriter().message(LISTS[node.type], encodeListEntry(name, node)).finish();
}

/**
 * Reads what {@link encodeEntry} wrote. The name is not checked: it may be empty, or a base name.
 * @throws DIRECTORY_INVALID | NODE_INVALID | DIGEST_INVALID
 */
export function decodeEntry(encoded: Uint8Array): DirectoryEntry {
  const reader = new ProtobufReader(encoded, 'Entry');
  const { field, wireType } = reader.tag();
  if (wireType !== LENGTH_DELIMITED || field < LISTS.directory || field > LISTS.symlink) {
    throw reader.error(`no field ${field} of wire type ${wireType}`);
  }
  const entry = decodeListEntry(field, reader.bytes());
  if (!reader.done) throw reader.error('more than one node');
  return entry;
}

function isSorted(entries: readonly DirectoryEntry[]): boolean {
  let previous: Uint8Array = EMPTY;
  for (const { name } of entries) {
    if (compareBytes(previous, name) > 0) return false;
    previous = name;
  }
  return true;
}

function encodeListEntry(name: Uint8Array, node: Node): Uint8Array {
  const writer = new ProtobufWriter().bytes(1, name);
  switch (node.type) {
    case 'directory':
      return writer.bytes(2, node.digest.bytes).uint(3, node.size).finish();
    case 'file':
      return writer
        .bytes(2, node.digest.bytes)
        .uint(3, node.size)
        .uint(4, node.executable ? 1 : 0)
        .finish();
    case 'symlink':
      return writer.bytes(2, node.target).finish();
  }
}

const ENTRY_FIELDS = ['', 'name', 'digest or target', 'size', 'executable'] as const;

function decodeListEntry(list: number, encoded: Uint8Array): DirectoryEntry {
  const reader = new ProtobufReader(encoded, 'Directory entry');
  const last = list === LISTS.file ? 4 : list === LISTS.directory ? 3 : 2;
  let name: Uint8Array = EMPTY;
  let content: Uint8Array = EMPTY;
  let size = 0;
  let executable = false;
  let previous = 0;
  while (!reader.done) {
    const { field, wireType } = reader.tag();
    if (
      field <= previous ||
      field > last ||
      wireType !== (field <= 2 ? LENGTH_DELIMITED : VARINT)
    ) {
      throw reader.error(`field ${field} of wire type ${wireType} is out of order or unknown`);
    }
    previous = field;
    const value = field <= 2 ? reader.bytes() : reader.uint();
    if (value === 0 || (typeof value === 'object' && value.length === 0)) {
      throw reader.error(`${ENTRY_FIELDS[field]} is written out though it is the default`);
    }
    // copies, so that an entry does not keep the whole encoding alive
    if (typeof value === 'object') {
      if (field === 1) name = copyBytes(value);
      else content = copyBytes(value);
    } else if (field === 3) {
      size = value;
    } else if (value === 1) {
      executable = true;
    } else {
      throw reader.error(`executable is ${value}`);
    }
  }
  switch (list) {
    case LISTS.directory:
      return { name, node: new DirectoryNode(new Digest(content), size) };
    case LISTS.file:
      return { name, node: new FileNode(new Digest(content), size, executable) };
    default:
      return { name, node: new SymlinkNode(content) };
  }
}

function invalid(message: string, facts: ErrorFacts): NarthexError {
  return new NarthexError('DIRECTORY_INVALID', `a directory is invalid: ${message}`, facts);
}
