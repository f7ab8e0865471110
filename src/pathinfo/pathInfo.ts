/**
 * PathInfo: what is stored about a store path. A claim, the root node of the content, and the
 * **references by content**: for each reference not only its name but which content it stood for.
 */
import type { Digest } from '../castore/digest.ts';
import { equalNodes, type Node } from '../castore/node.ts';
import { NarthexError } from '../errors.ts';
import type { StorePath } from '../storePath.ts';
import type { Claim } from './claim.ts';
import { closureDigest } from './closureDigest.ts';

/** What is known about whether the upstream meant the content that we refer to. */
export type Evidence =
  /** The upstream's closure of the reference is the one that we refer to. */
  | 'same'
  /** It is another: referrer and reference come from different worlds. */
  | 'mixed'
  /** Nobody looked. */
  | 'unchecked';

/** A reference by content. */
export interface ReferenceContent {
  /** Root node of the content. */
  readonly node: Node;
  /** Closure digest of the variant that is referred to. */
  readonly closureDigest: Digest;
  readonly evidence: Evidence;
}

/** A claim with its content and its references by content. Valid once constructed. */
export class PathInfo {
  readonly claim: Claim;
  readonly node: Node;
  /**
   * Base name → content, sorted by base name, one for each name that the claim refers to. A
   * self-reference maps to the path's own root node and closure digest.
   */
  readonly references: ReadonlyMap<string, ReferenceContent>;
  readonly closureDigest: Digest;

  /**
   * @param references base name → content, of every reference but the path itself
   * @throws PATH_INFO_INVALID with the `field`: a reference's content is missing, or there is
   *   content for what is no reference
   */
  constructor(claim: Claim, node: Node, references: ReadonlyMap<string, ReferenceContent>) {
    const { storePath } = claim;
    const names = new Set(claim.references.map((reference) => reference.baseName));
    const selfReferring = names.delete(storePath.baseName);
    const contents: [string, ReferenceContent][] = [];
    for (const name of names) {
      const content = references.get(name);
      if (content === undefined) {
        throw invalid(storePath, `the content of its reference ${name} is not given`, name);
      }
      contents.push([name, content]);
    }
    this.claim = claim;
    this.node = node;
    this.closureDigest = closureDigest({
      baseName: storePath.baseName,
      node,
      selfReferring,
      references: contents.map(([name, content]) => [name, content.closureDigest]),
    });
    if (selfReferring) {
      names.add(storePath.baseName);
      contents.push([
        storePath.baseName,
        { node, closureDigest: this.closureDigest, evidence: 'same' },
      ]);
    }
    for (const [name, content] of references) {
      if (!names.has(name)) {
        throw invalid(storePath, `content is given for ${name}, which is no reference`, name);
      }
      if (name === storePath.baseName && !this.#isOwn(content)) {
        throw invalid(storePath, 'it refers to itself with other content', name);
      }
    }
    // base names are ASCII, so the order of UTF-16 units is that of bytes
    this.references = new Map(contents.sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  #isOwn(content: ReferenceContent): boolean {
    return equalNodes(content.node, this.node) && content.closureDigest.equals(this.closureDigest);
  }

  get storePath(): StorePath {
    return this.claim.storePath;
  }

  /** Whether the two are the same variant: same path, same closure digest. */
  sameVariant(other: PathInfo): boolean {
    return this.storePath.equals(other.storePath) && this.closureDigest.equals(other.closureDigest);
  }

  /**
   * One PathInfo out of two of the same variant: claims united, and for each reference the evidence
   * of whichever looked. Where one of them knows all references to be `same`, they are: that some
   * other upstream means others takes nothing away from it. But what two upstreams know of different
   * references never adds up to that, for neither of them has the whole.
   */
  unitedWith(other: PathInfo): PathInfo {
    const claim = this.claim.unitedWith(other.claim);
    const evidence = this.#unitedEvidence(other);
    if (evidence === undefined && claim === this.claim) return this;
    const references = Array.from(this.references, ([name, content]) => {
      const united = evidence?.get(name) ?? content.evidence;
      return [name, { ...content, evidence: united }] as const;
    });
    return new PathInfo(claim, this.node, new Map(references));
  }

  /** The evidence of both, by base name; `undefined` where it is what this one has. */
  #unitedEvidence(other: PathInfo): ReadonlyMap<string, Evidence> | undefined {
    if (this.#isAllSame) return undefined;
    const united = new Map<string, Evidence>();
    let changed = false;
    let allSame = true;
    for (const [name, { evidence }] of this.references) {
      const theirs = other.references.get(name)?.evidence ?? 'unchecked';
      const better = evidence === 'unchecked' || other.#isAllSame ? theirs : evidence;
      changed ||= better !== evidence;
      allSame &&= better === 'same';
      united.set(name, better);
    }
    return changed && (!allSame || other.#isAllSame) ? united : undefined;
  }

  get #isAllSame(): boolean {
    return this.references.values().every(({ evidence }) => evidence === 'same');
  }
}

function invalid(storePath: StorePath, message: string, reference: string): NarthexError {
  return new NarthexError('PATH_INFO_INVALID', `${storePath.absolute}: ${message}`, {
    storePath: storePath.absolute,
    field: 'references',
    reference,
  });
}
