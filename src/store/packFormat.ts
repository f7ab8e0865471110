/**
 * Packs: append-only files of content.
 *
 *     pack   = header record*
 *     header = "narthex pack" (12 bytes), u32 version                               16 bytes
 *     record = u8 kind, u8 encoding, u16 zero, u32 encoded size, u32 size,
 *              32 bytes BLAKE3 of the decoded data                                  44 bytes
 *              data (encoded size)
 *     kind     = 1 chunk | 2 directory | 3 blob
 *     encoding = 0 as it is | 1 exactly one zstd frame that states its content size
 *
 * Numbers are little-endian, sizes in bytes. A directory is its canonical castore encoding. A blob
 * of more than one chunk is `digest of the blob, (digest of a chunk, u32 size)*`; its chunks come
 * before it, in this pack or another. A record thus says what it is, so that the index over content
 * can be made anew from packs alone. What follows the last whole record was cut off by a crash.
 */
import { equalBytes, utf8 } from '../bytes.ts';
import { DIGEST_BYTES, Digest } from '../castore/digest.ts';
import { NarthexError } from '../errors.ts';

const MAGIC = utf8('narthex pack');
const PACK_VERSION = 1;

/** Length of a pack's header. */
export const PACK_HEADER_BYTES = MAGIC.length + 4;
/** Length of a record before its data. */
export const RECORD_HEADER_BYTES = 12 + DIGEST_BYTES;
/** The longest data of a record. */
export const RECORD_MAX_BYTES = 0xffff_ffff;

/** What a record holds. */
export type RecordKind = 'chunk' | 'directory' | 'blob';
/** How a record's data lies at rest. */
export type Encoding = 'raw' | 'zstd';

const KINDS: readonly RecordKind[] = ['chunk', 'directory', 'blob'];
const ENCODINGS: readonly Encoding[] = ['raw', 'zstd'];

/** What stands before a record's data. */
export interface RecordHeader {
  readonly kind: RecordKind;
  readonly encoding: Encoding;
  /** Length of the data at rest. */
  readonly encodedSize: number;
  /** Length of the data when decoded. */
  readonly size: number;
  /** BLAKE3 of the data when decoded. */
  readonly digest: Digest;
}

/** Where a record lies, and what is needed to read it. */
export interface RecordLocation {
  /** Number of the pack. */
  readonly pack: number;
  /** Where in the pack the record begins. */
  readonly offset: number;
  readonly encoding: Encoding;
  readonly encodedSize: number;
  readonly size: number;
}

/** Where the data of a record begins. */
export function dataOffset(location: RecordLocation): number {
  return location.offset + RECORD_HEADER_BYTES;
}

/** The offset after a record. */
export function endOffset(location: RecordLocation): number {
  return dataOffset(location) + location.encodedSize;
}

/** The header of a new pack. */
export function encodePackHeader(): Uint8Array {
  const header = Buffer.alloc(PACK_HEADER_BYTES);
  header.set(MAGIC);
  header.writeUInt32LE(PACK_VERSION, MAGIC.length);
  return header;
}

/**
 * Passes the header of a pack that this version reads.
 * @throws STORE_INVALID it is no pack
 * @throws STORE_VERSION it is one of another version
 */
export function checkPackHeader(header: Uint8Array, path: string): void {
  if (header.length < PACK_HEADER_BYTES || !equalBytes(header.subarray(0, MAGIC.length), MAGIC)) {
    throw new NarthexError('STORE_INVALID', `not a pack: ${path}`, { path, offset: 0 });
  }
  const version = Buffer.from(header).readUInt32LE(MAGIC.length);
  if (version !== PACK_VERSION) {
    throw new NarthexError(
      'STORE_VERSION',
      `a pack of version ${version}, where this version of narthex reads ${PACK_VERSION}: ${path}`,
      { path, expected: PACK_VERSION, actual: version },
    );
  }
}

/** The bytes before a record's data. */
export function encodeRecordHeader(header: RecordHeader): Uint8Array {
  const bytes = Buffer.alloc(RECORD_HEADER_BYTES);
  bytes.writeUInt8(KINDS.indexOf(header.kind) + 1, 0);
  bytes.writeUInt8(ENCODINGS.indexOf(header.encoding), 1);
  bytes.writeUInt32LE(header.encodedSize, 4);
  bytes.writeUInt32LE(header.size, 8);
  bytes.set(header.digest.bytes, 12);
  return bytes;
}

/** What {@link encodeRecordHeader} wrote, or `undefined` where no record begins. */
export function decodeRecordHeader(bytes: Uint8Array): RecordHeader | undefined {
  if (bytes.length < RECORD_HEADER_BYTES) return undefined;
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, RECORD_HEADER_BYTES);
  const kind = KINDS[view.readUInt8(0) - 1];
  const encoding = ENCODINGS[view.readUInt8(1)];
  if (kind === undefined || encoding === undefined || view.readUInt16LE(2) !== 0) return undefined;
  const encodedSize = view.readUInt32LE(4);
  const size = view.readUInt32LE(8);
  if (encoding === 'raw' && size !== encodedSize) return undefined;
  return {
    kind,
    encoding,
    encodedSize,
    size,
    digest: new Digest(bytes.slice(12, RECORD_HEADER_BYTES)),
  };
}
