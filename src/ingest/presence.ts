/** Whether a path is there already, as far as this ingest is concerned. */
import { bytesKey } from '../bytes.ts';
import { referencedVariants, type VariantKey } from '../pathinfo/currentView.ts';
import { PathInfo } from '../pathinfo/pathInfo.ts';
import type { PathInfoOptions, PathInfoService } from '../pathinfo/pathInfoService.ts';
import type { TrustPolicy } from '../pathinfo/trustPolicy.ts';

/** Variants that are read at once while a closure is looked at. */
const VARIANTS_IN_FLIGHT = 64;
/** The most PathInfos that are put at once. */
const PUT_BATCH = 1024;

/** A variant of the closure that is looked at. */
interface Looked {
  readonly key: string;
  /** `undefined` where something refers to it and it is not there. */
  readonly pathInfo: PathInfo | undefined;
}

/**
 * Looks for paths in a hierarchy. A path is *present* when it is found, and it and its whole
 * closure meet the trust policy. Claims that were verified anew are kept so.
 */
export class PresenceCheck {
  readonly #service: PathInfoService;
  readonly #trust: TrustPolicy;
  readonly #options: PathInfoOptions;
  /** Variants whose closures meet the policy. */
  readonly #accepted = new Set<string>();
  /** Variants that do not meet it, or some variant below them. */
  readonly #rejected = new Set<string>();
  /** Closures overlap: one look at a time, so that each variant is looked at once. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(service: PathInfoService, trust: TrustPolicy, options: PathInfoOptions) {
    this.#service = service;
    this.#trust = trust;
    this.#options = options;
  }

  /** The current PathInfo of a path, if it is good enough. */
  async find(digest: Uint8Array): Promise<PathInfo | undefined> {
    const pathInfo = await this.#service.get(digest, this.#options);
    return pathInfo && (await this.accept(pathInfo));
  }

  /** A PathInfo that is kept, if it and its closure are good enough. */
  async accept(pathInfo: PathInfo): Promise<PathInfo | undefined> {
    if (!this.#trust.checkSignatures) return pathInfo;
    const turn = this.#last.then(() => this.#acceptClosure(pathInfo));
    this.#last = turn.catch(() => undefined); // whoever asked sees the error
    return await turn;
  }

  /**
   * The path, if its whole closure is good enough. Everything below that was not judged before is
   * read, breadth first, and judged with it: the walk asks for it next, if this path is refused.
   */
  async #acceptClosure(root: PathInfo): Promise<PathInfo | undefined> {
    const rootKey = keyOfPathInfo(root);
    if (this.#accepted.has(rootKey)) return root;
    if (this.#rejected.has(rootKey)) return undefined;
    const anew = new Map<string, PathInfo>();
    const referrers = new Map<string, string[]>();
    const refused: string[] = [];
    let level: readonly Looked[] = [{ key: rootKey, pathInfo: root }];
    while (level.length > 0) {
      const below: VariantKey[] = [];
      for (const { key, pathInfo } of level) {
        const accepted = pathInfo && this.#acceptClaim(pathInfo);
        if (accepted === undefined) {
          refused.push(key);
          continue;
        }
        if (accepted !== pathInfo) anew.set(key, accepted);
        for (const variant of referencedVariants(accepted)) {
          const keyBelow = keyOf(variant);
          if (this.#accepted.has(keyBelow)) continue;
          if (this.#rejected.has(keyBelow)) {
            refused.push(key);
            continue;
          }
          const known = referrers.get(keyBelow);
          if (known !== undefined) known.push(key);
          else {
            referrers.set(keyBelow, [key]);
            below.push(variant);
          }
        }
      }
      level = await this.#read(below);
    }
    this.#judge([rootKey, ...referrers.keys()], refused, referrers);
    const kept = await this.#keep(anew);
    return this.#accepted.has(rootKey) ? (kept.get(rootKey) ?? root) : undefined;
  }

  /** Refuses what is above the refused, and accepts all others. */
  #judge(
    looked: readonly string[],
    refused: string[],
    referrers: ReadonlyMap<string, readonly string[]>,
  ): void {
    for (const key of refused) {
      if (this.#rejected.has(key)) continue;
      this.#rejected.add(key);
      // the loop comes to them
      for (const referrer of referrers.get(key) ?? []) refused.push(referrer);
    }
    for (const key of looked) {
      if (!this.#rejected.has(key)) this.#accepted.add(key);
    }
  }

  async #read(variants: readonly VariantKey[]): Promise<Looked[]> {
    const found: Looked[] = [];
    for (let i = 0; i < variants.length; i += VARIANTS_IN_FLIGHT) {
      const some = variants.slice(i, i + VARIANTS_IN_FLIGHT);
      const read = some.map(async (variant) => ({
        key: keyOf(variant),
        pathInfo: await this.#service.getVariant(
          variant.digest,
          variant.closureDigest,
          this.#options,
        ),
      }));
      found.push(...(await Promise.all(read)));
    }
    return found;
  }

  /** The PathInfo, if its claim is good enough: the same, or another where it was verified anew. */
  #acceptClaim(pathInfo: PathInfo): PathInfo | undefined {
    const claim = this.#trust.accept(pathInfo.claim);
    // one that some other key verified stays as it is kept: it is no less verified for others
    if (claim === undefined || claim === pathInfo.claim || pathInfo.claim.verified) {
      return claim && pathInfo;
    }
    return new PathInfo(claim, pathInfo.node, pathInfo.references);
  }

  /** Keeps PathInfos whose claims were verified anew; their references are kept already. */
  async #keep(anew: ReadonlyMap<string, PathInfo>): Promise<Map<string, PathInfo>> {
    // what was read last is lowest, and may be what keeps those above from being current
    const pathInfos = [...anew.values()].reverse();
    const kept = new Map<string, PathInfo>();
    for (let i = 0; i < pathInfos.length; i += PUT_BATCH) {
      const some = await this.#service.putAll(pathInfos.slice(i, i + PUT_BATCH), this.#options);
      for (const pathInfo of some) kept.set(keyOfPathInfo(pathInfo), pathInfo);
    }
    return kept;
  }
}

function keyOf({ digest, closureDigest }: VariantKey): string {
  return bytesKey(digest) + closureDigest.key;
}

function keyOfPathInfo({ storePath, closureDigest }: PathInfo): string {
  return keyOf({ digest: storePath.digest, closureDigest });
}
