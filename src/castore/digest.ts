/**
 * Castore digests: BLAKE3-256 over content, the addresses of blobs, chunks and directories.
 * Source: snix `castore/src/digests.rs` (length, and `blake3-<base64>` as text).
 */
import { Blake3Hasher, blake3 } from '@napi-rs/blake-hash';
import { bytesKey, equalBytes, toHex } from '../bytes.ts';
import { NarthexError } from '../errors.ts';

/** Bytes of a digest. */
export const DIGEST_BYTES = 32;

const TEXT_PREFIX = 'blake3-';
const BASE64_TEXT = /^blake3-([A-Za-z0-9+/]{43}=)$/;
const HEX_TEXT = /^[0-9a-f]{64}$/;

/** A BLAKE3-256 digest. */
export class Digest {
  readonly #bytes: Uint8Array;
  #key: string | undefined;

  /**
   * @param bytes 32 bytes, not changed by anyone afterwards
   * @throws DIGEST_INVALID
   */
  constructor(bytes: Uint8Array) {
    if (bytes.length !== DIGEST_BYTES) {
      throw new NarthexError('DIGEST_INVALID', `a digest has 32 bytes, not ${bytes.length}`, {
        expected: DIGEST_BYTES,
        actual: bytes.length,
      });
    }
    this.#bytes = bytes;
  }

  /**
   * Reads `blake3-<base64>`, or 64 hexadecimal digits.
   * @throws DIGEST_INVALID
   */
  static parse(text: string): Digest {
    const base64 = BASE64_TEXT.exec(text)?.[1];
    const digest =
      base64 !== undefined
        ? new Digest(Buffer.from(base64, 'base64'))
        : HEX_TEXT.test(text)
          ? new Digest(Buffer.from(text, 'hex'))
          : undefined;
    // the comparison refuses base64 whose spare bits are not zero
    if (digest === undefined || (base64 !== undefined && digest.toString() !== text)) {
      throw new NarthexError('DIGEST_INVALID', `not a BLAKE3 digest: ${JSON.stringify(text)}`, {
        actual: text,
      });
    }
    return digest;
  }

  /** The digest of `content`. */
  static of(content: Uint8Array): Digest {
    return new Digest(blake3(content));
  }

  /** The 32 bytes. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** A string that is equal exactly when the digest is, for maps; it sorts as the bytes do. */
  get key(): string {
    this.#key ??= bytesKey(this.#bytes);
    return this.#key;
  }

  get hex(): string {
    return toHex(this.#bytes);
  }

  equals(other: Digest): boolean {
    return equalBytes(this.#bytes, other.#bytes);
  }

  /** `blake3-<base64>`. */
  toString(): string {
    return TEXT_PREFIX + Buffer.from(this.#bytes).toString('base64');
  }

  toJSON(): string {
    return this.toString();
  }
}

// a new native hasher costs six times as much as resetting one
const idle: Blake3Hasher[] = [];
const MAX_IDLE_HASHERS = 64;

/** BLAKE3 over content that comes in pieces. */
export class DigestHasher {
  #hasher: Blake3Hasher | undefined = idle.pop() ?? new Blake3Hasher();

  update(bytes: Uint8Array): this {
    if (this.#hasher === undefined) throw new TypeError('DigestHasher is finished');
    this.#hasher.update(bytes);
    return this;
  }

  /** The digest; the hasher takes nothing afterwards. */
  finish(): Digest {
    const hasher = this.#hasher;
    if (hasher === undefined) throw new TypeError('DigestHasher is finished');
    this.#hasher = undefined;
    const digest = new Digest(hasher.digestBuffer());
    hasher.reset();
    if (idle.length < MAX_IDLE_HASHERS) idle.push(hasher);
    return digest;
  }
}

/**
 * BLAKE3 in key derivation mode: a digest that can be mistaken for no other use of BLAKE3.
 * @param context names the use, globally unique and constant
 */
export function derivedDigest(context: string, content: Uint8Array): Digest {
  return new Digest(Blake3Hasher.deriveKey(context, content));
}
