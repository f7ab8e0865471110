/**
 * PathInfos as values of the index. The digest of the store path and the closure digest are the key
 * and not repeated.
 *
 *     record       = version, NarHash (32 bytes), NarSize, name, root node,
 *                    list of references, list of reference contents,
 *                    list of (key name, 64 bytes signature),
 *                    optional deriver, optional CA (text), optional origin (text), verification
 *     reference    = digest (20 bytes), name            in the order of the claim, repetitions kept
 *     content      = root node, closure digest (32 bytes), evidence
 *                                    one for each distinct reference but the path itself, in the
 *                                    order in which the references first name them
 *     node         = castore Entry with empty name, after its length
 *     evidence     = 0 same | 1 mixed | 2 unchecked
 *     verification = 0 nobody | 1 CA | 2 key, text | 3 uploader, text
 *     optional     = 0 | 1, what there is
 *
 * Numbers are varints (recordBytes.ts). Whatever is decoded passes the constructors of Claim and
 * PathInfo, and the closure digest computed from it must be the one in the key.
 */
import { EMPTY, toHex } from '../bytes.ts';
import { DIGEST_BYTES, Digest } from '../castore/digest.ts';
import { decodeEntry, encodeEntry } from '../castore/directory.ts';
import type { Node } from '../castore/node.ts';
import { NarthexError } from '../errors.ts';
import { HASH_BYTES, Hash } from '../hash.ts';
import { ContentAddress } from '../narinfo/contentAddress.ts';
import { Claim, type Verification } from '../pathinfo/claim.ts';
import type { VariantKey } from '../pathinfo/currentView.ts';
import { type Evidence, PathInfo, type ReferenceContent } from '../pathinfo/pathInfo.ts';
import { Signature } from '../signature.ts';
import { STORE_PATH_DIGEST_BYTES, StorePath } from '../storePath.ts';
import { FieldReader, FieldWriter } from './recordBytes.ts';

const RECORD_VERSION = 1;
const SIGNATURE_BYTES = 64;
const EVIDENCE: readonly Evidence[] = ['same', 'mixed', 'unchecked'];
const VERIFIED_BY: readonly Verification['by'][] = ['nobody', 'ca', 'key', 'uploader'];
const OPTIONAL = [false, true] as const;

/** Encodes a PathInfo, its key left out. */
export function encodePathInfo(pathInfo: PathInfo): Uint8Array {
  const { claim, node } = pathInfo;
  const writer = new FieldWriter()
    .uint(RECORD_VERSION)
    .fixed(claim.narHash.digest)
    .uint(claim.narSize)
    .text(claim.storePath.name);
  writeNode(writer, node);
  writer.uint(claim.references.length);
  for (const reference of claim.references) writeStorePath(writer, reference);
  const others = distinctOthers(claim.storePath, claim.references);
  writer.uint(others.length);
  for (const name of others) {
    const content = pathInfo.references.get(name);
    if (content === undefined) throw new TypeError(`no content for ${name}`); // see PathInfo
    writeNode(writer, content.node);
    writer.fixed(content.closureDigest.bytes).uint(EVIDENCE.indexOf(content.evidence));
  }
  writer.uint(claim.signatures.length);
  for (const { keyName, bytes } of claim.signatures) writer.text(keyName).fixed(bytes);
  writer.uint(claim.deriver === undefined ? 0 : 1);
  if (claim.deriver !== undefined) writeStorePath(writer, claim.deriver);
  writer.uint(claim.ca === undefined ? 0 : 1);
  if (claim.ca !== undefined) writer.text(claim.ca.toString());
  writer.uint(claim.origin === undefined ? 0 : 1);
  if (claim.origin !== undefined) writer.text(claim.origin);
  writeVerification(writer, claim.verification);
  return writer.finish();
}

/**
 * The PathInfo under `key`.
 * @throws STORE_INVALID with the key, and what is wrong as its cause
 */
export function decodePathInfo(key: VariantKey, record: Uint8Array): PathInfo {
  const facts = { digest: toHex(key.digest), closureDigest: String(key.closureDigest) };
  let pathInfo: PathInfo;
  try {
    pathInfo = decode(key.digest, new FieldReader(record));
  } catch (error) {
    throw new NarthexError(
      'STORE_INVALID',
      `the PathInfo of ${facts.digest} with closure digest ${facts.closureDigest} is damaged`,
      facts,
      error,
    );
  }
  if (!pathInfo.closureDigest.equals(key.closureDigest)) {
    throw new NarthexError(
      'STORE_INVALID',
      `the PathInfo of ${pathInfo.storePath.absolute} does not have the closure digest it is stored under`,
      { ...facts, expected: facts.closureDigest, actual: String(pathInfo.closureDigest) },
    );
  }
  return pathInfo;
}

