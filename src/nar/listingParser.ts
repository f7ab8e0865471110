/** Reads `.ls` files; `listing.ts` says what they are and what is enforced. */
import { compareBytes, displayBytes, EMPTY } from '../bytes.ts';
import { NarthexError } from '../errors.ts';
import { checkLimit, DEFAULT_LIMITS, type Limits } from '../limits.ts';
import { ByteJsonReader, type JsonToken } from './byteJson.ts';
import type { ListingEntry, NarListing } from './listingTree.ts';
import { isAfter, nameFault, targetFault } from './names.ts';

/** Options of {@link parseListing}. */
export interface ParseListingOptions {
  /** Applied: `listingBytes`, `narDepth`, `narEntries`, `directoryEntries`. */
  readonly limits?: Limits | undefined;
}

/** The one version there is. */
const LISTING_VERSION = 1;

/** A listing nests two JSON objects a directory; the rest is for the outermost and unknown members. */
const JSON_DEPTH_A_DIRECTORY = 2;
const JSON_DEPTH_SPARE = 16;

/** A node whose members are being read. */
interface Draft {
  readonly name: Uint8Array;
  readonly offset: number;
  type?: string;
  entries?: ListingEntry[];
  sizeBytes?: number;
  executable?: boolean;
  narOffset?: number;
  target?: Uint8Array;
}

/**
 * Reads a `.ls` file.
 * @throws LISTING_INVALID with `offset`, LIMIT_EXCEEDED
 */
export function parseListing(bytes: Uint8Array, options: ParseListingOptions = {}): NarListing {
  const limits = options.limits ?? DEFAULT_LIMITS;
  checkLimit(limits, 'listingBytes', bytes.length);
  const reader = new ByteJsonReader(
    bytes,
    limits.narDepth * JSON_DEPTH_A_DIRECTORY + JSON_DEPTH_SPARE,
  );
  let version: number | undefined;
  let root: NarListing | undefined;
  expectToken(reader, 'startObject');
  while (reader.next() === 'key') {
    const key = reader.text;
    if (key === 'version') {
      once(reader, key, version);
      version = readInteger(reader);
      if (version !== LISTING_VERSION) {
        throw reader.invalid(`version ${LISTING_VERSION}`, `version ${version}`);
      }
    } else if (key === 'root') {
      once(reader, key, root);
      root = new ListingReader(reader, limits).readRoot();
    } else reader.skipValue();
  }
  if (version === undefined) throw reader.invalid('a member "version"', 'none');
  if (root === undefined) throw reader.invalid('a member "root"', 'none');
  expectToken(reader, 'end');
  return root;
}

function expectToken(reader: ByteJsonReader, expected: JsonToken): void {
  const actual = reader.next();
  if (actual !== expected) throw reader.invalid(expected, actual);
}

function once(reader: ByteJsonReader, key: string, previous: unknown): void {
  if (previous !== undefined) throw reader.invalid(`"${key}" once`, 'it twice');
}

function readInteger(reader: ByteJsonReader): number {
  expectToken(reader, 'number');
  const text = reader.text;
  const value = /^[0-9]+$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw reader.invalid('a whole number below 2^53', text);
  return value;
}

/** Reads the tree of a listing with a stack of its own: depth is for the limit to say. */
class ListingReader {
  readonly #reader: ByteJsonReader;
  readonly #limits: Limits;
  readonly #open: Draft[] = [];
  #entries = 0;

  constructor(reader: ByteJsonReader, limits: Limits) {
    this.#reader = reader;
    this.#limits = limits;
  }

