/** Closures of PathInfos: all that a path refers to, variant by variant. */
import { bytesKey } from '../bytes.ts';
import { equalNodes } from '../castore/node.ts';
import { NarthexError } from '../errors.ts';
import { referencedVariants, type VariantKey } from './currentView.ts';
import type { PathInfo } from './pathInfo.ts';
import type { PathInfoOptions, PathInfoService } from './pathInfoService.ts';

/** A PathInfo in a closure, and by whom it was met first. */
export interface ClosureMember {
  readonly pathInfo: PathInfo;
  /** The referrer on a shortest way from a root; `undefined` for the roots. */
  readonly referrer: PathInfo | undefined;
}

/** Variants that are read at once. */
const VARIANTS_IN_FLIGHT = 64;

/**
 * The closures of `roots`, each variant once, breadth first and without recursion. Follows closure
 * digests, so what is met is the world that the roots are of, current or not.
 * @throws REFERENCE_MISSING a variant that is referred to is not there
 */
export async function* walkClosure(
  service: Pick<PathInfoService, 'getVariant'>,
  roots: readonly PathInfo[],
  options?: PathInfoOptions,
): AsyncGenerator<ClosureMember, void, undefined> {
  const seen = new Set<string>();
  const isNew = ({ digest, closureDigest }: VariantKey) => {
    const key = bytesKey(digest) + closureDigest.key;
    return seen.size < seen.add(key).size;
  };
  let level: ClosureMember[] = roots
    .filter(({ storePath, closureDigest }) => isNew({ digest: storePath.digest, closureDigest }))
    .map((pathInfo) => ({ pathInfo, referrer: undefined }));
  while (level.length > 0) {
    const below: { variant: VariantKey; referrer: PathInfo }[] = [];
    for (const member of level) {
      yield member;
      for (const variant of referencedVariants(member.pathInfo)) {
        if (isNew(variant)) below.push({ variant, referrer: member.pathInfo });
      }
    }
    level = [];
    for (let i = 0; i < below.length; i += VARIANTS_IN_FLIGHT) {
      const read = below.slice(i, i + VARIANTS_IN_FLIGHT).map(async ({ variant, referrer }) => {
        const { digest, closureDigest } = variant;
        const pathInfo = await service.getVariant(digest, closureDigest, options);
        if (pathInfo === undefined) throw missingReference(referrer, variant);
        return { pathInfo, referrer };
      });
      level.push(...(await Promise.all(read)));
    }
  }
}

/**
 * Checks that what a PathInfo says of its references is what is kept of them.
 * @throws REFERENCE_MISSING a variant that it refers to is not kept
 * @throws PATH_INFO_INVALID it says another root node of one; its own closure digest would not show that
 */
export function checkReferences(
  pathInfo: PathInfo,
  variantOf: (key: VariantKey) => PathInfo | undefined,
): void {
  for (const key of referencedVariants(pathInfo)) {
    const kept = variantOf(key);
    if (kept === undefined) throw missingReference(pathInfo, key);
    const { baseName } = kept.storePath;
    const said = pathInfo.references.get(baseName);
    if (said === undefined || equalNodes(said.node, kept.node)) continue;
    const { absolute } = pathInfo.storePath;
    throw new NarthexError(
      'PATH_INFO_INVALID',
      `${absolute} says another root node of ${baseName} than that of the variant that it refers to`,
      {
        storePath: absolute,
        field: 'references',
        reference: baseName,
        closureDigest: String(key.closureDigest),
      },
    );
  }
}

/** The error about a variant that is not kept though a PathInfo refers to it. */
export function missingReference(pathInfo: PathInfo, { digest, closureDigest }: VariantKey) {
  const key = bytesKey(digest);
  const reference = pathInfo.claim.references.find((path) => bytesKey(path.digest) === key);
  return new NarthexError(
    'REFERENCE_MISSING',
    `${pathInfo.storePath.absolute} refers to ${reference?.absolute} in a variant that is not kept`,
    {
      storePath: pathInfo.storePath.absolute,
      reference: reference?.absolute,
      closureDigest: String(closureDigest),
    },
  );
}
