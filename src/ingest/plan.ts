/**
 * The plan of an ingest: an upstream's world held against ours, before any NAR is fetched.
 *
 * A path is the *same* in both worlds when its own NarHash and references are, and all paths below
 * are the same. What is not here yet will be the upstream's, so it is the same if all below it is.
 */
import type { NarInfo } from '../narinfo/narinfo.ts';
import type { PathInfo } from '../pathinfo/pathInfo.ts';
import type { StorePath } from '../storePath.ts';
import type { FoundNarInfo } from './walkItem.ts';
import type { KnownPath, UnknownOutcome, UnknownPath, World } from './world.ts';

/** What the plan says of a path. */
export type PlanOutcome = 'same' | 'differs' | UnknownOutcome;

/** A path as the upstream has it, and as we do. */
export interface ComparedPath<Found extends FoundNarInfo = FoundNarInfo> {
  readonly entry: KnownPath<Found> | UnknownPath;
  /** What we have at present, and would use. */
  readonly ours: PathInfo | undefined;
}

/** A path of the plan. */
export interface PlannedPath<Found extends FoundNarInfo = FoundNarInfo>
  extends ComparedPath<Found> {
  readonly outcome: PlanOutcome;
  /** Where the outcome comes from: this path, or the first found below it. Of the same: nothing. */
  readonly decidedBy: ComparedPath<Found> | undefined;
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
 * @param ours by base name, what we have at present: coherent (`coherentPart`)
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
    const compared = { entry, ours: ours.get(name) };
    // of a cycle no path is whole: the first one here refers to one that comes later
    const whole =
      entry.outcome === 'known' &&
      entry.references.every(({ baseName }) => plan.get(baseName)?.whole === true);
    plan.set(name, { ...compared, whole, ...judge(compared, cyclic.has(name), plan) });
  }
  return plan;
}

type Judgement<Found extends FoundNarInfo> = Pick<PlannedPath<Found>, 'outcome' | 'decidedBy'>;

function judge<Found extends FoundNarInfo>(
  compared: ComparedPath<Found>,
  cyclic: boolean,
  plan: Plan<Found>,
): Judgement<Found> {
  const { entry, ours } = compared;
  if (entry.outcome !== 'known') return { outcome: entry.outcome, decidedBy: compared };
  if (ours !== undefined && !sameClaim(entry.found.narInfo, ours.claim)) {
    return { outcome: 'differs', decidedBy: compared };
  }
  // a closure that refers to itself in a cycle was never built: no evidence
  if (cyclic) return { outcome: 'unverified', decidedBy: compared };
  let worst: Judgement<Found> = { outcome: 'same', decidedBy: undefined };
  for (const { baseName } of entry.references) {
    const below = plan.get(baseName);
    if (below !== undefined && severity(below.outcome) > severity(worst.outcome)) worst = below;
  }
  return { outcome: worst.outcome, decidedBy: worst.decidedBy };
}

/** What two claims about one path have in common, or not. */
type Claimed = Pick<NarInfo, 'narHash' | 'references'>;

/** Whether two claims are about the same bytes and reference names. */
export function sameClaim(one: Claimed, other: Claimed): boolean {
  if (!one.narHash.equals(other.narHash)) return false;
  const names = new Set(one.references.map(({ baseName }) => baseName));
  const others = new Set(other.references.map(({ baseName }) => baseName));
  return names.size === others.size && names.isSubsetOf(others);
}

function severity(outcome: PlanOutcome): number {
  return SEVERITY.indexOf(outcome);
}

/** A path whose references are being visited. */
interface OpenPath {
  readonly name: string;
  readonly below: Iterator<StorePath>;
  /** Its place in the order of visits. */
  readonly place: number;
  /** The lowest place that is known to be in a cycle with it. */
  lowest: number;
}

/**
 * All paths of a world, each after what it refers to; and those that refer to each other in cycles.
 * Tarjan's strongly connected components without recursion: linear, whatever an upstream claims.
 */
function referencesFirst(world: World): { order: string[]; cyclic: ReadonlySet<string> } {
  const order: string[] = [];
  const cyclic = new Set<string>();
  const places = new Map<string, number>();
  /** Visited, and not known yet with whom they are in a cycle. */
  const unsettled: string[] = [];
  const isUnsettled = new Set<string>();
  const open: OpenPath[] = [];
  const enter = (name: string) => {
    const place = places.size;
    places.set(name, place);
    unsettled.push(name);
    isUnsettled.add(name);
    const below = (world.get(name)?.references ?? []).values();
    open.push({ name, below, place, lowest: place });
  };
  const leave = ({ name, place, lowest }: OpenPath) => {
    order.push(name);
    const referrer = open.at(-1);
    if (referrer !== undefined) referrer.lowest = Math.min(referrer.lowest, lowest);
    if (lowest !== place) return;
    const component = unsettled.splice(unsettled.lastIndexOf(name));
    for (const member of component) {
      isUnsettled.delete(member);
      if (component.length > 1) cyclic.add(member);
    }
  };
  for (const root of world.keys()) {
    if (!places.has(root)) enter(root);
    for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
      const next = top.below.next();
      if (next.done) {
        open.pop();
        leave(top);
        continue;
      }
      const { baseName } = next.value;
      const place = places.get(baseName);
      if (place === undefined) enter(baseName);
      else if (isUnsettled.has(baseName)) top.lowest = Math.min(top.lowest, place);
    }
  }
  return { order, cyclic };
}