  readRoot(): NarListing {
    let draft = this.#startNode(EMPTY);
    /** The entries that are being read, or undefined among the members of `draft`. */
    let entries: ListingEntry[] | undefined;
    for (;;) {
      const isKey = this.#reader.next() === 'key';
      if (entries !== undefined) {
        if (isKey) draft = this.#startNode(this.#entryName());
        entries = undefined;
      } else if (isKey) {
        entries = this.#readMember(draft);
      } else {
        const node = this.#finish(draft);
        const { name } = draft;
        this.#open.pop();
        const parent = this.#open.at(-1);
        if (parent?.entries === undefined) return node;
        parent.entries.push({ name, node });
        checkLimit(this.#limits, 'directoryEntries', parent.entries.length, this.#where());
        draft = parent;
        entries = parent.entries;
      }
    }
  }

  #where(): { offset: number } {
    return { offset: this.#reader.offset };
  }

  #startNode(name: Uint8Array): Draft {
    expectToken(this.#reader, 'startObject');
    this.#entries += 1;
    checkLimit(this.#limits, 'narEntries', this.#entries, this.#where());
    const draft: Draft = { name, offset: this.#reader.offset };
    this.#open.push(draft);
    return draft;
  }

  #entryName(): Uint8Array {
    const name = this.#reader.value;
    const fault = nameFault(name);
    if (fault !== undefined) throw this.#reader.invalid(fault, displayBytes(name));
    return name;
  }

  /** Reads one member of a node; returns the entries when it is those that begin. */
  #readMember(draft: Draft): ListingEntry[] | undefined {
    const reader = this.#reader;
    const key = reader.text;
    switch (key) {
      case 'type':
        once(reader, key, draft.type);
        expectToken(reader, 'string');
        draft.type = reader.text;
        return undefined;
      case 'entries':
        once(reader, key, draft.entries);
        expectToken(reader, 'startObject');
        checkLimit(this.#limits, 'narDepth', this.#open.length, this.#where());
        draft.entries = [];
        return draft.entries;
      case 'size':
        once(reader, key, draft.sizeBytes);
        draft.sizeBytes = readInteger(reader);
        return undefined;
      case 'executable': {
        once(reader, key, draft.executable);
        const token = reader.next();
        if (token !== 'true' && token !== 'false') throw reader.invalid('true or false', token);
        draft.executable = token === 'true';
        return undefined;
      }
      case 'narOffset':
        once(reader, key, draft.narOffset);
        draft.narOffset = readInteger(reader);
        return undefined;
      case 'target': {
        once(reader, key, draft.target);
        expectToken(reader, 'string');
        const fault = targetFault(reader.value);
        if (fault !== undefined) throw reader.invalid(fault, displayBytes(reader.value));
        draft.target = reader.value;
        return undefined;
      }
      default:
        reader.skipValue();
        return undefined;
    }
  }

  #finish(draft: Draft): NarListing {
    switch (draft.type) {
      case 'directory':
        if (draft.entries === undefined) throw this.#lacks(draft, 'entries');
        return { type: 'directory', entries: this.#inOrder(draft.entries, draft) };
      case 'regular':
        if (draft.sizeBytes === undefined) throw this.#lacks(draft, 'size');
        return {
          type: 'file',
          sizeBytes: draft.sizeBytes,
          executable: draft.executable ?? false,
          narOffset: draft.narOffset,
        };
      case 'symlink':
        if (draft.target === undefined) throw this.#lacks(draft, 'target');
        return { type: 'symlink', target: draft.target };
      case undefined:
        throw this.#lacks(draft, 'type');
      default:
        throw this.#invalidNode(draft, 'regular, directory or symlink', draft.type);
    }
  }

  #inOrder(entries: ListingEntry[], draft: Draft): readonly ListingEntry[] {
    const sorted = entries.every(
      (entry, i) => i === 0 || isAfter(entry.name, entries[i - 1]?.name ?? EMPTY),
    );
    if (sorted) return entries;
    entries.sort((a, b) => compareBytes(a.name, b.name));
    for (const [i, entry] of entries.entries()) {
      if (i > 0 && !isAfter(entry.name, entries[i - 1]?.name ?? EMPTY)) {
        throw this.#invalidNode(draft, 'each name once', `${displayBytes(entry.name)} twice`);
      }
    }
    return entries;
  }

  #lacks(draft: Draft, member: string): NarthexError {
    return this.#invalidNode(draft, `a member "${member}"`, 'none');
  }

  /** An error about a node as a whole. */
  #invalidNode(draft: Draft, expected: string, actual: string): NarthexError {
    const path = `/${this.#open
      .slice(1)
      .map((open) => displayBytes(open.name))
      .join('/')}`;
    const { offset } = draft;
    return new NarthexError(
      'LISTING_INVALID',
      `a listing is malformed at byte ${offset} (${path}): expected ${expected}, found ${actual}`,
      { offset, path, expected, actual },
    );
  }
}
