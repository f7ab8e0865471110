/** Ed25519 keys in Nix's form, for tests to sign with. */
import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { sha256 } from './nixbase32.ts';

/** A key that signs for tests. */
export interface SigningKey {
  readonly name: string;
  /** `name:base64`, as in `trusted-public-keys`. */
  readonly publicKey: string;
  /** `name:base64`, as Nix keeps secret keys in files: the seed and the public half. */
  readonly secretKey: string;
  /** The `name:base64` of a `Sig` line. */
  sign(message: string | Uint8Array): string;
}

/** PKCS #8 (RFC 8410) before the 32 bytes of an Ed25519 seed. */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');
const SEED_BYTES = 32;

function rawPublicKey(key: KeyObject): Buffer {
  return createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-SEED_BYTES);
}

function keyOfSeed(name: string, seed: Uint8Array): SigningKey {
  const der = Buffer.concat([PKCS8_PREFIX, seed]);
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const publicHalf = rawPublicKey(key);
  return {
    name,
    publicKey: `${name}:${publicHalf.toString('base64')}`,
    secretKey: `${name}:${Buffer.concat([seed, publicHalf]).toString('base64')}`,
    sign: (message) => `${name}:${sign(undefined, Buffer.from(message), key).toString('base64')}`,
  };
}

/** A key that depends on nothing but its name: the same in each run, and no secret. */
export function testKey(name: string): SigningKey {
  return keyOfSeed(name, sha256(`narthex test key ${name}`));
}

/** The key of a file that Nix's `--generate-binary-cache-key` wrote. */
export function parseSigningKey(text: string): SigningKey {
  const trimmed = text.trim();
  const colon = trimmed.indexOf(':');
  const bytes = Buffer.from(trimmed.slice(colon + 1), 'base64');
  return keyOfSeed(trimmed.slice(0, colon), bytes.subarray(0, SEED_BYTES));
}

/** SubjectPublicKeyInfo (RFC 8410) before the 32 bytes of an Ed25519 public key. */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

/** The key of a `trusted-public-keys` entry, to verify with. */
export function parsePublicKey(text: string): KeyObject {
  const bytes = Buffer.from(text.slice(text.indexOf(':') + 1), 'base64');
  const der = Buffer.concat([SPKI_PREFIX, bytes]);
  return createPublicKey({ key: der, format: 'der', type: 'spki' });
}
