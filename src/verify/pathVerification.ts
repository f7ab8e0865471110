/**
 * The second part: store paths, one by one. The record, the content, the variants that it refers to, the rows of
 * the index that follow from it and, in depth, what is rendered of it and what vouches for it.
 */
import { claimFaults } from '../audit/claimAudit.ts';
import { EMPTY } from '../bytes.ts';
import { encodeEntry } from '../castore/directory.ts';
import { equalNodes } from '../castore/node.ts';
import { NarthexError } from '../errors.ts';
import type { Limits } from '../limits.ts';
import { missingReference } from '../pathinfo/closure.ts';
import { referencedVariants, type VariantKey } from '../pathinfo/currentView.ts';
import type { PathInfo } from '../pathinfo/pathInfo.ts';
import type { DirectorySource } from '../render/fetchDirectory.ts';
import { measureNar, type NarMeasure } from '../render/measureNar.ts';
import type { BlobSource } from '../render/readContents.ts';
import { SingleFlight } from '../singleFlight.ts';
import type { StoreInspection } from '../store/storeInspection.ts';
import { formatHashPart } from '../storePath.ts';
import {
  type ContentVerification,
  isDamage,
  noteFaults,
  type PathFault,
} from './contentVerification.ts';
import type { AffectedPath, DamageLedger } from './damage.ts';

/** What paths are checked with. */
export interface PathVerificationOptions {
  readonly inspection: StoreInspection;
  readonly ledger: DamageLedger;
  readonly content: ContentVerification;
  /** As whoever reads the store has them. */
  readonly blobService: BlobSource;
  readonly directoryService: DirectorySource;
  /** Whether NARs are rendered and hashed, and signatures verified. */
  readonly deep: boolean;
  readonly limits?: Limits | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Checks store paths, and notes what is wrong. */
export class PathVerification {
  readonly #options: PathVerificationOptions;
  /** What root nodes render to: several paths may hold the same. */
  readonly #measures = new Map<string, NarMeasure>();
  readonly #measuring = new SingleFlight<NarMeasure>();
  #narBytes = 0;

  constructor(options: PathVerificationOptions) {
    this.#options = options;
  }

  /** Bytes of NAR that were rendered and hashed. */
  get narBytes(): number {
    return this.#narBytes;
  }

  /** One variant. What is collected meanwhile is not damaged. @throws STORE_FAILED and the reason of an abort */
  async path(key: VariantKey): Promise<void> {
    const { inspection, ledger, signal } = this.#options;
    signal?.throwIfAborted();
    const read = this.#read(key);
    if (read === undefined) return;
    const isDamaged = read instanceof NarthexError;
    const faults = isDamaged
      ? [{ subject: { type: 'pathInfo', key } as const, error: read }]
      : await this.#faultsOf(key, read);
    if (faults.length === 0) return;
    inspection.refresh();
    if (!inspection.variants.has(key)) return;
    noteFaults(faults, ledger, affectedPath(key, isDamaged ? undefined : read));
  }

  #read(key: VariantKey): PathInfo | NarthexError | undefined {
    const { inspection } = this.#options;
    try {
      const pathInfo = inspection.variants.variant(key);
      if (pathInfo !== undefined) return pathInfo;
      inspection.refresh();
      return inspection.variants.variant(key);
    } catch (error) {
      if (isDamage(error)) return error;
      throw error;
    }
  }

  async #faultsOf(key: VariantKey, pathInfo: PathInfo): Promise<PathFault[]> {
    const { content, deep, signal } = this.#options;
    const ofContent = await content.node(pathInfo.node, signal);
    return [
      ...ofContent,
      ...this.#referenceFaults(key, pathInfo),
      ...this.#relationFaults(key, pathInfo),
      ...(deep ? this.#claimFaults(key, pathInfo) : []),
      ...(deep && ofContent.length === 0 ? await this.#narFaults(key, pathInfo) : []),
    ];
  }

  #referenceFaults(key: VariantKey, pathInfo: PathInfo): PathFault[] {
    const faults: PathFault[] = [];
    for (const reference of referencedVariants(pathInfo)) {
      const kept = this.#read(reference);
      const subject = { type: 'pathInfo', key: reference } as const;
      if (kept instanceof NarthexError) {
        faults.push({ subject, error: kept });
      } else if (kept === undefined) {
        faults.push({ subject, error: missingReference(pathInfo, reference) });
      } else if (!isSameReference(pathInfo, kept)) {
        const { absolute } = pathInfo.storePath;
        const error = new NarthexError(
          'STORE_INVALID',
          `${absolute} says another root node of ${kept.storePath.absolute} than that variant has`,
          { storePath: absolute, reference: kept.storePath.absolute },
        );
        faults.push({ subject: { type: 'pathInfo', key }, error });
      }
    }
    return faults;
  }

