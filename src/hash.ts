/**
 * Hashes with their algorithm, in the four spellings of Nix (Nix: `src/libutil/hash.cc`):
 *
 *     sha256:1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s          algo ":" nixbase32
 *     sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad   algo ":" hex
 *     sha256:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=                   algo ":" base64
 *     sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=                   SRI
 *
 * The length of the digest tells the first three apart; they never coincide for one algorithm.
 */
import { createHash, type Hash as NodeHash, hash as nodeHash } from 'node:crypto';
import { Blake3Hasher, blake3 } from '@napi-rs/blake-hash';
import { decodeBase64, encodeBase64 } from './base64.ts';
import { equalBytes, toHex } from './bytes.ts';
import { NarthexError } from './errors.ts';
import { excerpt } from './excerpt.ts';
import { decodeNixbase32, encodeNixbase32, nixbase32Length } from './nixbase32.ts';

/** The algorithms that Nix knows. BLAKE3 came last and stands only in newer content addresses. */
export type HashAlgorithm = 'md5' | 'sha1' | 'sha256' | 'sha512' | 'blake3';

/** The length of each algorithm's digest, in bytes. */
export const HASH_BYTES: Readonly<Record<HashAlgorithm, number>> = {
  md5: 16,
  sha1: 20,
  sha256: 32,
  sha512: 64,
  blake3: 32,
};

const HEX_DIGITS_PER_BYTE = 2;
const HEX = /^[0-9a-fA-F]*$/;

function isHashAlgorithm(text: string): text is HashAlgorithm {
  return Object.hasOwn(HASH_BYTES, text);
}

/** A digest and the algorithm that made it. Immutable: nobody writes into `digest`. */
export class Hash {
  readonly algorithm: HashAlgorithm;
  /** {@link HASH_BYTES} of the algorithm. */
  readonly digest: Uint8Array;

  private constructor(algorithm: HashAlgorithm, digest: Uint8Array) {
    this.algorithm = algorithm;
    this.digest = digest;
  }

  /**
   * The hash with these bytes, which are copied.
   * @throws HASH_INVALID when there are too many or too few of them
   */
  static of(algorithm: HashAlgorithm, digest: Uint8Array): Hash {
    if (digest.length !== HASH_BYTES[algorithm]) {
      throw new NarthexError(
        'HASH_INVALID',
        `a ${algorithm} digest has ${HASH_BYTES[algorithm]} bytes, not ${digest.length}`,
        { algorithm, expected: HASH_BYTES[algorithm], actual: digest.length },
      );
    }
    return new Hash(algorithm, new Uint8Array(digest));
  }

  /**
   * Reads any of the four spellings; hex may be in capitals, the padding of base64 may be missing.
   * @param expected the only algorithm accepted; when given, the prefix may be missing
   * @throws HASH_INVALID with `actual`; `expected` when the algorithm is another
   */
  static parse(text: string, expected?: HashAlgorithm): Hash {
    // the colon comes first, as in Nix: what follows it is never read as SRI
    const colon = text.indexOf(':');
    const separator = colon === -1 ? text.indexOf('-') : colon;
    if (separator === -1) {
      if (expected === undefined) throw invalid(text, 'does not name its algorithm');
      return new Hash(expected, parseDigest(expected, text, text, false));
    }
    const algorithm = text.slice(0, separator);
    if (!isHashAlgorithm(algorithm)) {
      throw invalid(text, `is of the unknown algorithm '${excerpt(algorithm)}'`);
    }
    if (expected !== undefined && algorithm !== expected) {
      throw new NarthexError(
        'HASH_INVALID',
        `hash '${excerpt(text)}' should be ${expected}, not ${algorithm}`,
        { expected, actual: algorithm },
      );
    }
    return new Hash(
      algorithm,
      parseDigest(algorithm, text.slice(separator + 1), text, colon === -1),
    );
  }

  /** `sha256:<nixbase32>`, as fingerprints and narinfos have it. */
  toNixbase32(): string {
    return `${this.algorithm}:${encodeNixbase32(this.digest)}`;
  }

  /** `sha256:<lower-case hex>`, as store path computations have it. */
  toHex(): string {
    return `${this.algorithm}:${toHex(this.digest)}`;
  }

  /** `sha256-<base64>`, as Nix expressions and JSON have it. */
  toSri(): string {
    return `${this.algorithm}-${encodeBase64(this.digest)}`;
  }

