/**
 * Keys and signatures of binary caches (Nix: `src/libutil/signature/local-keys.cc`):
 *
 *     public key   name ":" base64(32 bytes)        ed25519
 *     secret key   name ":" base64(64 bytes)        seed (32) and public key (32), as libsodium has it
 *     signature    name ":" base64(64 bytes)
 *
 * The name is everything before the first colon. It only helps to choose the key: several keys may
 * share it while one replaces the other.
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign as signEd25519,
  verify as verifyEd25519,
} from 'node:crypto';
import { decodeBase64, encodeBase64 } from './base64.ts';
import { concatBytes, equalBytes } from './bytes.ts';
import { type ErrorCode, NarthexError } from './errors.ts';
import { excerpt } from './excerpt.ts';

const PUBLIC_KEY_BYTES = 32;
const SEED_BYTES = 32;
const SECRET_KEY_BYTES = SEED_BYTES + PUBLIC_KEY_BYTES;
const SIGNATURE_BYTES = 64;

/** What precedes the seed in the DER of an ed25519 private key (RFC 8410, section 7). */
const PKCS8_ED25519_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');

/**
 * No colon (it would end the name), no white space (it separates keys in a list) and no control
 * characters (a line feed would forge a line of a narinfo).
 */
const NAME = /^[^:\s\p{Cc}]+$/u;

function checkName(name: string, code: ErrorCode, what: string): void {
  if (NAME.test(name)) return;
  throw new NarthexError(
    code,
    name === '' ? `the ${what} has no name` : `'${excerpt(name)}' cannot name a ${what}`,
    { actual: excerpt(name), expected: 'a name without colon and white space' },
  );
}

function checkLength(bytes: Uint8Array, length: number, code: ErrorCode, what: string): void {
  if (bytes.length === length) return;
  throw new NarthexError(code, `a ${what} has ${length} bytes, not ${bytes.length}`, {
    expected: length,
    actual: bytes.length,
  });
}

/** Splits `name:base64`. The text stays out of messages, because it may be a secret. */
function splitNamed(
  text: string,
  code: ErrorCode,
  what: string,
): { name: string; bytes: Uint8Array } {
  const colon = text.indexOf(':');
  if (colon === -1) {
    throw new NarthexError(code, `a ${what} is 'name:base64'; there is no colon in this one`);
  }
  const name = text.slice(0, colon);
  checkName(name, code, what);
  const bytes = decodeBase64(text.slice(colon + 1));
  if (bytes === undefined) {
    throw new NarthexError(code, `the ${what} of '${excerpt(name)}' is not base64`, { name });
  }
  return { name, bytes };
}

/** An ed25519 signature and the name of the key that made it. */
export class Signature {
  readonly keyName: string;
  /** 64 bytes. */
  readonly bytes: Uint8Array;

  private constructor(keyName: string, bytes: Uint8Array) {
    this.keyName = keyName;
    this.bytes = bytes;
  }

  /**
   * The signature with these 64 bytes, which are copied.
   * @throws SIGNATURE_INVALID
   */
  static of(keyName: string, bytes: Uint8Array): Signature {
    checkName(keyName, 'SIGNATURE_INVALID', 'signature');
    checkLength(bytes, SIGNATURE_BYTES, 'SIGNATURE_INVALID', 'signature');
    return new Signature(keyName, new Uint8Array(bytes));
  }

  /**
   * Reads `name:base64`.
   * @throws SIGNATURE_INVALID
   */
  static parse(text: string): Signature {
    const { name, bytes } = splitNamed(text, 'SIGNATURE_INVALID', 'signature');
    checkLength(bytes, SIGNATURE_BYTES, 'SIGNATURE_INVALID', 'signature');
    return new Signature(name, bytes);
  }

  /** `name:base64`, as a narinfo has it. */
  toString(): string {
    return `${this.keyName}:${encodeBase64(this.bytes)}`;
  }

  /** Whether name and bytes are the same. */
  equals(other: Signature): boolean {
    return this.keyName === other.keyName && equalBytes(this.bytes, other.bytes);
  }
}

/** The key that checks signatures of one name. */
export class PublicKey {
  readonly name: string;
  /** 32 bytes. */
  readonly bytes: Uint8Array;
  #keyObject: KeyObject | undefined;

