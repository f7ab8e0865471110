/**
 * NAR listings: the `.ls` files of binary caches, version 1. They say what a NAR holds and where the
 * contents of each file begin in it (`narOffset`), so that one file can be read by a range request.
 *
 *     listing   = {"version":1,"root":node}
 *     node      = {"type":"directory","entries":{name:node,…}}
 *               | {"type":"regular","size":bytes[,"executable":true][,"narOffset":bytes]}
 *               | {"type":"symlink","target":target}
 *
 * Written in exactly this order, names sorted by bytes, without white space: as Nix writes them
 * (`src/libstore/nar-accessor.cc`, `listNar`, until 2.9; newer versions sort the members by name).
 * Names and targets stand as raw bytes, UTF-8 or not; escaped are `"`, `\` and what is below 0x20.
 *
 * Read in any order and with any white space. Unknown members are ignored, as Nix does. Enforced:
 * the version, the names' and targets' rules of NARs, no member and no name twice, sizes and offsets
 * below 2^53. Not enforced, because it cannot be seen: that a listing agrees with its NAR.
 */
import { NarthexError } from '../errors.ts';
import type { ReadNarOptions } from './events.ts';
import {
  type ListingEntry,
  type ListingFile,
  type ListingSymlink,
  type NarListing,
  quoteBytes,
} from './listingTree.ts';
import { type NarHandler, NarParser } from './parser.ts';

export { type ParseListingOptions, parseListing } from './listingParser.ts';
export type {
  ListingDirectory,
  ListingEntry,
  ListingFile,
  ListingSymlink,
  NarListing,
} from './listingTree.ts';

function renderLeaf(node: ListingFile | ListingSymlink): string {
  if (node.type === 'symlink') return `{"type":"symlink","target":${quoteBytes(node.target)}}`;
  const executable = node.executable ? ',"executable":true' : '';
  const narOffset = node.narOffset === undefined ? '' : `,"narOffset":${node.narOffset}`;
  return `{"type":"regular","size":${node.sizeBytes}${executable}${narOffset}}`;
}

/** Writes a `.ls` file: byte for byte what Nix writes. */
export function renderListing(listing: NarListing): Uint8Array {
  const parts = ['{"version":1,"root":'];
  const open: { readonly entries: readonly ListingEntry[]; next: number }[] = [];
  let node: NarListing | undefined = listing;
  while (node !== undefined || open.length > 0) {
    if (node?.type === 'directory') {
      parts.push('{"type":"directory","entries":{');
      open.push({ entries: node.entries, next: 0 });
    } else if (node !== undefined) parts.push(renderLeaf(node));
    node = undefined;
    const directory = open.at(-1);
    if (directory === undefined) break;
    const entry = directory.entries[directory.next];
    if (entry === undefined) {
      parts.push('}}');
      open.pop();
      continue;
    }
    parts.push(directory.next > 0 ? ',' : '', quoteBytes(entry.name), ':');
    directory.next += 1;
    node = entry.node;
  }
  parts.push('}');
  return Buffer.from(parts.join(''), 'latin1');
}

/** Builds a listing out of what a parser finds. */
class ListingBuilder implements NarHandler {
  root: NarListing | undefined;
  /** Tells how far the NAR is read, in bytes. */
  narOffset: () => number = () => 0;
  readonly #open: ListingEntry[][] = [];

  #add(name: Uint8Array, node: NarListing): void {
    const entries = this.#open.at(-1);
    if (entries === undefined) this.root = node;
    else entries.push({ name, node });
  }

  startDirectory(name: Uint8Array): void {
    const entries: ListingEntry[] = [];
    this.#add(name, { type: 'directory', entries });
    this.#open.push(entries);
  }

  endDirectory(): void {
    this.#open.pop();
  }

  startFile(name: Uint8Array, sizeBytes: number, executable: boolean): void {
    this.#add(name, { type: 'file', sizeBytes, executable, narOffset: this.narOffset() });
  }

  fileData(): void {}

  endFile(): void {}

  symlink(name: Uint8Array, target: Uint8Array): void {
    this.#add(name, { type: 'symlink', target });
  }
}

/**
 * The listing of the NAR that `source` yields, with every `narOffset`.
 * @throws NAR_INVALID, NAR_SIZE_MISMATCH, LIMIT_EXCEEDED, `signal.reason`, what `source` throws
 */
export async function listingOfNar(
  source: AsyncIterable<Uint8Array>,
  options: ReadNarOptions = {},
): Promise<NarListing> {
  const builder = new ListingBuilder();
  const parser = new NarParser(builder, options);
  builder.narOffset = () => parser.offset;
  options.signal?.throwIfAborted();
  for await (const chunk of source) {
    options.signal?.throwIfAborted();
    parser.push(chunk);
  }
  parser.end();
  if (builder.root === undefined) {
    // end() has thrown already; this is for the type checker
    throw new NarthexError('NAR_INVALID', 'the NAR has no root', { offset: 0 });
  }
  return builder.root;
}
