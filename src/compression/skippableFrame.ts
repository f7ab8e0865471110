/** Skippable frames, which zstd and lz4 share: `5?2A4D18 size(4) byte*`, little-endian. */

const MAGIC = Uint8Array.of(0x50, 0x2a, 0x4d, 0x18);

/** Bytes before those to skip: the magic number and their count. */
export const SKIPPABLE_HEADER_BYTES = 8;

/** Whether `bytes`, at least one, begin a skippable frame; fewer than its magic number may be cut off. */
export function isSkippable(bytes: Uint8Array): boolean {
  return MAGIC.every(
    (byte, i) => i >= bytes.length || ((bytes[i] ?? 0) & (i === 0 ? 0xf0 : 0xff)) === byte,
  );
}

/** How many bytes follow the header. */
export function skippableBytes(header: Uint8Array): number {
  const fields = new DataView(header.buffer, header.byteOffset, SKIPPABLE_HEADER_BYTES);
  return fields.getUint32(MAGIC.length, true);
}

/** Makes the bytes of `block` from `start` to `end` a skippable frame: writes its header, at least that must fit. */
export function writeSkippableHeader(block: Buffer, start: number, end: number): void {
  block.set(MAGIC, start);
  block.writeUInt32LE(end - start - SKIPPABLE_HEADER_BYTES, start + MAGIC.length);
}