/** The NarSize in a record, without decoding the rest. @throws STORE_INVALID */
export function narSizeOfRecord(record: Uint8Array): number {
  const reader = new FieldReader(record);
  readVersion(reader);
  reader.fixed(HASH_BYTES.sha256);
  return reader.uint();
}

/** What a variant stands on, without what is said about it. */
export interface VariantLinks {
  /** The 32 bytes of the SHA-256. */
  readonly narHash: Uint8Array;
  readonly node: Node;
  /** The closure digests of what it refers to, itself left out. */
  readonly references: readonly Digest[];
}

/** The links in a record, without checking the rest. @throws STORE_INVALID */
export function linksOfRecord(record: Uint8Array): VariantLinks {
  const reader = new FieldReader(record);
  readVersion(reader);
  const narHash = reader.fixed(HASH_BYTES.sha256);
  reader.uint();
  reader.text();
  const node = readNode(reader);
  reader.list(() => {
    reader.fixed(STORE_PATH_DIGEST_BYTES);
    reader.text();
  });
  const references = reader.list(() => {
    reader.bytes();
    const closureDigest = new Digest(reader.fixed(DIGEST_BYTES));
    reader.choice(EVIDENCE);
    return closureDigest;
  });
  return { narHash, node, references };
}

function decode(digest: Uint8Array, reader: FieldReader): PathInfo {
  readVersion(reader);
  const narHash = Hash.of('sha256', reader.fixed(HASH_BYTES.sha256));
  const narSize = reader.uint();
  const storePath = StorePath.of(digest, reader.text());
  const node = readNode(reader);
  const references = reader.list(() => readStorePath(reader));
  const contents = reader.list((): ReferenceContent => {
    const contentNode = readNode(reader);
    const closureDigest = new Digest(reader.fixed(DIGEST_BYTES));
    return { node: contentNode, closureDigest, evidence: reader.choice(EVIDENCE) };
  });
  const signatures = reader.list(() => Signature.of(reader.text(), reader.fixed(SIGNATURE_BYTES)));
  const deriver = reader.choice(OPTIONAL) ? readStorePath(reader) : undefined;
  const ca = reader.choice(OPTIONAL) ? ContentAddress.parse(reader.text()) : undefined;
  const origin = reader.choice(OPTIONAL) ? reader.text() : undefined;
  const verification = readVerification(reader);
  reader.end();
  const others = distinctOthers(storePath, references);
  if (others.length !== contents.length) throw reader.error('contents do not match references');
  const byName = new Map<string, ReferenceContent>();
  for (const [index, content] of contents.entries()) byName.set(others[index] ?? '', content);
  const claim = new Claim({
    storePath,
    narHash,
    narSize,
    references,
    signatures,
    deriver,
    ca,
    origin,
    verification,
  });
  return new PathInfo(claim, node, byName);
}

/** Base names of the references but the path itself, each once, in the order of their first mention. */
function distinctOthers(storePath: StorePath, references: readonly StorePath[]): string[] {
  const names = new Set(references.map(({ baseName }) => baseName));
  names.delete(storePath.baseName);
  return [...names];
}

function readVersion(reader: FieldReader): void {
  const version = reader.uint();
  if (version !== RECORD_VERSION) throw reader.error(`version ${version} is unknown`);
}

function writeNode(writer: FieldWriter, node: Node): void {
  writer.bytes(encodeEntry(EMPTY, node));
}

function readNode(reader: FieldReader): Node {
  return decodeEntry(reader.bytes()).node;
}

function writeStorePath(writer: FieldWriter, storePath: StorePath): void {
  writer.fixed(storePath.digest).text(storePath.name);
}

function readStorePath(reader: FieldReader): StorePath {
  return StorePath.of(reader.fixed(STORE_PATH_DIGEST_BYTES), reader.text());
}

function writeVerification(writer: FieldWriter, verification: Verification): void {
  writer.uint(VERIFIED_BY.indexOf(verification.by));
  if (verification.by === 'key') writer.text(verification.publicKey);
  if (verification.by === 'uploader') writer.text(verification.uploader);
}

function readVerification(reader: FieldReader): Verification {
  const by = reader.choice(VERIFIED_BY);
  switch (by) {
    case 'key':
      return { by, publicKey: reader.text() };
    case 'uploader':
      return { by, uploader: reader.text() };
    default:
      return { by };
  }
}
