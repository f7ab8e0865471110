/**
 * The plan of an ingest: an upstream's world held against ours, before any NAR is fetched.
 *
 * A path is the *same* in both worlds when its own NarHash and references are, and all paths below
 * are the same. What is not here yet will be the upstream's, so it is the same if all below it is.
 */
import type { PathInfo } from '../pathinfo/pathInfo.ts';
import type { StorePath } from '../storePath.ts';
import type { FoundNarInfo } from './walkItem.ts';
import type { KnownPath, UnknownOutcome, UnknownPath, World } from './world.ts';

/** What the plan says of a path. */
export type PlanOutcome = 'same' | 'differs' | UnknownOutcome;

/** A path of the plan. */
export interface PlannedPath<Found extends FoundNarInfo = FoundNarInfo> {
  readonly entry: KnownPath<Found> | UnknownPath;
  /** What we have at present, and would use. */
  readonly ours: PathInfo | undefined;
  readonly outcome: PlanOutcome;
  /** A path whose own bytes or reference names differ: this one, or the first found below it. */
  readonly differing: StorePath | undefined;
  /** Whether the upstream's narinfos are known for all of its closure. */
  readonly whole: boolean;
}

/** By base name, every path after all that it refers to, but for cycles. */
export type Plan<Found extends FoundNarInfo = FoundNarInfo> = ReadonlyMap<
  string,
  PlannedPath<Found>
>;

/** The worse an outcome, the more it says about what is above it. */
const SEVERITY: readonly PlanOutcome[] = ['same', 'absent', 'unreachable', 'unverified', 'differs'];

/**
 * Compares a world with ours.
 * @param ours by base name, what we have at present
 */
export function comparePlan<Found extends FoundNarInfo>(
  world: World<Found>,
  ours: ReadonlyMap<string, PathInfo>,
): Plan<Found> {
  const plan = new Map<string, PlannedPath<Found>>();
  const { order, cyclic } = referencesFirst(world);
  for (const name of order) {
    const entry = world.get(name);
    if (entry === undefined) continue;
    const here = ours.get(name);
    const inCycle = cyclic.has(name);
    const whole =
      entry.outcome === 'known' &&
      !inCycle &&
      entry.references.every(({ baseName }) => plan.get(baseName)?.whole === true);
    plan.set(name, { entry, ours: here, whole, ...judge(entry, here, inCycle, plan) });
  }
  return plan;
}

function judge(
  entry: KnownPath | UnknownPath,
  ours: PathInfo | undefined,
  cyclic: boolean,
  plan: ReadonlyMap<string, PlannedPath>,
): Pick<PlannedPath, 'outcome' | 'differing'> {
  if (entry.outcome !== 'known') return { outcome: entry.outcome, differing: undefined };
  if (ours !== undefined && !sameClaim(entry, ours)) {
    return { outcome: 'differs', differing: entry.storePath };
  }
  // a closure that refers to itself in a cycle was never built: no evidence
  if (cyclic) return { outcome: 'unverified', differing: undefined };
  let worst: Pick<PlannedPath, 'outcome' | 'differing'> = { outcome: 'same', differing: undefined };
  for (const { baseName } of entry.references) {
    const below = plan.get(baseName);
    if (below !== undefined && severity(below.outcome) > severity(worst.outcome)) worst = below;
  }
  return { outcome: worst.outcome, differing: worst.differing };
}

/** Whether our path has the bytes and the reference names that the upstream's has. */
export function sameClaim({ found: { narInfo } }: KnownPath, { claim }: PathInfo): boolean {
  if (!narInfo.narHash.equals(claim.narHash)) return false;
  const theirs = new Set(narInfo.references.map(({ baseName }) => baseName));
  const ours = new Set(claim.references.map(({ baseName }) => baseName));
  return theirs.size === ours.size && theirs.isSubsetOf(ours);
}

function severity(outcome: PlanOutcome): number {
  return SEVERITY.indexOf(outcome);
}

/** All paths of a world, each after what it refers to; and those that refer to each other in cycles. */
function referencesFirst(world: World): { order: string[]; cyclic: ReadonlySet<string> } {
  const order: string[] = [];
  const done = new Set<string>();
  const cyclic = new Set<string>();
  for (const root of world.keys()) {
    if (done.has(root)) continue;
    const open: { name: string; below: Iterator<StorePath> }[] = [];
    const openNames = new Map<string, number>();
    const enter = (name: string) => {
      const entry = world.get(name);
      const references = entry?.outcome === 'known' ? entry.references : [];
      openNames.set(name, open.length);
      open.push({ name, below: references.values() });
    };
    enter(root);
    for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
      const next = top.below.next();
      if (next.done) {
        open.pop();
        openNames.delete(top.name);
        done.add(top.name);
        order.push(top.name);
        continue;
      }
      const { baseName } = next.value;
      const openAt = openNames.get(baseName);
      if (openAt !== undefined) {
        for (const { name } of open.slice(openAt)) cyclic.add(name);
      } else if (!done.has(baseName)) {
        enter(baseName);
      }
    }
  }
  return { order, cyclic };
}
