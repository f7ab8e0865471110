/** Byte strings: comparing, joining, and showing those that need not be UTF-8. */

/** An empty byte string. */
export const EMPTY: Uint8Array = new Uint8Array(0);

const encoder = new TextEncoder();
const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The same memory as a `Buffer`. */
function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** The UTF-8 bytes of `text`. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** The text of `bytes`, or `undefined` where they are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return strictDecoder.decode(bytes);
  } catch {
    // TextDecoder has no other way to say that the bytes are not UTF-8
    return undefined;
  }
}

/**
 * From here on native code is faster. Below, a loop is: handing a small array to native code first
 * moves it out of V8's heap.
 */
const NATIVE_COMPARE_BYTES = 64;

/** Orders byte strings as `memcmp` does, a prefix first: the order of NAR entries and of castore. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  if (shared >= NATIVE_COMPARE_BYTES) return Buffer.compare(a, b);
  for (let i = 0; i < shared; i++) {
    // both are within bounds, the zeros are for the type checker
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** Memory of its own with the same bytes. `slice` is no such thing: a `Buffer`'s does not copy. */
export function copyBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

/**
 * Gives memory back at once; no view of it has a byte afterwards. Large blocks that come and go fast keep the
 * garbage collector busy otherwise. Nobody else, no native code either, may still look at it.
 */
export function releaseBytes({ buffer }: Uint8Array<ArrayBuffer>): void {
  buffer.transfer(0);
}

/** Whether two byte strings are equal. Not constant-time. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && compareBytes(a, b) === 0;
}

/** One byte string out of several. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  const only = parts[0];
  return parts.length === 1 && only !== undefined ? only : Buffer.concat(parts);
}

/** Lower-case hexadecimal. */
export function toHex(bytes: Uint8Array): string {
  return bufferOf(bytes).toString('hex');
}

/**
 * The bytes as a string of the same length, one UTF-16 unit a byte: a key for maps that is equal
 * exactly when the bytes are, and sorts in the same order.
 */
export function bytesKey(bytes: Uint8Array): string {
  return bufferOf(bytes).toString('latin1');
}

/** The bytes that {@link bytesKey} made into a string. */
export function bytesOfKey(key: string): Uint8Array {
  return Buffer.from(key, 'latin1');
}

/**
 * For people and terminals: UTF-8 as it is, all else (bytes that are not UTF-8, control
 * characters, backslashes) as `\xNN`. Different bytes give different texts.
 */
export function displayBytes(bytes: Uint8Array): string {
  const text = decodeUtf8(bytes);
  const escaped = (c: string) =>
    Array.from(utf8(c), (byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
  if (text !== undefined) {
    // control characters could move the cursor; a backslash would make the escapes ambiguous
    return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\\]/gu, escaped);
  }
  return Array.from(bytes, (byte) =>
    byte >= 0x20 && byte < 0x7f && byte !== 0x5c
      ? String.fromCharCode(byte)
      : `\\x${byte.toString(16).padStart(2, '0')}`,
  ).join('');
}

/** The bytes that {@link displayBytes} shows so; all that is no `\\xNN` is taken as UTF-8. */
export function parseDisplayedBytes(text: string): Uint8Array {
  const parts = text.split(/((?:\\x[0-9a-f]{2})+)/i);
  return concatBytes(
    parts.map((part, i) =>
      i % 2 === 1 ? Buffer.from(part.replaceAll(/\\x/gi, ''), 'hex') : utf8(part),
    ),
  );
}

/** How byte strings stand in JSON: text where they are UTF-8, else base64 in an object. */
export type JsonBytes = string | { readonly base64: string };

/** The JSON form of a byte string; {@link bytesOfJson} is its inverse. */
export function jsonOfBytes(bytes: Uint8Array): JsonBytes {
  return decodeUtf8(bytes) ?? { base64: Buffer.from(bytes).toString('base64') };
}

/** The byte string that {@link jsonOfBytes} wrote. */
export function bytesOfJson(json: JsonBytes): Uint8Array {
  return typeof json === 'string' ? utf8(json) : Buffer.from(json.base64, 'base64');
}
