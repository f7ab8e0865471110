/**
 * What is done about Frankenbuilds: the policies, as what a closure walk does differently when it
 * goes by a plan.
 *
 *     off      nobody looks; what is here is used, all edges are unchecked
 *     report   what is here is used; where the upstream's world differs there is a finding
 *     reject   a path that would refer to anything that differs fails
 *     variant  what differs is brought in as the upstream has it, beside what is here
 */
import { NarthexError } from '../errors.ts';
import type { Finding, FindingSide } from '../pathinfo/finding.ts';
import type { Evidence, PathInfo } from '../pathinfo/pathInfo.ts';
import type { PathInfoOptions, PathInfoService } from '../pathinfo/pathInfoService.ts';
import type { StorePath } from '../storePath.ts';
import { type Plan, type PlannedPath, sameClaim } from './plan.ts';
import type { FoundNarInfo } from './walkItem.ts';

/** What is done where worlds differ. */
export type FrankenbuildPolicy = 'off' | 'report' | 'reject' | 'variant';

/** The policies, for command lines and their checks. */
export const FRANKENBUILD_POLICIES: readonly FrankenbuildPolicy[] = [
  'off',
  'report',
  'reject',
  'variant',
];

/** How an edge to a planned path is marked. */
export function evidenceOf(
  planned: PlannedPath | undefined,
  policy: Exclude<FrankenbuildPolicy, 'off'>,
): Evidence {
  // with `variant` a path points into the upstream's own world, as far as that is known
  if (policy === 'variant') return planned?.whole === true ? 'same' : 'unchecked';
  switch (planned?.outcome) {
    case 'same':
      return 'same';
    case 'differs':
      return 'mixed';
    default:
      return 'unchecked';
  }
}

/** Who asks for what, in an error or a finding about it. */
interface Asked {
  /** `undefined` when the path itself was asked for. */
  readonly referrer: StorePath | undefined;
  readonly planned: PlannedPath;
  /** URL of the upstream. */
  readonly upstream: string;
}

/**
 * Refuses a reference, or a path that was asked for, that is not the same in the upstream's world.
 * @param allowUnknown lets pass what the upstream has no more, or could not be asked about
 * @throws FRANKENBUILD_REJECTED
 */
export function rejectUnlessSame(asked: Asked, allowUnknown: boolean): void {
  const { referrer, planned, upstream } = asked;
  const { entry, outcome, ours } = planned;
  if (outcome === 'same') return;
  if (allowUnknown && (outcome === 'absent' || outcome === 'unreachable')) return;
  const path = entry.storePath.absolute;
  const theirs = entry.outcome === 'known' ? entry.found.narInfo.narHash : undefined;
  const what = referrer === undefined ? path : `${referrer.absolute} refers to ${path}, which`;
  throw new NarthexError(
    'FRANKENBUILD_REJECTED',
    `${what} ${explanation(planned, upstream)}`,
    {
      storePath: (referrer ?? entry.storePath).absolute,
      reference: path,
      outcome,
      differing: planned.differing?.absolute,
      ours: ours?.claim.narHash.toNixbase32(),
      theirs: theirs?.toNixbase32(),
      upstream,
    },
    entry.outcome === 'known' ? undefined : entry.error,
  );
}

function explanation({ entry, outcome, ours, differing }: PlannedPath, upstream: string): string {
  switch (outcome) {
    case 'same':
      return `is the same at ${upstream}`;
    case 'absent':
      return `cannot be compared: ${upstream} does not have it, or something below it`;
    case 'unreachable':
      return `cannot be compared: ${upstream} could not be asked about it, or something below it`;
    case 'unverified':
      return `cannot be compared: what ${upstream} says about it, or something below it, does not verify`;
    case 'differs': {
      if (differing !== undefined && !differing.equals(entry.storePath)) {
        return `is another at ${upstream}: ${differing.absolute} below it differs`;
      }
      const theirs = entry.outcome === 'known' ? entry.found.narInfo.narHash.toNixbase32() : '';
      return `is another at ${upstream}: ${theirs} there, ${ours?.claim.narHash.toNixbase32()} here`;
    }
  }
}

/**
 * The variants that are the upstream's world, as far as they are kept: by base name, those with the
 * upstream's bytes whose references are the upstream's too. Of what the upstream does not tell, ours
 * counts.
 * @param accepts whether a variant is good enough to be used
 */
export async function matchVariants(
  plan: Plan,
  service: PathInfoService,
  accepts: (pathInfo: PathInfo) => Promise<boolean>,
  options: PathInfoOptions,
): Promise<Map<string, PathInfo>> {
  const matched = new Map<string, PathInfo>();
  // references come first in a plan, so those of a path are matched before it
  for (const [name, { entry, ours }] of plan) {
    if (entry.outcome !== 'known') {
      if (ours !== undefined) matched.set(name, ours);
      continue;
    }
    const fits = (candidate: PathInfo) =>
      sameClaim(entry, candidate) &&
      entry.references.every(({ baseName }) => {
        const closureDigest = matched.get(baseName)?.closureDigest;
        const theirs = candidate.references.get(baseName)?.closureDigest;
        return closureDigest !== undefined && theirs?.equals(closureDigest) === true;
      });
    if (entry.references.some(({ baseName }) => !matched.has(baseName))) continue;
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

/**
 * The findings of an ingest that used what was here: every reference of a path with the upstream's
 * bytes that is not what the upstream means by it, and every path asked for whose own bytes are not
 * the upstream's.
 * @param roots base names of what was asked for
 * @param used by base name, what is here now and was used
 * @param upstream URL of the upstream
 */
export function findingsOf<Found extends FoundNarInfo>(
  plan: Plan<Found>,
  roots: ReadonlySet<string>,
  used: (baseName: string) => PathInfo | undefined,
  upstream: string,
): Finding[] {
  const findings: Finding[] = [];
  const add = (referrer: StorePath | undefined, planned: PlannedPath) => {
    const ours = used(planned.entry.storePath.baseName);
    if (ours === undefined || planned.outcome !== 'differs') return;
    if (planned.entry.outcome !== 'known') return;
    findings.push({
      referrer,
      reference: planned.entry.storePath,
      differing: planned.differing,
      ours: sideOf(ours.claim),
      ourClosureDigest: ours.closureDigest,
      theirs: sideOf(planned.entry.found.narInfo),
      upstream,
    });
  };
  for (const [name, planned] of plan) {
    const { entry } = planned;
    const ours = used(name);
    if (entry.outcome !== 'known' || ours === undefined) continue;
    if (!sameClaim(entry, ours)) {
      if (roots.has(name)) add(undefined, planned);
      continue;
    }
    for (const { baseName } of entry.references) {
      const below = plan.get(baseName);
      if (below !== undefined) add(entry.storePath, below);
    }
  }
  return findings;
}

function sideOf({
  narHash,
  signatures,
}: Pick<PathInfo['claim'], 'narHash' | 'signatures'>): FindingSide {
  return { narHash, signedBy: [...new Set(signatures.map(({ keyName }) => keyName))] };
}
