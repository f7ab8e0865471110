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
import { type Evidence, PathInfo } from '../pathinfo/pathInfo.ts';
import type { StorePath } from '../storePath.ts';
import { type ComparedPath, type Plan, type PlannedPath, sameClaim } from './plan.ts';
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

/** The policies that go by a plan. */
export type PlanningPolicy = Exclude<FrankenbuildPolicy, 'off'>;

/** How an edge to a planned path is marked. */
export function evidenceOf(planned: PlannedPath | undefined, policy: PlanningPolicy): Evidence {
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

/** Who asks for what, in an error about it. */
interface Asked {
  /** `undefined` when the path itself was asked for. */
  readonly referrer: StorePath | undefined;
  readonly planned: PlannedPath;
  /** URL of the upstream; `undefined` when it is about all of them. */
  readonly upstream: string | undefined;
}

/**
 * Refuses a reference, or a path that was asked for, that is not the same in the upstream's world.
 * @param allowUnknown lets pass what the upstream has no more, or could not be asked about
 * @throws FRANKENBUILD_REJECTED
 */
export function rejectUnlessSame(asked: Asked, allowUnknown: boolean): void {
  const { referrer, planned, upstream } = asked;
  const { entry, outcome, decidedBy = planned } = planned;
  if (outcome === 'same') return;
  if (allowUnknown && (outcome === 'absent' || outcome === 'unreachable')) return;
  const path = entry.storePath.absolute;
  const what = referrer === undefined ? path : `${referrer.absolute} refers to ${path}, which`;
  const { ours, theirs } = hashesOf(decidedBy);
  throw new NarthexError(
    'FRANKENBUILD_REJECTED',
    `${what} ${explanation(asked)}`,
    {
      storePath: (referrer ?? entry.storePath).absolute,
      reference: path,
      outcome,
      decidedBy: decidedBy.entry.storePath.absolute,
      ours,
      theirs,
      upstream,
    },
    decidedBy.entry.outcome === 'known' ? undefined : decidedBy.entry.error,
  );
}

/** What is wrong, as the end of a sentence about the path. */
function explanation({ planned, upstream }: Asked): string {
  const { entry, outcome, decidedBy = planned } = planned;
  const isOwn = decidedBy.entry.storePath.equals(entry.storePath);
  const culprit = isOwn ? 'it' : `${decidedBy.entry.storePath.absolute} below it`;
  switch (outcome) {
    case 'same':
      return `is the same at ${upstream}`;
    case 'absent':
      return upstream === undefined
        ? 'cannot be compared: no upstream has it'
        : `cannot be compared: ${upstream} does not have ${culprit}`;
    case 'unreachable':
      return upstream === undefined
        ? 'cannot be compared: not all upstreams could be asked about it'
        : `cannot be compared: ${upstream} could not be asked about ${culprit}`;
    case 'unverified':
      return decidedBy.entry.outcome === 'known'
        ? `cannot be compared: at ${upstream} ${culprit} refers to itself in a cycle`
        : `cannot be compared: what ${upstream ?? 'the upstream'} says of ${culprit} does not verify`;
    case 'differs': {
      const { ours, theirs } = hashesOf(decidedBy);
      const below = isOwn ? '' : ` ${decidedBy.entry.storePath.absolute} below it differs:`;
      const how =
        ours === theirs
          ? `the same bytes (${ours}), but other references`
          : `${theirs} there, ${ours} here`;
      return `is another at ${upstream}:${below} ${how}`;
    }
  }
}

function hashesOf({ entry, ours }: ComparedPath) {
  return {
    ours: ours?.claim.narHash.toNixbase32(),
    theirs: entry.outcome === 'known' ? entry.found.narInfo.narHash.toNixbase32() : undefined,
  };
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
      differing: planned.decidedBy?.entry.storePath,
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
    if (!sameClaim(entry.found.narInfo, ours.claim)) {
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

/**
 * What an ingest looked at and found to be the upstream's, with the edges marked `same` that are:
 * also of paths that were here already. Only those of which more is known now than is kept.
 * @param used by base name, what is here now and was used
 */
export function confirmedBy(
  plan: Plan,
  used: (baseName: string) => PathInfo | undefined,
  policy: PlanningPolicy,
): PathInfo[] {
  const confirmed: PathInfo[] = [];
  for (const [name, { entry }] of plan) {
    const pathInfo = used(name);
    if (entry.outcome !== 'known' || pathInfo === undefined) continue;
    if (!sameClaim(entry.found.narInfo, pathInfo.claim)) continue;
    const references = Array.from(pathInfo.references, ([below, content]) => {
      const isSame = evidenceOf(plan.get(below), policy) === 'same';
      // that this upstream means another says nothing about the one that the path came from
      return [below, { ...content, evidence: isSame ? 'same' : 'unchecked' } as const] as const;
    });
    const { claim, node } = pathInfo;
    const seen = new PathInfo(claim, node, new Map(references));
    if (pathInfo.unitedWith(seen) !== pathInfo) confirmed.push(seen);
  }
  return confirmed;
}

function sideOf({
  narHash,
  signatures,
}: Pick<PathInfo['claim'], 'narHash' | 'signatures'>): FindingSide {
  return { narHash, signedBy: [...new Set(signatures.map(({ keyName }) => keyName))] };
}
