/**
 * An upstream's world as it is kept beside ours: which of it is here already, and what stands in
 * where the upstream does not tell.
 *
 * Of a path that the upstream does not have (or cannot be asked about, or whose narinfo proves
 * nothing) ours counts. But ours may stand on paths that are others in the upstream's world, and the
 * closure of what refers to both would hold them twice. So our bytes are put above the upstream's:
 * a variant of their own, whose edges are unchecked.
 */
import type { NarInfo } from '../narinfo/narinfo.ts';
import type { Claim } from '../pathinfo/claim.ts';
import { PathInfo } from '../pathinfo/pathInfo.ts';
import type { PathInfoOptions, PathInfoService } from '../pathinfo/pathInfoService.ts';
import type { StorePath } from '../storePath.ts';
import { drain } from './drain.ts';
import { type Plan, type PlannedPath, sameClaim } from './plan.ts';
import { Queue } from './queue.ts';
import type { FoundNarInfo } from './walkItem.ts';
import type { World } from './world.ts';

/** Variants that are read at once. */
const VARIANTS_IN_FLIGHT = 64;

/** A world, and what is here of it. */
export interface ComparableWorld<Found extends FoundNarInfo> {
  readonly world: World<Found>;
  readonly ours: ReadonlyMap<string, PathInfo>;
}

/**
 * The world with what is here of the paths that it knows nothing of, down to where it knows again.
 * Of those below, that nobody asked the upstream about, it says that they are absent.
 * @param ours by base name
 */
export async function withStandIns<Found extends FoundNarInfo>(
  { world, ours }: ComparableWorld<Found>,
  service: Pick<PathInfoService, 'getVariant'>,
  options: PathInfoOptions,
): Promise<ComparableWorld<Found>> {
  const extended = new Map(world);
  const standing = new Map(ours);
  const queue = new Queue<PathInfo>();
  for (const [name, { outcome }] of world) {
    const standIn = ours.get(name);
    if (outcome !== 'known' && standIn !== undefined) queue.push(standIn);
  }
  await drain(queue, VARIANTS_IN_FLIGHT, async ({ storePath, claim, references }) => {
    const entry = extended.get(storePath.baseName);
    if (entry?.outcome === 'known') return;
    const below = otherReferences(claim);
    const unknown = entry ?? { outcome: 'absent', storePath, error: undefined };
    extended.set(storePath.baseName, { ...unknown, references: below });
    for (const { baseName, digest } of below) {
      if (extended.get(baseName)?.outcome === 'known' || standing.has(baseName)) continue;
      const content = references.get(baseName);
      const variant = content && (await service.getVariant(digest, content.closureDigest, options));
      if (variant === undefined || standing.has(baseName)) continue;
      standing.set(baseName, variant);
      queue.push(variant);
    }
  });
  return { world: extended, ours: standing };
}

/**
 * The variants that are the upstream's world, as far as they are kept: by base name, those with the
 * bytes that are meant whose references are what is meant, too.
 * @param plan of a world with its stand-ins
 * @param accepts whether a variant is good enough to be used
 */
export async function matchVariants(
  plan: Plan,
  service: Pick<PathInfoService, 'listVariants'>,
  accepts: (pathInfo: PathInfo) => Promise<boolean>,
  options: PathInfoOptions,
): Promise<Map<string, PathInfo>> {
  const matched = new Map<string, PathInfo>();
  // references come first in a plan, so those of a path are matched before it
  for (const [name, planned] of plan) {
    const { entry, ours } = planned;
    const { references = [] } = entry;
    const meant = claimMeant(planned);
    if (meant === undefined) continue;
    if (references.some(({ baseName }) => !matched.has(baseName))) continue;
    const fits = (candidate: PathInfo) =>
      sameClaim(meant, candidate.claim) &&
      references.every(({ baseName }) => {
        const closureDigest = matched.get(baseName)?.closureDigest;
        const theirs = candidate.references.get(baseName)?.closureDigest;
        return closureDigest !== undefined && theirs?.equals(closureDigest) === true;
      });
    if (ours !== undefined && fits(ours)) {
      matched.set(name, ours);
      continue;
    }
    for await (const variant of service.listVariants(entry.storePath.digest, options)) {
      if (!fits(variant) || !(await accepts(variant))) continue;
      matched.set(name, variant);
      break;
    }
  }
  return matched;
}

/** Our PathInfo of a path that the upstream does not tell of, above what is meant there. */
export function standInAbove({ claim }: PathInfo, { node, references }: PathInfo): PathInfo {
  const unchecked = Array.from(
    references,
    ([name, content]) => [name, { ...content, evidence: 'unchecked' }] as const,
  );
  return new PathInfo(claim, node, new Map(unchecked));
}

/** A claim of ours as the narinfo that it was, as far as it is known; nothing is fetched by it. */
export function narInfoOfClaim(claim: Claim): NarInfo {
  const { storePath, narHash, narSize, references, signatures, deriver, ca } = claim;
  const file = { url: storePath.absolute, fileHash: undefined, fileSize: undefined };
  const content = { storePath, narHash, narSize, references, compression: 'none' };
  return { ...file, ...content, signatures, deriver, ca, system: undefined };
}

/** Which bytes and reference names a path has in the world, as far as somebody tells. */
function claimMeant({
  entry,
  ours,
}: PlannedPath): Pick<Claim, 'narHash' | 'references'> | undefined {
  return entry.outcome === 'known' ? entry.found.narInfo : ours?.claim;
}

function otherReferences({ storePath, references }: Claim): StorePath[] {
  const byName = new Map(references.map((reference) => [reference.baseName, reference]));
  byName.delete(storePath.baseName);
  return [...byName.values()];
}
