/** Bytes for tests, the same in each run. */

/** Bytes that no compression shrinks, from an xorshift generator. @param seed not 0 */
export function noise(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed | 0;
  for (let i = 0; i < length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[i] = state;
  }
  return bytes;
}

/** Text-like bytes, which compress well. */
export function prose(length: number, seed = 1): Uint8Array {
  const words = ['store', 'path', 'castore', 'closure', 'narinfo', 'blob', 'chunk', 'variant'];
  const order = noise(Math.ceil(length / 4), seed);
  const text = Array.from(order, (byte) => words[byte % words.length]).join(' ');
  return new TextEncoder().encode(text).slice(0, length);
}
