/** A PathInfo of which it is not known what its references stood for. */
import type { Node } from '../castore/node.ts';
import type { Claim } from './claim.ts';
import { PathInfo, type ReferenceContent } from './pathInfo.ts';

/**
 * A claim and its content, with references by name only: what snix and other peers tell that know no
 * references by content. It has no closure digest, and none is made up.
 */
export class UnresolvedPathInfo {
  readonly claim: Claim;
  readonly node: Node;

  constructor(claim: Claim, node: Node) {
    this.claim = claim;
    this.node = node;
  }

  get storePath() {
    return this.claim.storePath;
  }

  /** Base names of what it refers to, itself left out, each once. */
  get referenceNames(): ReadonlySet<string> {
    const names = new Set(this.claim.references.map(({ baseName }) => baseName));
    names.delete(this.claim.storePath.baseName);
    return names;
  }

  /**
   * The PathInfo, once it is known what each reference stands for.
   * @throws PATH_INFO_INVALID a reference's content is missing, or there is content for no reference
   */
  resolve(references: ReadonlyMap<string, ReferenceContent>): PathInfo {
    return new PathInfo(this.claim, this.node, references);
  }
}
