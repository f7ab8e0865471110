/**
 * A closure as a binary cache sees it: which variant it has of each store path. A closure digest names
 * the contents of all of it, so this never changes; what is known *about* it may (signatures that are
 * added, references that are compared with an upstream), so PathInfos are not kept here but read anew.
 */
import { setImmediate } from 'node:timers/promises';
import { bytesKey, bytesOfKey } from '../bytes.ts';
import type { ServiceOptions } from '../castore/blobService.ts';
import { Digest } from '../castore/digest.ts';
import type { Hash } from '../hash.ts';
import { checkLimit, type Limits } from '../limits.ts';
import { walkClosure } from '../pathinfo/closure.ts';
import type { VariantKey } from '../pathinfo/currentView.ts';
import type { Evidence, PathInfo } from '../pathinfo/pathInfo.ts';
import type { VariantService } from '../pathinfo/variantService.ts';
import type { StorePath } from '../storePath.ts';

/** What closures are read from. */
export type ClosureSource = Pick<VariantService, 'getVariant' | 'getByClosureDigest'>;

/** One variant, as text: 100,000 of them are kept at once. */
interface Member {
  /** Key of the closure digest. */
  readonly closure: string;
  /** Key of the SHA-256 of its NAR. */
  readonly nar: string;
}

/** One store path that a closure holds twice, which no binary cache can. */
export interface ClosureConflict {
  readonly storePath: StorePath;
  /** Closure digests of the two variants, the one that is nearer to the root first. */
  readonly closureDigests: readonly [Digest, Digest];
  /** Whether both have the same bytes, above different ones. */
  readonly sameContent: boolean;
}

/**
 * After so many variants other requests get their turn: services may answer at once, and a walk over
 * them would not let go of the event loop before its end.
 */
const VARIANTS_IN_A_ROW = 500;

/** A closure. Some 200 bytes of memory for each store path. */
export class PinnedClosure {
  readonly closureDigest: Digest;
  readonly root: StorePath;
  /** How many references there are of each evidence, those of paths to themselves left out. */
  readonly references: Readonly<Record<Evidence, number>>;
  /** Set where one store path is in it twice; {@link variant} then gives either. */
  readonly conflict: ClosureConflict | undefined;
  /** By store path digest. */
  readonly #members: ReadonlyMap<string, Member>;
  /** NarHash → store path digest. */
  readonly #digestOfNar: ReadonlyMap<string, string>;

  private constructor(
    root: PathInfo,
    references: Readonly<Record<Evidence, number>>,
    members: ReadonlyMap<string, Member>,
    conflict: ClosureConflict | undefined,
  ) {
    this.closureDigest = root.closureDigest;
    this.root = root.storePath;
    this.references = references;
    this.conflict = conflict;
    this.#members = members;
    this.#digestOfNar = new Map(Array.from(members, ([digest, { nar }]) => [nar, digest]));
  }

  /**
   * Reads the closure with this digest; `undefined` where it is not kept.
   * @throws LIMIT_EXCEEDED `pinnedClosurePaths`
   * @throws REFERENCE_MISSING a part of it is gone
   */
  static async load(
    source: ClosureSource,
    closureDigest: Digest,
    limits: Limits,
    options: ServiceOptions,
  ): Promise<PinnedClosure | undefined> {
    const root = await source.getByClosureDigest(closureDigest, options);
    if (root === undefined) return undefined;
    const references = { same: 0, mixed: 0, unchecked: 0 };
    const members = new Map<string, Member>();
    let conflict: ClosureConflict | undefined;
    let variants = 0;
    for await (const { pathInfo } of walkClosure(source, [root], options)) {
      variants += 1;
      checkLimit(limits, 'pinnedClosurePaths', variants, { closureDigest: closureDigest.hex });
      if (variants % VARIANTS_IN_A_ROW === 0) {
        await setImmediate();
        options.signal?.throwIfAborted();
      }
      for (const [name, { evidence }] of pathInfo.references) {
        if (name !== pathInfo.storePath.baseName) references[evidence] += 1;
      }
      const digest = bytesKey(pathInfo.storePath.digest);
      const member = memberOf(pathInfo);
      const other = members.get(digest);
      if (other === undefined) {
        members.set(digest, member);
        continue;
      }
      const found = conflictOf(pathInfo.storePath, other, member);
      // of several conflicts one about bytes tells most, so the rest is walked too
      if (conflict === undefined || (conflict.sameContent && !found.sameContent)) conflict = found;
    }
    return new PinnedClosure(root, references, members, conflict);
  }

  /** Number of store paths in it. */
  get size(): number {
    return this.#members.size;
  }

  /** The variant of a store path (20 bytes), if that is in it. */
  variant(digest: Uint8Array): VariantKey | undefined {
    const member = this.#members.get(bytesKey(digest));
    return member && { digest, closureDigest: digestOfKey(member.closure) };
  }

  /** A variant in it that has this NAR. */
  variantWithNar(narHash: Hash): VariantKey | undefined {
    const digest = this.#digestOfNar.get(bytesKey(narHash.digest));
    return digest === undefined ? undefined : this.variant(bytesOfKey(digest));
  }
}

function memberOf({ closureDigest, claim }: PathInfo): Member {
  return { closure: closureDigest.key, nar: bytesKey(claim.narHash.digest) };
}

function conflictOf(storePath: StorePath, a: Member, b: Member): ClosureConflict {
  return {
    storePath,
    closureDigests: [digestOfKey(a.closure), digestOfKey(b.closure)],
    sameContent: a.nar === b.nar,
  };
}

function digestOfKey(key: string): Digest {
  return new Digest(bytesOfKey(key));
}
