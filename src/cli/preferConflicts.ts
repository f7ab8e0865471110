/** Why a preference is refused, for people and as data. */
import { equalBytes } from '../bytes.ts';
import type { VariantKey } from '../pathinfo/currentView.ts';
import type { PreferConflict } from '../pathinfo/preferVariant.ts';
import type { VariantService } from '../pathinfo/variantService.ts';
import { formatHashPart } from '../storePath.ts';
import { shortDigest } from './storedVariants.ts';

/** One conflict. */
export interface DescribedConflict {
  readonly text: string;
  /** For `--json`. */
  readonly data: object;
}

type Names = (key: VariantKey, referrer?: VariantKey) => Promise<string>;

/**
 * Finds the store paths of variants; of one that is not kept through one that refers to it, else its
 * hash part.
 */
export function namesOf(service: Pick<VariantService, 'getVariant'>): Names {
  return async (key, referrer) => {
    const pathInfo = await service.getVariant(key.digest, key.closureDigest);
    if (pathInfo !== undefined) return pathInfo.storePath.absolute;
    const above = referrer && (await service.getVariant(referrer.digest, referrer.closureDigest));
    const named = above?.claim.references.find(({ digest }) => equalBytes(digest, key.digest));
    return named?.absolute ?? formatHashPart(key.digest);
  };
}

/** Describes conflicts, in the order given. */
export async function describeConflicts(
  conflicts: readonly PreferConflict[],
  service: Pick<VariantService, 'getVariant'>,
): Promise<DescribedConflict[]> {
  const nameOf = namesOf(service);
  const described: DescribedConflict[] = [];
  for (const conflict of conflicts) described.push(await describe(conflict, nameOf));
  return described;
}

async function describe(conflict: PreferConflict, nameOf: Names): Promise<DescribedConflict> {
  const dataOf = async (key: VariantKey, referrer?: VariantKey) => ({
    path: await nameOf(key, referrer),
    closureDigest: key.closureDigest,
  });
  const { kind } = conflict;
  switch (kind) {
    case 'missing': {
      const { variant, referrer } = conflict;
      const data = await dataOf(variant, referrer);
      const above = referrer === undefined ? null : await dataOf(referrer);
      return {
        text: `${data.path} is not kept in ${shortDigest(variant.closureDigest)}, to which ${above?.path ?? 'nothing'} refers`,
        data: { kind, variant: data, referrer: above },
      };
    }
    case 'incoherent': {
      const data = await Promise.all(conflict.variants.map((variant) => dataOf(variant)));
      const digests = conflict.variants.map(({ closureDigest }) => shortDigest(closureDigest));
      return {
        text: `its closure holds ${digests.length} variants of ${data[0]?.path}: ${digests.join(', ')}`,
        data: { kind, variants: data },
      };
    }
    case 'referrer': {
      const referrer = await dataOf(conflict.referrer);
      const reference = await dataOf(conflict.reference);
      const replaced = shortDigest(conflict.reference.closureDigest);
      return {
        text: `${referrer.path} refers to ${reference.path} in ${replaced}, and no other variant of it that is kept fits`,
        data: { kind, referrer, reference },
      };
    }
  }
}
