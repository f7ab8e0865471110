/**
 * Content addresses, the `CA:` of a narinfo (Nix: `src/libstore/content-address.cc`):
 *
 *     text:sha256:H      a text file; may refer to other paths, not to itself
 *     fixed:ALGO:H       a regular file, hashed flat
 *     fixed:r:ALGO:H     the NAR of anything; with sha256 it may have references, also to itself
 *     fixed:git:ALGO:H   a git tree or blob; sha1 or sha256
 *
 * ALGO is md5, sha1, sha256, sha512 or blake3, H is nixbase32, hex or base64 and is written as
 * nixbase32. What a hash covers is the business of whoever reads the content; here only the text
 * and the store path that follows from it.
 */
import { utf8 } from '../bytes.ts';
import { NarthexError } from '../errors.ts';
import { excerpt } from '../excerpt.ts';
import { Hash, hashBytes } from '../hash.ts';
import { makeStorePath, type StorePath } from '../storePath.ts';
import { sortedReferences } from './references.ts';

/** How content is hashed. `recursive` is Nix's older name for "as a NAR". */
export type ContentAddressMethod = 'text' | 'flat' | 'recursive' | 'git';

const FIXED_PREFIX = 'fixed:';

/** What stands before the hash in the text. */
const METHOD_PREFIX: Readonly<Record<ContentAddressMethod, string>> = {
  text: 'text:',
  flat: FIXED_PREFIX,
  recursive: `${FIXED_PREFIX}r:`,
  git: `${FIXED_PREFIX}git:`,
};

function invalid(reason: string, facts: Record<string, string>, cause?: unknown): NarthexError {
  return new NarthexError('CONTENT_ADDRESS_INVALID', reason, facts, cause);
}

/** A content address. Immutable; its method and algorithm fit together. */
export class ContentAddress {
  readonly method: ContentAddressMethod;
  readonly hash: Hash;

  private constructor(method: ContentAddressMethod, hash: Hash) {
    this.method = method;
    this.hash = hash;
  }

  /**
   * @throws CONTENT_ADDRESS_INVALID when the method does not go with the hash's algorithm
   */
  static of(method: ContentAddressMethod, hash: Hash): ContentAddress {
    const { algorithm } = hash;
    if (method === 'text' && algorithm !== 'sha256') {
      throw invalid(`a text content address needs sha256, not ${algorithm}`, {
        expected: 'sha256',
        actual: algorithm,
      });
    }
    if (method === 'git' && algorithm !== 'sha1' && algorithm !== 'sha256') {
      throw invalid(`a git content address needs sha1 or sha256, not ${algorithm}`, {
        expected: 'sha1 or sha256',
        actual: algorithm,
      });
    }
    return new ContentAddress(method, hash);
  }

  /**
   * Reads a `CA:` value.
   * @throws CONTENT_ADDRESS_INVALID with `actual`
   */
  static parse(text: string): ContentAddress {
    const method = methodOf(text);
    if (method === undefined) {
      throw invalid(`'${excerpt(text)}' is not a content address: it begins with no known method`, {
        actual: excerpt(text),
        expected: 'text:… or fixed:…',
      });
    }
    const hashText = text.slice(METHOD_PREFIX[method].length);
    // Hash.parse would take SRI too, which Nix does not take here
    if (!hashText.includes(':')) {
      throw invalid(`'${excerpt(text)}' is not a content address: its hash is not ALGO:HASH`, {
        actual: excerpt(text),
        expected: `${METHOD_PREFIX[method]}ALGO:HASH`,
      });
    }
    let hash: Hash;
    try {
      hash = Hash.parse(hashText);
    } catch (error) {
      throw invalid(
        `'${excerpt(text)}' is not a content address: its hash is malformed`,
        { actual: excerpt(text) },
        error,
      );
    }
    return ContentAddress.of(method, hash);
  }

  /** The `CA:` value, with the hash in nixbase32. */
  toString(): string {
    return METHOD_PREFIX[this.method] + this.hash.toNixbase32();
  }

  /** Whether method and hash are the same. */
  equals(other: ContentAddress): boolean {
    return this.method === other.method && this.hash.equals(other.hash);
  }
}

function methodOf(text: string): ContentAddressMethod | undefined {
  if (text.startsWith(METHOD_PREFIX.text)) return 'text';
  if (text.startsWith(METHOD_PREFIX.recursive)) return 'recursive';
  if (text.startsWith(METHOD_PREFIX.git)) return 'git';
  return text.startsWith(METHOD_PREFIX.flat) ? 'flat' : undefined;
}

/** Whether the content is addressed so that the references enter the store path. */
function isSource(ca: ContentAddress): boolean {
  return ca.method === 'recursive' && ca.hash.algorithm === 'sha256';
}

/** Why such a path cannot have these references, or `undefined` if it can. */
function referencesRefused(ca: ContentAddress, others: number, self: boolean): string | undefined {
  if (isSource(ca)) return undefined;
  if (ca.method === 'text') return self ? 'a text cannot refer to itself' : undefined;
  return others > 0 || self
    ? 'only texts and sha256 hashes over NARs go with references'
    : undefined;
}

/** Nix's `makeType`: the references become part of the kind of object. */
function typeOf(kind: 'source' | 'text', references: readonly StorePath[], self: boolean): string {
  const parts = [kind, ...sortedReferences(references).map(({ absolute }) => absolute)];
  if (self) parts.push('self');
  return parts.join(':');
}

/**
 * The store path of content with this address (Nix: `makeFixedOutputPathFromCA`).
 * @param references the *other* store paths it refers to, in any order
 * @param self whether it refers to itself
 * @throws CONTENT_ADDRESS_INVALID when such content cannot have these references
 * @throws STORE_PATH_INVALID for a name that is not allowed
 */
export function storePathOf(
  ca: ContentAddress,
  name: string,
  references: readonly StorePath[] = [],
  self = false,
): StorePath {
  const refused = referencesRefused(ca, references.length, self);
  if (refused !== undefined) {
    throw invalid(`the content address ${ca} does not go with the references: ${refused}`, {
      actual: ca.toString(),
      name: excerpt(name),
    });
  }
  if (ca.method === 'text') return makeStorePath(typeOf('text', references, self), ca.hash, name);
  if (isSource(ca)) return makeStorePath(typeOf('source', references, self), ca.hash, name);
  const method = METHOD_PREFIX[ca.method].slice(FIXED_PREFIX.length);
  const inner = hashBytes('sha256', utf8(`fixed:out:${method}${ca.hash.toHex()}:`));
  return makeStorePath('output:out', inner, name);
}

/**
 * Whether `storePath` is the one that follows from the content address and from all references,
 * the one to itself among them. Says nothing about the content, which is still to be hashed.
 */
export function isStorePathOf(
  ca: ContentAddress,
  storePath: StorePath,
  references: readonly StorePath[],
): boolean {
  const others = references.filter((reference) => !reference.equals(storePath));
  const self = others.length < references.length;
  if (referencesRefused(ca, others.length, self) !== undefined) return false;
  return storePathOf(ca, storePath.name, others, self).equals(storePath);
}
