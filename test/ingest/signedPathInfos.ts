/** PathInfos whose signatures are real, over content that need not be stored. */
import { Digest } from '../../src/castore/digest.ts';
import { FileNode } from '../../src/castore/node.ts';
import { fingerprint } from '../../src/narinfo/fingerprint.ts';
import { Claim, type Verification } from '../../src/pathinfo/claim.ts';
import { PathInfo, type ReferenceContent } from '../../src/pathinfo/pathInfo.ts';
import { SecretKey } from '../../src/signature.ts';
import { testKey } from '../support/signingKey.ts';
import { narInfoOf } from './fakeWalk.ts';

/** A key that depends on nothing but its name. */
export function secretKey(name: string): SecretKey {
  return SecretKey.parse(testKey(name).secretKey);
}

/** `{ by: 'key' }` with the public half of a key. */
export function byKey(key: SecretKey): Verification {
  return { by: 'key', publicKey: String(key.publicKey) };
}

/** What to make a claim from. */
export interface SignedRecipe {
  readonly name: string;
  /** What is referred to, by content. */
  readonly references?: readonly PathInfo[];
  readonly signedBy?: readonly SecretKey[];
  readonly verification?: Verification;
  /** What tells this content from others under the same store path. */
  readonly content?: string;
}

/** Makes a PathInfo. */
export function signedPathInfo(recipe: SignedRecipe): PathInfo {
  const { name, references = [], signedBy = [], content = name } = recipe;
  const narInfo = {
    ...narInfoOf(name, []),
    narHash: narInfoOf(content, []).narHash,
    references: references.map(({ storePath }) => storePath),
  };
  const message = fingerprint(narInfo);
  const claim = new Claim({
    ...narInfo,
    signatures: signedBy.map((key) => key.sign(message)),
    origin: 'test:',
    verification: recipe.verification ?? { by: 'nobody' },
  });
  const contents = references.map(
    ({ storePath, node, closureDigest }): [string, ReferenceContent] => [
      storePath.baseName,
      { node, closureDigest, evidence: 'unchecked' },
    ],
  );
  const node = new FileNode(Digest.of(Buffer.from(content)), 1, false);
  return new PathInfo(claim, node, new Map(contents));
}
