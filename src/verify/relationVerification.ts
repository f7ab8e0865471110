/**
 * The third part: rows of the index that say something about variants and NARs. Is what they speak of there, and is
 * the current view coherent and complete?
 */
import { bytesKey } from '../bytes.ts';
import type { Digest } from '../castore/digest.ts';
import { NarthexError } from '../errors.ts';
import { referencedVariants, type VariantKey } from '../pathinfo/currentView.ts';
import type { PathInfo } from '../pathinfo/pathInfo.ts';
import type { RelationRow } from '../store/indexRepair.ts';
import type { StoreInspection } from '../store/storeInspection.ts';
import { formatHashPart } from '../storePath.ts';
import { isDamage } from './contentVerification.ts';
import type { AffectedPath, DamageLedger } from './damage.ts';
import { affectedPath } from './pathVerification.ts';

/** Checks rows, and notes what is wrong. */
export class RelationVerification {
  readonly #inspection: StoreInspection;
  readonly #ledger: DamageLedger;

  constructor(inspection: StoreInspection, ledger: DamageLedger) {
    this.#inspection = inspection;
    this.#ledger = ledger;
  }

  /** All rows. @throws STORE_FAILED and the reason of an abort */
  async all(signal: AbortSignal | undefined, onRows: (rows: number) => void): Promise<void> {
    const inspection = this.#inspection;
    const each = async <T>(pages: Iterable<readonly T[]>, check: (row: T) => void) => {
      for (const page of pages) {
        signal?.throwIfAborted();
        for (const row of page) check(row);
        onRows(page.length);
        await new Promise(setImmediate);
      }
    };
    await each(inspection.currentPages(), ({ digest }) => this.current(digest));
    await each(inspection.closurePages(), (key) => this.#closure(key));
    await each(inspection.referrerPages(), ({ referred, referrer }) => {
      this.#referrer(referred, referrer);
    });
    await each(inspection.narPages(), (narHash) => this.#nar(narHash));
    let previous = '';
    await each(inspection.variantPages(), ({ digest }) => {
      const key = bytesKey(digest);
      if (key !== previous) this.current(digest);
      previous = key;
    });
  }

  /** Whether the variant of a store path is current that the rule wants to be. */
  current(digest: Uint8Array): void {
    const found = this.#confirmed(() => this.#currentFault(digest));
    if (found === undefined) return;
    this.#ledger.add({ type: 'current', digest }, found.error, found.affected);
  }

  #currentFault(
    digest: Uint8Array,
  ): { readonly error: NarthexError; readonly affected: AffectedPath } | undefined {
    const { variants } = this.#inspection;
    const held = variants.currentOf(digest);
    const hashPart = formatHashPart(digest);
    if (held === undefined) {
      for (const { closureDigest } of variants.keysOf(digest)) {
        const key = { digest, closureDigest };
        const pathInfo = this.#variant(key);
        if (pathInfo === undefined || this.#strayReference(pathInfo) !== undefined) continue;
        const message = `${pathInfo.storePath.absolute} could be current, and no variant of it is`;
        return { error: incoherent(message, key), affected: affectedPath(key, pathInfo) };
      }
      return undefined;
    }
    const key = { digest, closureDigest: held };
    if (!variants.has(key)) {
      const message = `${hashPart} is current in a variant that is not kept`;
      return { error: incoherent(message, key), affected: affectedPath(key, undefined) };
    }
    const pathInfo = this.#variant(key);
    const stray = pathInfo && this.#strayReference(pathInfo);
    if (pathInfo === undefined || stray === undefined) return undefined;
    const message = `${pathInfo.storePath.absolute} is current, and refers to ${formatHashPart(stray.digest)} in a variant that is not`;
    return { error: incoherent(message, key), affected: affectedPath(key, pathInfo) };
  }

  /** What a variant refers to and is not current. */
  #strayReference(pathInfo: PathInfo): VariantKey | undefined {
    const { variants } = this.#inspection;
    return referencedVariants(pathInfo).find(
      ({ digest, closureDigest }) => variants.currentOf(digest)?.equals(closureDigest) !== true,
    );
  }

  /** A damaged record is told of as such. */
  #variant(key: VariantKey): PathInfo | undefined {
    try {
      return this.#inspection.variants.variant(key);
    } catch (error) {
      if (isDamage(error)) return undefined;
      throw error;
    }
  }

  #closure(key: VariantKey): void {
    const { variants } = this.#inspection;
    const { closureDigest } = key;
    this.#row({ table: 'closure', closureDigest }, () =>
      variants.digestOf(closureDigest) === undefined || variants.has(key)
        ? undefined
        : incoherent('a closure digest leads to a variant that is not kept', key),
    );
  }

  #referrer(referred: Digest, referrer: VariantKey): void {
    this.#row({ table: 'referrer', referred, referrer }, () =>
      this.#inspection.variants.has(referrer) || !this.#inspection.isReferrer(referred, referrer)
        ? undefined
        : incoherent('a variant that is not kept is said to refer to another', referrer),
    );
  }

  #nar(narHash: Uint8Array): void {
    this.#row({ table: 'nar', narHash }, () => {
      try {
        const content = this.#inspection.nar(narHash);
        if (content === undefined || this.#inspection.hasNode(content.node)) return undefined;
        const { node } = content;
        // a path whose content is not there is told of as such
        const kind = node.type === 'directory' ? 'directory' : 'blob';
        if (node.type !== 'symlink' && this.#ledger.contentFault(kind, node.digest))
          return undefined;
      } catch (error) {
        if (isDamage(error)) return error;
        throw error;
      }
      return new NarthexError('STORE_INVALID', 'a NarHash leads to content that is not there', {});
    });
  }

  #row(row: RelationRow, check: () => NarthexError | undefined): void {
    const error = this.#confirmed(check);
    if (error !== undefined) this.#ledger.add({ type: 'staleRow', row }, error);
  }

  /** What is wrong may have been put right, or collected, since rows were read: it is looked at once more. */
  #confirmed<T>(check: () => T | undefined): T | undefined {
    if (check() === undefined) return undefined;
    this.#inspection.refresh();
    return check();
  }
}

function incoherent(message: string, { digest, closureDigest }: VariantKey): NarthexError {
  return new NarthexError('STORE_INVALID', message, {
    hashPart: formatHashPart(digest),
    closureDigest: String(closureDigest),
  });
}
