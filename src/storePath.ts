/**
 * Store paths (Nix: `src/libstore/path.cc`, `store-dir-config.cc`):
 *
 *     /nix/store/pdw8ja2airxrmm5sbgingswkldj4jaip-hello-2.10
 *     ├ store dir ┤ ├────── hash part ────────────┤ ├─ name ─┤
 *                   ├────────────── base name ───────────────┤
 *
 * The hash part is the nixbase32 of a digest of 20 bytes. A name has 1 to 211 characters out of
 * `[0-9a-zA-Z+\-._?=]`, is not `.` or `..` and does not begin with `.-` or `..-`.
 */
import { utf8 } from './bytes.ts';
import { NarthexError } from './errors.ts';
import { excerpt } from './excerpt.ts';
import { compressHash, type Hash, hashBytes } from './hash.ts';
import { decodeNixbase32, encodeNixbase32 } from './nixbase32.ts';

/** The store directory that Narthex is for. It enters the digest of every store path. */
export const STORE_DIR = '/nix/store';

/** The length of a store path's digest, in bytes. */
export const STORE_PATH_DIGEST_BYTES = 20;

/** The length of the digest's text: 160 bits in digits of 5, so that there are no spare bits. */
export const HASH_PART_LENGTH = 32;

/**
 * The longest name (Nix: `StorePath::MaxPathLen`): file names of 255 characters, less the hash part
 * and `-`, less 11 for the suffixes that Nix appends to a path while it works on it.
 */
export const STORE_PATH_NAME_MAX_LENGTH = 211;

const DERIVATION_SUFFIX = '.drv';
const HASH_PART = /^[0-9a-df-np-sv-z]{32}$/;
const NAME = /^[0-9a-zA-Z+\-._?=]+$/;
const FORBIDDEN_NAME = /^\.\.?(-|$)/;

function invalid(text: string, reason: string, facts: { expected?: string } = {}): NarthexError {
  return new NarthexError('STORE_PATH_INVALID', `'${excerpt(text)}' ${reason}`, {
    actual: excerpt(text),
    ...facts,
  });
}

/** Refuses a `name` that a store path may not have; `whole` is what the error quotes. */
function checkName(name: string, whole: string): void {
  if (name === '') throw invalid(whole, 'is not a store path: its name is empty');
  if (name.length > STORE_PATH_NAME_MAX_LENGTH) {
    throw invalid(
      whole,
      `is not a store path: its name is longer than ${STORE_PATH_NAME_MAX_LENGTH} characters`,
    );
  }
  if (!NAME.test(name)) {
    throw invalid(whole, 'is not a store path: its name has a character that is not allowed', {
      expected: 'characters out of [0-9a-zA-Z+-._?=]',
    });
  }
  if (FORBIDDEN_NAME.test(name)) {
    throw invalid(whole, "is not a store path: its name is or begins with '.' or '..'");
  }
}

/**
 * The same text in memory of its own. A slice made by V8 keeps the text alive that it was cut from,
 * which may be a whole narinfo; a joined text keeps its parts.
 */
function detach(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}

/**
 * A store path below {@link STORE_DIR}. Immutable and small: 100,000 of them live at once in a plan
 * over a large closure, so only the base name is kept, and everything else computed from it.
 */
export class StorePath {
  /** `<hash part>-<name>`, ASCII. Equal exactly when the store paths are: a key for maps. */
  readonly baseName: string;

  private constructor(baseName: string) {
    this.baseName = detach(baseName);
  }

  /**
   * The store path with this base name.
   * @throws STORE_PATH_INVALID with `actual`
   */
  static fromBaseName(text: string): StorePath {
    if (!HASH_PART.test(text.slice(0, HASH_PART_LENGTH))) {
      throw invalid(text, 'is not a store path: it does not begin with a hash part', {
        expected: `${HASH_PART_LENGTH} characters of nixbase32, '-', a name`,
      });
    }
    if (text[HASH_PART_LENGTH] !== '-') {
      throw invalid(text, "is not a store path: there is no '-' after its hash part");
    }
    checkName(text.slice(HASH_PART_LENGTH + 1), text);
    return new StorePath(text);
  }

  /**
   * The store path that `absolutePath` spells, which lies directly in `storeDir`.
   * @throws STORE_PATH_INVALID with `actual`; `expected` when it lies elsewhere
   */
  static parse(absolutePath: string, storeDir: string = STORE_DIR): StorePath {
    const prefix = `${storeDir}/`;
    if (!absolutePath.startsWith(prefix)) {
      throw invalid(absolutePath, `is not in the store directory ${storeDir}`, {
        expected: `${prefix}…`,
      });
    }
    const baseName = absolutePath.slice(prefix.length);
    const slash = baseName.indexOf('/');
    if (slash !== -1) {
      throw invalid(absolutePath, 'is not a store path but a place inside or below one', {
        expected: prefix + baseName.slice(0, slash),
      });
    }
    return StorePath.fromBaseName(baseName);
  }

