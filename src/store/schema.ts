/**
 * The index's sub-databases and the encodings of what is in them. Numbers in keys and values are
 * big-endian; digests stand as their bytes.
 *
 *     meta       name                                → u32 (schema, next pack, next lease),
 *                                                      collection, compression (leaseTable.ts)
 *     pack       u32 number                          → u48 length up to which it is referred to
 *     chunk      digest                              → location
 *     directory  digest                              → location
 *     blob       digest, of more than one chunk only → chunk list (chunkList.ts)
 *     nar        SHA-256 of a NAR                    → u8 who says so (0 a claim, 1 we computed it),
 *                                                      u56 NarSize, Entry of the root node
 *     variant    store path digest, closure digest   → PathInfo record (pathInfoCodec.ts)
 *     current    store path digest                   → closure digest
 *     closure    closure digest                      → store path digest
 *     referrer   closure digests of the variant referred to and of the referring one
 *                                                    → store path digest of the referring one
 *     finding    referrer, reference, upstream, digest (pathinfo/keptFinding.ts)
 *                                                    → finding record (findingCodec.ts)
 *     extra      path of an extra file below a cache → digest and size of its content
 *                                                      (storeExtraFileService.ts)
 *     used       closure digest                      → u48 when it was last used (lastUse.ts)
 *     pin        name, UTF-8                         → u48 when it was pinned, store path digest,
 *                                                      closure digest (storePinService.ts)
 *     lease      u32 number                          → lease record (leaseTable.ts)
 *     stamp      u32 number of a lease, u32 count    → (u8 kind, digest)* (leaseTable.ts)
 *     level      u32 number of a pack                → u8 zstd level at which all its records were
 *                                                      compressed at least, 0 for not (packRows.ts)
 *
 *     location = u32 pack, u48 offset of the record, u32 encoded size, u32 size, u8 encoding
 *
 * A closure digest covers the base name, so it names a variant by itself.
 */
import { EMPTY } from '../bytes.ts';
import type { Digest } from '../castore/digest.ts';
import { decodeEntry, encodeEntry } from '../castore/directory.ts';
import type { Node } from '../castore/node.ts';
import { NarthexError } from '../errors.ts';
import type { RecordLocation } from './packFormat.ts';

/**
 * The version of this schema; a store of another one is refused. A sub-database that is only added is
 * no other version: it is made in an older store when that is opened for writing, and empty until then.
 */
export const SCHEMA_VERSION = 1;

/** Those that every store has. */
const FIRST_TABLE_NAMES = [
  'meta',
  'pack',
  'chunk',
  'directory',
  'blob',
  'nar',
  'variant',
  'current',
  'closure',
  'referrer',
  'finding',
] as const;

/** Those that came after the first stores were made. */
const ADDED_TABLE_NAMES = ['extra', 'used', 'pin', 'lease', 'stamp', 'level'] as const;

/** The sub-databases by name. */
export const TABLE_NAMES = [...FIRST_TABLE_NAMES, ...ADDED_TABLE_NAMES] as const;

/** A sub-database's name. */
export type TableName = (typeof TABLE_NAMES)[number];

/** Those that may be absent from a store that is only read. */
export const ADDED_TABLES: ReadonlySet<TableName> = new Set<TableName>(ADDED_TABLE_NAMES);

const LOCATION_BYTES = 19;
const NAR_SIZE_BYTES = 8;
const NAR_SIZE_MASK = 2n ** 56n - 1n;
const CLAIMED = 0;
const COMPUTED = 1;
const ENCODINGS = ['raw', 'zstd'] as const;

function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

function damaged(what: string, actual: number): NarthexError {
  return new NarthexError('STORE_INVALID', `${what} in the index is damaged`, { actual });
}

/** A `u32` key or value. */
export function encodeU32(value: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** @throws STORE_INVALID */
export function decodeU32(bytes: Uint8Array): number {
  if (bytes.length !== 4) throw damaged('a number', bytes.length);
  return view(bytes).readUInt32BE();
}

/** A `u48` value. */
export function encodeU48(value: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(6);
  bytes.writeUIntBE(value, 0, 6);
  return bytes;
}

/** @throws STORE_INVALID */
export function decodeU48(bytes: Uint8Array): number {
  if (bytes.length !== 6) throw damaged('a length', bytes.length);
  return view(bytes).readUIntBE(0, 6);
}

/** Where a record lies. */
export function encodeLocation(location: RecordLocation): Uint8Array {
  const bytes = Buffer.allocUnsafe(LOCATION_BYTES);
  bytes.writeUInt32BE(location.pack, 0);
  bytes.writeUIntBE(location.offset, 4, 6);
  bytes.writeUInt32BE(location.encodedSize, 10);
  bytes.writeUInt32BE(location.size, 14);
  bytes.writeUInt8(ENCODINGS.indexOf(location.encoding), 18);
  return bytes;
}

/** @throws STORE_INVALID */
export function decodeLocation(bytes: Uint8Array): RecordLocation {
  const encoding = ENCODINGS[bytes[18] ?? ENCODINGS.length];
  if (bytes.length !== LOCATION_BYTES || encoding === undefined) {
    throw damaged('the location of a record', bytes.length);
  }
  const buffer = view(bytes);
  return {
    pack: buffer.readUInt32BE(0),
    offset: buffer.readUIntBE(4, 6),
    encodedSize: buffer.readUInt32BE(10),
    size: buffer.readUInt32BE(14),
    encoding,
  };
}

/** The pack of a location, or `undefined` where that is damaged. */
export function packOfLocation(bytes: Uint8Array): number | undefined {
  return bytes.length === LOCATION_BYTES ? view(bytes).readUInt32BE(0) : undefined;
}

/** What the NAR with some hash holds. */
export interface NarContent {
  readonly narSize: number;
  readonly node: Node;
}

/** The same, and on whose word. */
export interface IndexedNar {
  readonly content: NarContent;
  /** Whether the hash was computed here from the content. Else it is what some claim says of it. */
  readonly computed: boolean;
}

/** The value of `nar`. */
export function encodeNar({ content, computed }: IndexedNar): Uint8Array {
  const { narSize, node } = content;
  const size = Buffer.allocUnsafe(NAR_SIZE_BYTES);
  size.writeBigUInt64BE(BigInt(narSize)); // below 2^53: the first byte is free
  size[0] = computed ? COMPUTED : CLAIMED;
  return Buffer.concat([size, encodeEntry(EMPTY, node)]);
}

/** @throws STORE_INVALID */
export function decodeNar(bytes: Uint8Array): IndexedNar {
  try {
    const narSize = Number(view(bytes).readBigUInt64BE() & NAR_SIZE_MASK);
    const { node } = decodeEntry(bytes.subarray(NAR_SIZE_BYTES));
    return { content: { narSize, node }, computed: bytes[0] === COMPUTED };
  } catch (error) {
    throw new NarthexError('STORE_INVALID', 'a root node in the index is damaged', {}, error);
  }
}

/** The key of `variant`: all variants of a store path stand together. */
export function variantRowKey(digest: Uint8Array, closureDigest: Digest): Uint8Array {
  return Buffer.concat([digest, closureDigest.bytes]);
}

/** The key of `referrer`: all referrers of a variant stand together. */
export function referrerRowKey(referred: Digest, referring: Digest): Uint8Array {
  return Buffer.concat([referred.bytes, referring.bytes]);
}
