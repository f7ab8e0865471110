/** The steps of a closure walk under a policy that looks: what each policy does differently. */

import type { Node } from '../castore/node.ts';
import type { NarthexError } from '../errors.ts';
import type { PathInfo } from '../pathinfo/pathInfo.ts';
import type { WalkSteps } from './closureWalk.ts';
import { evidenceOf, type PlanningPolicy, rejectUnlessSame } from './frankenbuild.ts';
import type { Plan, PlannedPath } from './plan.ts';
import { standInAbove } from './variantWorld.ts';
import { type FoundNarInfo, nameOfWanted, requireName, type WantedPath } from './walkItem.ts';
import { outcomeOfError, type UnknownPath } from './world.ts';

/** What a planned walk goes by. */
export interface PlannedWalk<Found extends FoundNarInfo> {
  readonly plan: Plan<Found>;
  /** What was asked for. */
  readonly roots: ReadonlySet<Found>;
  readonly policy: PlanningPolicy;
  /** With `reject`: lets pass what the upstream does not have or could not be asked about. */
  readonly allowUnknown: boolean;
  /** URL of the upstream. */
  readonly upstream: string;
  /** With `variant`, by base name: what is here of the upstream's world. */
  readonly matched: ReadonlyMap<string, PathInfo> | undefined;
  /** What is here as a narinfo that was found: for stand-ins. */
  readonly foundHere: (ours: PathInfo) => Found;
  /** By base name: why a path that the upstream lacks could not be brought in from elsewhere. */
  readonly errors: ReadonlyMap<string, unknown>;
}

/** Which steps a plan leaves as they are. */
type Steps<Found extends FoundNarInfo> = Omit<WalkSteps<Found>, 'findPresent'>;

/** The steps of a walk that goes by a plan. */
export function plannedSteps<Found extends FoundNarInfo>(
  steps: Steps<Found>,
  walk: PlannedWalk<Found>,
): WalkSteps<Found> {
  const { plan, roots, policy, allowUnknown, upstream, matched, errors } = walk;
  const plannedOf = (path: WantedPath) => plan.get(nameOfWanted(path));
  const common: WalkSteps<Found> = {
    ...steps,
    async findPresent(path) {
      const planned = plannedOf(path);
      if (planned === undefined) return undefined;
      const { entry, ours } = planned;
      if (matched !== undefined) return matched.get(entry.storePath.baseName);
      if (policy === 'reject' && entry.outcome === 'known' && roots.has(entry.found)) {
        rejectUnlessSame({ referrer: undefined, planned, upstream }, allowUnknown);
      }
      return ours;
    },
    async findNarInfo(path) {
      const entry = plannedOf(path)?.entry;
      if (entry === undefined) return undefined;
      if (entry.outcome !== 'known') {
        const { baseName } = entry.storePath;
        if (errors.has(baseName)) throw errors.get(baseName);
        if (entry.error !== undefined) throw entry.error;
        return undefined;
      }
      if (policy === 'reject') {
        for (const { baseName } of entry.references) {
          const planned = plan.get(baseName);
          if (planned === undefined) continue;
          rejectUnlessSame({ referrer: entry.storePath, planned, upstream }, allowUnknown);
        }
      }
      return entry.found;
    },
    evidenceOf: (baseName) => evidenceOf(plan.get(baseName), policy),
  };
  return policy === 'variant' ? withStandInSteps(common, walk) : common;
}

/** What a walk goes by through paths that no upstream tells of. */
export interface WalkWithoutUpstream {
  readonly findPresent: (path: WantedPath) => Promise<PathInfo | undefined>;
  /** Why no narinfo could be had; of what is nowhere `undefined`. */
  readonly errorOf: (path: WantedPath) => NarthexError | undefined;
  readonly policy: PlanningPolicy;
  readonly allowUnknown: boolean;
}

/** The steps of a walk where there is no plan: only what is here can be had, compared with nothing. */
export function stepsWithoutUpstream<Found extends FoundNarInfo>(
  steps: Steps<Found>,
  { findPresent, errorOf, policy, allowUnknown }: WalkWithoutUpstream,
): WalkSteps<Found> {
  return {
    ...steps,
    async findPresent(path) {
      const ours = await findPresent(path);
      if (policy !== 'reject' || ours === undefined) return ours;
      requireName(path, ours.storePath);
      const error = errorOf(path);
      const outcome = error === undefined ? 'absent' : outcomeOfError(error);
      const entry: UnknownPath = { outcome, storePath: ours.storePath, error };
      const compared = { entry, ours };
      const planned: PlannedPath = { ...compared, outcome, decidedBy: compared, whole: false };
      rejectUnlessSame({ referrer: undefined, planned, upstream: undefined }, allowUnknown);
      return ours;
    },
    async findNarInfo(path) {
      const error = errorOf(path);
      if (error !== undefined) throw error;
      return undefined;
    },
  };
}

/**
 * The same steps, where what the upstream does not tell of stands in as it is here. The walk comes to
 * it only where it is not kept above the upstream's world yet.
 */
function withStandInSteps<Found extends FoundNarInfo>(
  steps: WalkSteps<Found>,
  { plan, foundHere }: PlannedWalk<Found>,
): WalkSteps<Found> {
  const nodes = new Map<Found, Node>();
  const standInFor = (baseName: string) => {
    const planned = plan.get(baseName);
    return planned?.entry.outcome === 'known' ? undefined : planned?.ours;
  };
  return {
    ...steps,
    async findNarInfo(path) {
      const standIn = standInFor(nameOfWanted(path));
      if (standIn === undefined) return await steps.findNarInfo(path);
      const found = foundHere(standIn);
      nodes.set(found, standIn.node);
      return found;
    },
    ingestContent: async (found) => nodes.get(found) ?? (await steps.ingestContent(found)),
    putAll: (pathInfos) =>
      steps.putAll(
        pathInfos.map((pathInfo) => {
          const standIn = standInFor(pathInfo.storePath.baseName);
          return standIn === undefined ? pathInfo : standInAbove(standIn, pathInfo);
        }),
      ),
  };
}
