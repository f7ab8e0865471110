/**
 * zstd frames that compress nothing: bytes in raw blocks. With them, bytes that lie nowhere as a zstd
 * frame (a NAR's framing) stand between frames that do.
 *
 *     frame  = magic, descriptor, content size, block+          content size: 1, 2, 4 or 8 bytes
 *     block  = header (3 bytes: last, type, size), size bytes
 *
 * All numbers are little-endian. The descriptor says: one segment (no window field, the content is
 * the window), how long the content size is, no checksum, no dictionary. The content size lets a
 * decoder allocate once, and bounds what it does.
 *
 * Source: RFC 8878, sections 3.1.1.1 (frame header) and 3.1.1.2 (blocks).
 */

/** RFC 8878, section 3.1.1: 0xFD2FB528. */
const MAGIC = [0x28, 0xb5, 0x2f, 0xfd] as const;
const DESCRIPTOR_BYTES = 1;
/** Single_Segment_flag of the descriptor. */
const SINGLE_SEGMENT = 1 << 5;
/** The descriptor's bits 7 and 6 give the length of the content size field. */
const CONTENT_SIZE_SHIFT = 6;
/** A field of two bytes holds the size less what one byte can hold. */
const TWO_BYTE_OFFSET = 256;
const BLOCK_HEADER_BYTES = 3;
const LAST_BLOCK = 1;
const BLOCK_SIZE_SHIFT = 3;

/** No block is larger (Block_Maximum_Size). */
export const BLOCK_MAX_BYTES = 128 * 1024;

/** Length of the content size field, and the descriptor's bits for it. */
function contentSizeField(contentBytes: number): { length: number; flag: number } {
  if (contentBytes < TWO_BYTE_OFFSET) return { length: 1, flag: 0 };
  if (contentBytes < TWO_BYTE_OFFSET + 2 ** 16) return { length: 2, flag: 1 };
  if (contentBytes < 2 ** 32) return { length: 4, flag: 2 };
  return { length: 8, flag: 3 };
}

function blockCount(contentBytes: number): number {
  // an empty frame has one block, an empty one
  return Math.max(1, Math.ceil(contentBytes / BLOCK_MAX_BYTES));
}

/** Length of the frame around `contentBytes` bytes. */
export function rawFrameBytes(contentBytes: number): number {
  return (
    MAGIC.length +
    DESCRIPTOR_BYTES +
    contentSizeField(contentBytes).length +
    blockCount(contentBytes) * BLOCK_HEADER_BYTES +
    contentBytes
  );
}

/** The frame around `content`, as new memory. */
export function rawFrame(content: Uint8Array): Uint8Array {
  const frame = Buffer.allocUnsafe(rawFrameBytes(content.length));
  const { length, flag } = contentSizeField(content.length);
  frame.set(MAGIC);
  let at: number = MAGIC.length;
  at = frame.writeUInt8((flag << CONTENT_SIZE_SHIFT) | SINGLE_SEGMENT, at);
  if (length === 8) at = frame.writeBigUInt64LE(BigInt(content.length), at);
  else if (length === 2) at = frame.writeUInt16LE(content.length - TWO_BYTE_OFFSET, at);
  else at = frame.writeUIntLE(content.length, at, length);
  const blocks = blockCount(content.length);
  for (let index = 0; index < blocks; index++) {
    const block = content.subarray(index * BLOCK_MAX_BYTES, (index + 1) * BLOCK_MAX_BYTES);
    // type 0: raw
    const header = (block.length << BLOCK_SIZE_SHIFT) | (index === blocks - 1 ? LAST_BLOCK : 0);
    at = frame.writeUIntLE(header, at, BLOCK_HEADER_BYTES);
    frame.set(block, at);
    at += block.length;
  }
  return frame;
}