  #relationFaults(key: VariantKey, pathInfo: PathInfo): PathFault[] {
    const { inspection } = this.#options;
    const { claim, node, storePath } = pathInfo;
    const faults: PathFault[] = [];
    const { absolute } = storePath;
    const fault = (message: string) =>
      new NarthexError('STORE_INVALID', `${absolute}: ${message}`, { storePath: absolute });
    const digest = inspection.variants.digestOf(key.closureDigest);
    const isKnown = digest !== undefined && Buffer.compare(digest, key.digest) === 0;
    const isReferrer = (reference: VariantKey) =>
      inspection.isReferrer(reference.closureDigest, key);
    if (!isKnown || !referencedVariants(pathInfo).every(isReferrer)) {
      const error = fault('the index cannot be followed to it or from what it refers to');
      faults.push({ subject: { type: 'relations', key }, error });
    }
    const narHash = claim.narHash.digest;
    const row = { table: 'nar', narHash } as const;
    try {
      const nar = inspection.nar(narHash);
      if (nar === undefined) {
        const error = fault('the index does not know what its NAR holds');
        faults.push({ subject: { type: 'relations', key }, error });
      } else if (nar.narSize !== claim.narSize || !equalNodes(nar.node, node)) {
        const error = fault('the index says that its NAR holds something else');
        faults.push({ subject: { type: 'staleRow', row }, error });
      }
    } catch (error) {
      if (!isDamage(error)) throw error;
      faults.push({ subject: { type: 'staleRow', row }, error });
    }
    return faults;
  }

  #claimFaults(key: VariantKey, { claim }: PathInfo): PathFault[] {
    return claimFaults(claim, []).map((error) => ({ subject: { type: 'claim', key }, error }));
  }

  async #narFaults(key: VariantKey, pathInfo: PathInfo): Promise<PathFault[]> {
    const { claim, storePath } = pathInfo;
    const subject = { type: 'content', key } as const;
    let measure: NarMeasure;
    try {
      measure = await this.#measure(pathInfo);
    } catch (error) {
      if (!(error instanceof NarthexError) || error.code === 'STORE_FAILED') throw error;
      // what was found on the way has a name by now
      const named = await this.#options.content.node(pathInfo.node, this.#options.signal);
      return named.length > 0 ? named : [{ subject, error }];
    }
    if (measure.narSize === claim.narSize && measure.narHash.equals(claim.narHash)) return [];
    const [expected, actual] = [claim.narHash, measure.narHash].map((hash) => hash.toNixbase32());
    const error = new NarthexError(
      measure.narSize === claim.narSize ? 'NAR_HASH_MISMATCH' : 'NAR_SIZE_MISMATCH',
      `${storePath.absolute}: its content makes a NAR of ${measure.narSize} bytes with hash ${actual}, not of ${claim.narSize} with ${expected}`,
      { storePath: storePath.absolute, expected, actual },
    );
    return [{ subject, error }];
  }

  async #measure({ node }: PathInfo): Promise<NarMeasure> {
    const { content, directoryService, blobService, limits, signal } = this.#options;
    const key = Buffer.from(encodeEntry(EMPTY, node)).toString('latin1');
    const known = this.#measures.get(key);
    if (known !== undefined) return known;
    return await this.#measuring.run(key, signal, async (shared) => {
      const measure = await measureNar(node, {
        blobService: content.hashing(blobService),
        directoryService,
        limits,
        signal: shared,
      });
      this.#measures.set(key, measure);
      this.#narBytes += measure.narSize;
      return measure;
    });
  }
}

function isSameReference({ references }: PathInfo, { storePath, node }: PathInfo): boolean {
  const said = references.get(storePath.baseName);
  return said !== undefined && equalNodes(said.node, node);
}

/** A path by what is known of it. */
export function affectedPath(key: VariantKey, pathInfo: PathInfo | undefined): AffectedPath {
  const hashPart = formatHashPart(key.digest);
  return { key, storePath: pathInfo?.storePath.absolute ?? hashPart };
}
