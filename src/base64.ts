/** Strict base64 of the standard alphabet, as hashes, keys and signatures are written. */

/** The canonical base64 of `bytes`, padded. */
export function encodeBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');
}

/**
 * The bytes that `text` spells, or `undefined` where it is not base64.
 *
 * The padding may be left out as a whole, which Nix accepts too; everything else is canonical:
 * no white space, no URL-safe letters, spare bits zero, nothing after the padding. Node's own
 * decoder lets all of these pass.
 */
export function decodeBase64(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, 'base64');
  const canonical = bytes.toString('base64');
  if (text !== canonical && text !== canonical.replace(/=+$/, '')) return undefined;
  // a copy, because small Buffers are views of a pool that would be kept alive as a whole
  return new Uint8Array(bytes);
}
