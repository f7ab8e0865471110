/** CRC-32 as bzip2 has it: the usual polynomial, but the highest bit first. */

const POLYNOMIAL = 0x04c11db7;

const TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 24;
  for (let bit = 0; bit < 8; bit++) crc = crc < 0 ? (crc << 1) ^ POLYNOMIAL : crc << 1;
  return crc;
});

/** Continues `crc` over `bytes`; begin with -1 and invert the result. */
export function crc32Msb(bytes: Uint8Array, crc: number): number {
  let result = crc;
  for (const byte of bytes) result = (result << 8) ^ (TABLE[(result >>> 24) ^ byte] ?? 0);
  return result;
}
