/**
 * Puts one store path right: what is damaged of its content is written anew out of its NAR, and its record is
 * made anew out of its narinfo. Both are proven by digests that are kept elsewhere: content by the NarHash and the root
 * node of the record, the record by the closure digest under which it stands.
 */
import { equalNodes } from '../castore/node.ts';
import { NarthexError } from '../errors.ts';
import type { FoundNarInfo } from '../ingest/walkItem.ts';
import { Claim } from '../pathinfo/claim.ts';
import type { VariantKey } from '../pathinfo/currentView.ts';
import { PathInfo, type ReferenceContent } from '../pathinfo/pathInfo.ts';
import type { StoreInspection } from '../store/storeInspection.ts';
import type { StoreRepair } from '../store/storeRepair.ts';
import { formatHashPart, type StorePath } from '../storePath.ts';
import { isDamage } from './contentVerification.ts';
import type { RepairSources } from './repairSources.ts';
import type { OnVerifyEvent } from './verifyEvent.ts';

/** What paths are put right with. */
export interface PathRepairOptions {
  readonly inspection: StoreInspection;
  readonly repair: StoreRepair;
  readonly sources: RepairSources;
  /** Whether a record may be made anew out of a narinfo that nobody vouches for. */
  readonly acceptUnverified: boolean;
  readonly onEvent: OnVerifyEvent;
  readonly signal: AbortSignal | undefined;
}

/** Puts paths right. */
export class PathRepair {
  readonly #options: PathRepairOptions;

  constructor(options: PathRepairOptions) {
    this.#options = options;
  }

  /** The record of a variant as it is kept, or `undefined` where it is damaged or gone. */
  kept({ digest, closureDigest }: VariantKey): PathInfo | undefined {
    const { inspection } = this.#options;
    inspection.refresh();
    try {
      return inspection.variants.variant({ digest, closureDigest });
    } catch (error) {
      if (isDamage(error)) return undefined;
      throw error;
    }
  }

  /**
   * Brings in the content of a path again; what is known to be damaged of it is replaced.
   * @throws UPSTREAM_DIFFERS the upstream has other content for it by now
   * @throws PATH_NOT_FOUND the upstream does not have it, and what ingests throw
   */
  async content({ claim, node }: PathInfo): Promise<void> {
    const { repair, signal } = this.#options;
    const { storePath, narHash, narSize, origin } = claim;
    const { found, ingest } = await this.#find(storePath, origin);
    const { narInfo } = found;
    if (!narInfo.narHash.equals(narHash) || narInfo.narSize !== narSize) {
      const [expected, actual] = [narHash, narInfo.narHash].map((hash) => hash.toNixbase32());
      throw differs(found, storePath.absolute, 'NAR', { expected, actual });
    }
    this.#options.onEvent({ type: 'fetching', storePath: storePath.absolute, narSize });
    const ingested = await ingest(signal);
    if (!equalNodes(ingested, node)) {
      throw differs(found, storePath.absolute, 'root node for the same NAR', {});
    }
    await repair.flush();
  }

  /**
   * Makes the record of a variant anew.
   * @throws UPSTREAM_DIFFERS what the upstream has is not this variant
   * @throws REFERENCE_MISSING a variant that it refers to is not here
   * @throws SIGNATURE_MISSING nobody vouches for what the upstream has
   * @throws PATH_NOT_FOUND the upstream does not have it, and what ingests throw
   */
  async record(key: VariantKey): Promise<void> {
    const { repair, signal, acceptUnverified, onEvent } = this.#options;
    const kept = this.kept(key);
    const hashPart = formatHashPart(key.digest);
    const wanted = kept?.storePath ?? { digest: key.digest, hashPart, name: undefined };
    const { found, ingest } = await this.#find(wanted, kept?.claim.origin ?? this.#originNear(key));
    const { narInfo, verification, origin } = found;
    const { absolute } = narInfo.storePath;
    if (verification.by === 'nobody' && !acceptUnverified) {
      const message = `${absolute} has no signature by a trusted key in ${origin}`;
      throw new NarthexError('SIGNATURE_MISSING', message, { storePath: absolute, url: origin });
    }
    const references = this.#references(key, narInfo.storePath, narInfo.references, kept);
    onEvent({ type: 'fetching', storePath: absolute, narSize: narInfo.narSize });
    const node = await ingest(signal);
    const claim = new Claim({ ...narInfo, verification, origin });
    const pathInfo = new PathInfo(claim, node, references);
    if (!pathInfo.closureDigest.equals(key.closureDigest)) {
      throw differs(found, absolute, 'closure digest', {
        expected: String(key.closureDigest),
        actual: String(pathInfo.closureDigest),
      });
    }
    await repair.flush();
    await repair.replacePathInfo(pathInfo);
  }

  /** Where a variant that refers to this one came from: most closures are of one cache. */
  #originNear(key: VariantKey): string | undefined {
    for (const referrer of this.#options.inspection.variants.referrersOf(key)) {
      const origin = this.kept(referrer)?.claim.origin;
      if (origin !== undefined) return origin;
    }
    return undefined;
  }

  async #find(
    wanted: StorePath | { digest: Uint8Array; hashPart: string; name: undefined },
    origin: string | undefined,
  ) {
    const { sources, signal } = this.#options;
    const source = await sources.sourceOf(origin);
    const { digest, hashPart, name } = wanted;
    const found = await source.findNarInfo({ digest, hashPart, name }, signal);
    if (found === undefined) {
      const storePath = name === undefined ? hashPart : `${hashPart}-${name}`;
      const message = `no upstream has ${storePath} to repair it from`;
      throw new NarthexError('PATH_NOT_FOUND', message, { storePath });
    }
    return { found, ingest: (ending: typeof signal) => source.ingestContent(found, ending) };
  }

  /**
   * The references by content: those of the record where it can be read, else the variants of which the index
   * says that this one refers to them, else the current ones.
   */
  #references(
    key: VariantKey,
    own: StorePath,
    references: readonly StorePath[],
    kept: PathInfo | undefined,
  ): ReadonlyMap<string, ReferenceContent> {
    const contents = new Map<string, ReferenceContent>();
    for (const { baseName, digest, absolute } of references) {
      if (baseName === own.baseName) continue;
      const content = kept?.references.get(baseName) ?? this.#reference(key, digest);
      if (content === undefined) {
        const message = `${own.absolute} refers to ${absolute}, of which no whole variant is kept`;
        const facts = { storePath: own.absolute, reference: absolute };
        throw new NarthexError('REFERENCE_MISSING', message, facts);
      }
      contents.set(baseName, content);
    }
    return contents;
  }

  #reference(referrer: VariantKey, digest: Uint8Array): ReferenceContent | undefined {
    const { variants } = this.#options.inspection;
    const keys = [...variants.keysOf(digest)];
    const current = variants.currentOf(digest);
    const known =
      keys.find(({ closureDigest }) =>
        this.#options.inspection.isReferrer(closureDigest, referrer),
      ) ?? keys.find(({ closureDigest }) => current?.equals(closureDigest) === true);
    const pathInfo = known && this.kept(known);
    return (
      pathInfo && {
        node: pathInfo.node,
        closureDigest: pathInfo.closureDigest,
        evidence: 'unchecked',
      }
    );
  }
}

function differs(
  { origin }: FoundNarInfo,
  storePath: string,
  what: string,
  facts: { readonly expected?: string | undefined; readonly actual?: string | undefined },
): NarthexError {
  return new NarthexError(
    'UPSTREAM_DIFFERS',
    `${origin} has another ${what} for ${storePath} than the one that is kept`,
    { storePath, url: origin, ...facts },
  );
}
