/** Integers of variable length in xz data: 7 bits a byte, lowest first, a set top bit means more. */

/** The format's longest; ours end at `Number.MAX_SAFE_INTEGER`, 8 bytes. */
export const MAX_VARINT_BYTES = 9;

/**
 * The integer at `at`. `undefined` where the bytes end inside of it, where it is not in its
 * shortest form, and where it is no safe integer, which no real size is.
 */
export function parseVarint(
  bytes: Uint8Array,
  at: number,
): { readonly value: number; readonly length: number } | undefined {
  let value = 0;
  for (let i = 0; i < MAX_VARINT_BYTES; i++) {
    const byte = bytes[at + i];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte >= 0x80) continue;
    const shortest = byte !== 0 || i === 0;
    return shortest && Number.isSafeInteger(value) ? { value, length: i + 1 } : undefined;
  }
  return undefined;
}

/** The shortest form of `value`, a safe integer that is not negative. */
export function renderVarint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  bytes.push(rest);
  return Uint8Array.from(bytes);
}
