/**
 * nixbase32, store paths and hashes as the tests' own second opinion: written over big integers,
 * from the description in Nix's manual, without a look at `src`.
 */
import { createHash } from 'node:crypto';

const ALPHABET = '0123456789abcdfghijklmnpqrsvwxyz';
const BITS_PER_CHARACTER = 5n;
const LOW_BITS = 31n;
const BITS_PER_BYTE = 8;

/** Bytes of a store path's digest. */
const DIGEST_BYTES = 20;

/** Where the synthetic paths live. */
export const STORE_DIRECTORY = '/nix/store';

/** nixbase32 of `bytes`: a little-endian number, its most significant digit first. */
export function nixbase32(bytes: Uint8Array): string {
  let number = BigInt(`0x0${Buffer.from(bytes).reverse().toString('hex')}`);
  let text = '';
  for (let i = 0; i < Math.ceil((bytes.length * BITS_PER_BYTE) / 5); i++) {
    text = ALPHABET.charAt(Number(number & LOW_BITS)) + text;
    number >>= BITS_PER_CHARACTER;
  }
  return text;
}

/** The bytes that {@link nixbase32} spells, or `undefined` for what is not in the alphabet. */
export function bytesOfNixbase32(text: string, length: number): Uint8Array | undefined {
  let number = 0n;
  for (const character of text) {
    const digit = ALPHABET.indexOf(character);
    if (digit < 0) return undefined;
    number = (number << BITS_PER_CHARACTER) | BigInt(digit);
  }
  const hex = number.toString(16).padStart(2 * length, '0');
  return hex.length > 2 * length ? undefined : Buffer.from(hex, 'hex').reverse();
}

/** SHA-256 of a text or bytes. */
export function sha256(data: Uint8Array | string): Buffer {
  return createHash('sha256').update(data).digest();
}

/** SHA-256 as narinfos spell it: `sha256:` and nixbase32. */
export function sha256Field(data: Uint8Array): string {
  return `sha256:${nixbase32(sha256(data))}`;
}

/** The hash part that a synthetic path gets from its name: the same in each run. */
export function hashPartOf(name: string): string {
  return nixbase32(sha256(`narthex synthetic path ${name}`).subarray(0, DIGEST_BYTES));
}

/** A content-addressed path's hash part (Nix's `makeStorePath`): SHA-256 folded to 20 bytes. */
function fingerprintHashPart(type: string, innerHash: Buffer, name: string): string {
  const hash = sha256(`${type}:sha256:${innerHash.toString('hex')}:${STORE_DIRECTORY}:${name}`);
  const folded = Buffer.alloc(DIGEST_BYTES);
  for (const [index, byte] of hash.entries()) {
    const place = index % DIGEST_BYTES;
    folded.writeUInt8(folded.readUInt8(place) ^ byte, place);
  }
  return nixbase32(folded);
}

/** How a path's content address is taken. */
export interface ContentAddressing {
  /** `text`: a regular file with references; `flat`: a regular file's bytes; `recursive`: the NAR. */
  readonly method: 'text' | 'flat' | 'recursive';
  readonly algorithm: 'md5' | 'sha1' | 'sha256' | 'sha512';
}

/**
 * The `CA` field and the hash part that it leads to, for a path without self-reference.
 * @param data the file's bytes for `text` and `flat`, the NAR for `recursive`
 * @param references full store paths
 */
export function contentAddress(
  { method, algorithm }: ContentAddressing,
  name: string,
  data: Uint8Array,
  references: readonly string[],
): { readonly ca: string; readonly hashPart: string } {
  const hash = createHash(algorithm).update(data).digest();
  const spelled = `${algorithm}:${nixbase32(hash)}`;
  const withReferences = (type: string) => [type, ...[...references].sort()].join(':');
  if (method === 'text') {
    const hashPart = fingerprintHashPart(withReferences('text'), hash, name);
    return { ca: `text:${spelled}`, hashPart };
  }
  const prefix = method === 'recursive' ? 'r:' : '';
  if (method === 'recursive' && algorithm === 'sha256') {
    const hashPart = fingerprintHashPart(withReferences('source'), hash, name);
    return { ca: `fixed:r:${spelled}`, hashPart };
  }
  const inner = sha256(`fixed:out:${prefix}${algorithm}:${hash.toString('hex')}:`);
  return {
    ca: `fixed:${prefix}${spelled}`,
    hashPart: fingerprintHashPart('output:out', inner, name),
  };
}