  /** The same as {@link toNixbase32}. */
  toString(): string {
    return this.toNixbase32();
  }

  /** Whether algorithm and digest are the same. Not constant-time. */
  equals(other: Hash): boolean {
    return this.algorithm === other.algorithm && equalBytes(this.digest, other.digest);
  }
}

function invalid(whole: string, reason: string, cause?: unknown): NarthexError {
  return new NarthexError(
    'HASH_INVALID',
    `hash '${excerpt(whole)}' ${reason}`,
    { actual: excerpt(whole) },
    cause,
  );
}

/** Reads the digest `text`, part of the hash `whole`. SRI is base64 whatever its length. */
function parseDigest(
  algorithm: HashAlgorithm,
  text: string,
  whole: string,
  sri: boolean,
): Uint8Array {
  const length = HASH_BYTES[algorithm];
  if (!sri && text.length === length * HEX_DIGITS_PER_BYTE) {
    if (!HEX.test(text)) throw invalid(whole, 'is not hexadecimal');
    return new Uint8Array(Buffer.from(text, 'hex'));
  }
  if (!sri && text.length === nixbase32Length(length)) {
    try {
      return decodeNixbase32(text);
    } catch (error) {
      throw invalid(whole, 'is not nixbase32', error);
    }
  }
  const digest = decodeBase64(text);
  if (digest?.length !== length) {
    throw invalid(
      whole,
      sri
        ? `is not the base64 of a ${algorithm} digest`
        : `has no spelling of a ${algorithm} digest`,
    );
  }
  return digest;
}

/** A hash over bytes that come one part after the other. */
export interface StreamingHash {
  /** Takes in the next bytes; the caller may reuse the memory afterwards. */
  update(bytes: Uint8Array): this;
  /** The digest of all bytes so far. Ends the hash: it MUST NOT be called, or updated, again. */
  digest(): Uint8Array;
}

class NodeStreamingHash implements StreamingHash {
  readonly #hash: NodeHash;

  constructor(algorithm: Exclude<HashAlgorithm, 'blake3'>) {
    this.#hash = createHash(algorithm);
  }

  update(bytes: Uint8Array): this {
    this.#hash.update(bytes);
    return this;
  }

  digest(): Uint8Array {
    return new Uint8Array(this.#hash.digest());
  }
}

/** Finished BLAKE3 hashers, kept because a new one costs several times as much as a reset one. */
const idleBlake3Hashers: Blake3Hasher[] = [];

/** More are never worth keeping: each holds about 2 KiB outside the JavaScript heap. */
const MAX_IDLE_BLAKE3_HASHERS = 16;

class Blake3StreamingHash implements StreamingHash {
  #hasher: Blake3Hasher | undefined = idleBlake3Hashers.pop() ?? new Blake3Hasher();

  update(bytes: Uint8Array): this {
    this.#open().update(bytes);
    return this;
  }

  digest(): Uint8Array {
    const hasher = this.#open();
    this.#hasher = undefined;
    const digest = new Uint8Array(hasher.digestBuffer());
    if (idleBlake3Hashers.length < MAX_IDLE_BLAKE3_HASHERS) {
      hasher.reset();
      idleBlake3Hashers.push(hasher);
    }
    return digest;
  }

  #open(): Blake3Hasher {
    // a mistake of the caller, as node:crypto reports it
    if (this.#hasher === undefined) throw new Error('Digest already called');
    return this.#hasher;
  }
}

/** A new hash over a stream of bytes. */
export function createStreamingHash(algorithm: HashAlgorithm): StreamingHash {
  return algorithm === 'blake3' ? new Blake3StreamingHash() : new NodeStreamingHash(algorithm);
}

/** The hash of `bytes`, which lie in memory. */
export function hashBytes(algorithm: HashAlgorithm, bytes: Uint8Array): Hash {
  return Hash.of(
    algorithm,
    algorithm === 'blake3' ? blake3(bytes) : nodeHash(algorithm, bytes, 'buffer'),
  );
}

/**
 * Folds a digest to `length` bytes: byte i of the digest is XORed into byte i mod `length`. Nix
 * shortens the SHA-256 of a store path to its 20 bytes so (Nix: `compressHash`).
 */
export function compressHash(digest: Uint8Array, length: number): Uint8Array {
  const folded = new Uint8Array(length);
  digest.forEach((byte, index) => {
    folded[index % length] = (folded[index % length] ?? 0) ^ byte;
  });
  return folded;
}
