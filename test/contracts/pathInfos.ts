/** PathInfos for tests: their content is a symlink, which needs nothing else to be stored. */
import { utf8 } from '../../src/bytes.ts';
import { type Node, SymlinkNode } from '../../src/castore/node.ts';
import { hashBytes } from '../../src/hash.ts';
import type { ContentAddress } from '../../src/narinfo/contentAddress.ts';
import { Claim, type Verification } from '../../src/pathinfo/claim.ts';
import { type Evidence, PathInfo, type ReferenceContent } from '../../src/pathinfo/pathInfo.ts';
import { SecretKey, Signature } from '../../src/signature.ts';
import { STORE_PATH_DIGEST_BYTES, StorePath } from '../../src/storePath.ts';

/** What to make a PathInfo from. */
export interface PathInfoRecipe {
  /** Name of the store path; its digest is derived from it. */
  readonly name: string;
  /** What tells this content from others under the same store path. */
  readonly content?: string;
  readonly node?: Node;
  readonly references?: readonly PathInfo[];
  readonly selfReferring?: boolean;
  readonly evidence?: Evidence;
  readonly verification?: Verification;
  /** Key names; a signature by each. */
  readonly signedBy?: readonly string[];
  readonly deriver?: string;
  readonly ca?: ContentAddress;
  readonly origin?: string;
}

/** A verified claim. */
export const BY_KEY: Verification = {
  by: 'key',
  publicKey: `cache-1:${Buffer.alloc(32).toString('base64')}`,
};
/** An unverified one. */
export const BY_NOBODY: Verification = { by: 'nobody' };

const SIGNATURE_BYTES = 64;

/** A store path whose digest depends on its name alone. */
export function storePathOf(name: string): StorePath {
  return StorePath.of(
    hashBytes('sha256', utf8(name)).digest.subarray(0, STORE_PATH_DIGEST_BYTES),
    name,
  );
}

/** A signature that verifies nowhere. */
export function signatureBy(keyName: string): Signature {
  return Signature.of(
    keyName,
    hashBytes('sha512', utf8(keyName)).digest.subarray(0, SIGNATURE_BYTES),
  );
}

/** Makes a PathInfo. */
export function pathInfoOf(recipe: PathInfoRecipe): PathInfo {
  const { name, content = name, references = [], evidence = 'unchecked' } = recipe;
  const storePath = storePathOf(name);
  const names = references.map((reference) => reference.storePath);
  const claim = new Claim({
    storePath,
    narHash: hashBytes('sha256', utf8(`nar of ${content}`)),
    narSize: 1000 + content.length,
    references: recipe.selfReferring === true ? [...names, storePath] : names,
    signatures: (recipe.signedBy ?? []).map(signatureBy),
    deriver: recipe.deriver === undefined ? undefined : storePathOf(recipe.deriver),
    ca: recipe.ca,
    origin: recipe.origin,
    verification: recipe.verification ?? BY_KEY,
  });
  const contents = references.map((reference): [string, ReferenceContent] => [
    reference.storePath.baseName,
    { node: reference.node, closureDigest: reference.closureDigest, evidence },
  ]);
  return new PathInfo(claim, recipe.node ?? new SymlinkNode(utf8(content)), new Map(contents));
}

/** Signs for services that are put to the test of their contracts; `plain` leaves its signatures out. */
export const SERVICE_KEY = SecretKey.generate('service-1');

/** The signatures of a claim but those by {@link SERVICE_KEY}. */
export function signaturesOf({ claim }: PathInfo): string[] {
  return claim.signatures.filter(({ keyName }) => keyName !== SERVICE_KEY.name).map(String);
}

/** A PathInfo as plain data that `toEqual` compares. */
export function plain(pathInfo: PathInfo | undefined): unknown {
  if (pathInfo === undefined) return undefined;
  const { claim, node, references, closureDigest } = pathInfo;
  const plainNode = (n: Node) =>
    n.type === 'symlink' ? { target: [...n.target] } : { ...n, digest: n.digest.hex };
  return {
    storePath: claim.storePath.absolute,
    narHash: claim.narHash.toString(),
    narSize: claim.narSize,
    references: claim.references.map(String),
    signatures: signaturesOf(pathInfo),
    deriver: claim.deriver?.absolute,
    ca: claim.ca?.toString(),
    origin: claim.origin,
    verification: claim.verification,
    node: plainNode(node),
    contents: [...references].map(([name, content]) => [
      name,
      plainNode(content.node),
      content.closureDigest.hex,
      content.evidence,
    ]),
    closureDigest: closureDigest.hex,
  };
}
