/** The contract of PathInfoServices that hold variants and let one choose among them. */
import type { Digest } from '../castore/digest.ts';
import type { PathInfo } from './pathInfo.ts';
import type { PathInfoOptions, PathInfoService } from './pathInfoService.ts';
import type { PreferResult } from './preferVariant.ts';

/** A PathInfoService that holds any number of variants of a store path. */
export interface VariantService extends PathInfoService {
  /** The variant with this closure digest, of whichever store path, current or not. */
  getByClosureDigest(
    closureDigest: Digest,
    options?: PathInfoOptions,
  ): Promise<PathInfo | undefined>;

  /**
   * Makes a variant and its whole closure current, all or nothing (`preferVariant.ts` has the rule),
   * durably once the promise is fulfilled. Others see the view either as it was or as it is then.
   * @returns what was switched, or the conflicts for which nothing was
   * @throws READ_ONLY the service takes no writes
   */
  prefer(
    digest: Uint8Array,
    closureDigest: Digest,
    options?: PathInfoOptions,
  ): Promise<PreferResult>;
}