  /**
   * The store path with this digest (20 bytes) and name.
   * @throws STORE_PATH_INVALID for a digest of another length or a name that is not allowed
   */
  static of(digest: Uint8Array, name: string): StorePath {
    const hashPart = formatHashPart(digest);
    checkName(name, `${hashPart}-${name}`);
    return new StorePath(`${hashPart}-${name}`);
  }

  /** The digest as text: the part before the `-`, {@link HASH_PART_LENGTH} characters. */
  get hashPart(): string {
    return this.baseName.slice(0, HASH_PART_LENGTH);
  }

  /** The {@link STORE_PATH_DIGEST_BYTES} bytes of the hash part; decoded anew at each call. */
  get digest(): Uint8Array {
    return decodeNixbase32(this.hashPart);
  }

  /** The part after the `-`. */
  get name(): string {
    return this.baseName.slice(HASH_PART_LENGTH + 1);
  }

  /** `/nix/store/<base name>`. */
  get absolute(): string {
    return `${STORE_DIR}/${this.baseName}`;
  }

  /** Whether the name ends with `.drv`. */
  get isDerivation(): boolean {
    return this.baseName.endsWith(DERIVATION_SUFFIX);
  }

  /** The same as {@link absolute}. */
  toString(): string {
    return this.absolute;
  }

  /** The same as {@link absolute}. */
  toJSON(): string {
    return this.absolute;
  }

  /** Whether digest and name are the same. */
  equals(other: StorePath): boolean {
    return this.baseName === other.baseName;
  }
}

/**
 * The hash part of a digest of 20 bytes.
 * @throws STORE_PATH_INVALID for a digest of another length
 */
export function formatHashPart(digest: Uint8Array): string {
  if (digest.length !== STORE_PATH_DIGEST_BYTES) {
    throw new NarthexError(
      'STORE_PATH_INVALID',
      `the digest of a store path has ${STORE_PATH_DIGEST_BYTES} bytes, not ${digest.length}`,
      { expected: STORE_PATH_DIGEST_BYTES, actual: digest.length },
    );
  }
  return encodeNixbase32(digest);
}

/**
 * The 20 bytes of a hash part.
 * @throws STORE_PATH_INVALID with `actual`
 */
export function parseHashPart(text: string): Uint8Array {
  if (!HASH_PART.test(text)) {
    throw invalid(text, 'is not the hash part of a store path', {
      expected: `${HASH_PART_LENGTH} characters of nixbase32`,
    });
  }
  return decodeNixbase32(text);
}

/** What somebody asks for: a store path, or all that is known of it. */
export interface StorePathQuery {
  /** 20 bytes. */
  readonly digest: Uint8Array;
  readonly hashPart: string;
  /** Known unless only the hash part was given. */
  readonly name: string | undefined;
  /** Known unless only the hash part was given. */
  readonly storePath: StorePath | undefined;
}

/**
 * Reads what people write for a store path: the absolute path, also with slashes at its end; the
 * base name; the hash part alone.
 * @throws STORE_PATH_INVALID with `actual`, for a place inside a store path too
 */
export function parseStorePathQuery(text: string): StorePathQuery {
  if (text.length === HASH_PART_LENGTH && !text.startsWith('/')) {
    return { digest: parseHashPart(text), hashPart: text, name: undefined, storePath: undefined };
  }
  let path = text;
  while (path.startsWith('/') && path.endsWith('/')) path = path.slice(0, -1);
  const storePath = text.startsWith('/') ? StorePath.parse(path) : StorePath.fromBaseName(path);
  const { digest, hashPart, name } = storePath;
  return { digest, hashPart, name, storePath };
}

/**
 * The store path that Nix computes from what makes an object: the SHA-256 of
 * `<type>:<inner hash in hex>:<store dir>:<name>`, folded to 20 bytes (Nix: `makeStorePath`).
 * @throws STORE_PATH_INVALID for a name that is not allowed
 */
export function makeStorePath(type: string, inner: Hash, name: string): StorePath {
  const { digest } = hashBytes('sha256', utf8(`${type}:${inner.toHex()}:${STORE_DIR}:${name}`));
  return StorePath.of(compressHash(digest, STORE_PATH_DIGEST_BYTES), name);
}