  private constructor(name: string, bytes: Uint8Array) {
    this.name = name;
    this.bytes = bytes;
  }

  /**
   * Reads `name:base64`.
   * @throws KEY_INVALID
   */
  static parse(text: string): PublicKey {
    const { name, bytes } = splitNamed(text, 'KEY_INVALID', 'public key');
    checkLength(bytes, PUBLIC_KEY_BYTES, 'KEY_INVALID', 'public key');
    return new PublicKey(name, bytes);
  }

  /** Whether `signature` carries this key's name and is this key's signature of `message`. */
  verify(message: Uint8Array, signature: Signature): boolean {
    if (signature.keyName !== this.name) return false;
    this.#keyObject ??= createPublicKey({
      key: { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(this.bytes).toString('base64url') },
      format: 'jwk',
    });
    return verifyEd25519(null, message, this.#keyObject, signature.bytes);
  }

  /** `name:base64`. */
  toString(): string {
    return `${this.name}:${encodeBase64(this.bytes)}`;
  }

  /** Whether name and bytes are the same. */
  equals(other: PublicKey): boolean {
    return this.name === other.name && equalBytes(this.bytes, other.bytes);
  }
}

/** The key that signs. Its bytes are private fields, so that inspecting or logging it shows none. */
export class SecretKey {
  /** The key that checks what this one signs. */
  readonly publicKey: PublicKey;
  readonly #seed: Uint8Array;
  readonly #keyObject: KeyObject;

  private constructor(name: string, seed: Uint8Array) {
    this.#seed = seed;
    this.#keyObject = createPrivateKey({
      key: Buffer.concat([PKCS8_ED25519_PREFIX, seed]),
      format: 'der',
      type: 'pkcs8',
    });
    const { x } = createPublicKey(this.#keyObject).export({ format: 'jwk' });
    this.publicKey = PublicKey.parse(
      `${name}:${Buffer.from(x ?? '', 'base64url').toString('base64')}`,
    );
  }

  /**
   * Reads `name:base64`, as `nix-store --generate-binary-cache-key` writes it; white space around
   * it, such as a file's last line feed, is left out.
   * @throws KEY_INVALID, also when the public half does not belong to the secret one; what is wrong
   *   is said without showing the key
   */
  static parse(text: string): SecretKey {
    const { name, bytes } = splitNamed(text.trim(), 'KEY_INVALID', 'secret key');
    checkLength(bytes, SECRET_KEY_BYTES, 'KEY_INVALID', 'secret key');
    const key = new SecretKey(name, bytes.slice(0, SEED_BYTES));
    if (!equalBytes(key.publicKey.bytes, bytes.subarray(SEED_BYTES))) {
      throw new NarthexError(
        'KEY_INVALID',
        `the public half of the secret key '${excerpt(name)}' does not belong to it`,
        { name },
      );
    }
    return key;
  }

  /**
   * A new random key.
   * @throws KEY_INVALID for a name that a key cannot have
   */
  static generate(name: string): SecretKey {
    checkName(name, 'KEY_INVALID', 'secret key');
    const { d } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
    return new SecretKey(name, new Uint8Array(Buffer.from(d ?? '', 'base64url')));
  }

  get name(): string {
    return this.publicKey.name;
  }

  /** The signature of `message`, the same at every call. */
  sign(message: Uint8Array): Signature {
    return Signature.of(this.name, signEd25519(null, message, this.#keyObject));
  }

  /** `name:base64` **with the secret**, for the key file. */
  toString(): string {
    return `${this.name}:${encodeBase64(concatBytes([this.#seed, this.publicKey.bytes]))}`;
  }
}

/**
 * Reads keys separated by white space, as `trusted-public-keys` of `nix.conf` has them.
 * @throws KEY_INVALID
 */
export function parsePublicKeys(text: string): PublicKey[] {
  return text
    .split(/\s+/)
    .filter((word) => word !== '')
    .map((word) => PublicKey.parse(word));
}

/** The key of cache.nixos.org, as Nix has it built in. */
export const CACHE_NIXOS_ORG_KEY: PublicKey = PublicKey.parse(
  'cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=',
);
