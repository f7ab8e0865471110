/** What an upstream says about paths that are kept, one by one and as whole closures. */
import type { NarthexError } from '../errors.ts';
import { drain } from '../ingest/drain.ts';
import { comparePlan, type Plan, type PlanOutcome, sameClaim } from '../ingest/plan.ts';
import { Queue } from '../ingest/queue.ts';
import type { FoundNarInfo } from '../ingest/walkItem.ts';
import { gatherWorld, type UnknownOutcome, type World } from '../ingest/world.ts';
import type { PathInfo } from '../pathinfo/pathInfo.ts';
import type { StorePath } from '../storePath.ts';
import { incoherences, type StoredClosure, variantText } from './storedClosure.ts';
import { type Answer, Questioning, type Witness } from './witness.ts';

/** What an upstream says about one path, held against what is kept. */
export type ComparisonOutcome =
  /** The same bytes and reference names. */
  | 'same'
  /** The same, but no signature that ours has: somebody else vouches for the same content. */
  | 'signedDifferently'
  | 'differs'
  | UnknownOutcome;

/** The outcomes, the more they say against us the later. */
export const COMPARISON_OUTCOMES: readonly ComparisonOutcome[] = [
  'same',
  'signedDifferently',
  'absent',
  'unreachable',
  'unverified',
  'differs',
];

/** One path at one upstream. */
export interface Comparison {
  readonly outcome: ComparisonOutcome;
  /** What the upstream says, if it says something that holds. */
  readonly found: FoundNarInfo | undefined;
  /** Why nothing is known. */
  readonly error: NarthexError | undefined;
}

/** One root's whole closure at one upstream. */
export interface ClosureVerdict {
  readonly outcome: PlanOutcome;
  /** Where the outcome comes from: the root itself or a path below it. Of the same: nothing. */
  readonly decidedBy: StorePath | undefined;
}

/** What one upstream says. */
export interface Testimony {
  /** URL of the upstream. */
  readonly upstream: string;
  /** One for each member of the stored closure. */
  of(member: PathInfo): Comparison;
  /** One for each root; `undefined` where whole closures were not asked about. */
  verdictOn(root: PathInfo): ClosureVerdict | undefined;
}

/** How upstreams are asked. */
export interface TestimonyOptions {
  /** Whether the upstream's whole world is to be seen, not only the paths that are kept. */
  readonly whole: boolean;
  readonly inFlight: number;
  readonly signal?: AbortSignal | undefined;
}

/** Asks an upstream about all paths of a stored closure. @throws the reason of an abort */
export async function testify(
  witness: Witness,
  closure: StoredClosure,
  { whole, inFlight, signal }: TestimonyOptions,
): Promise<Testimony> {
  const questioning = new Questioning(witness, signal);
  const answers = await askAll(questioning, closure.members, inFlight);
  const comparisons = new Map(
    closure.members.map((member) => [variantText(member), compare(member, answers)]),
  );
  const verdicts = whole
    ? judge(closure, answers, await worldOf(questioning, closure, answers, inFlight))
    : new Map<PathInfo, ClosureVerdict>();
  return {
    upstream: witness.url,
    of: (member) => comparisons.get(variantText(member)) ?? compare(member, answers),
    verdictOn: (root) => verdicts.get(root),
  };
}

/** What was answered about each path, by base name. */
type Answers = ReadonlyMap<string, Answer>;

function answerAbout({ baseName, absolute }: StorePath, answers: Answers): Answer {
  const answer = answers.get(baseName);
  // all members are asked about: a mistake of the caller
  if (answer === undefined) throw new TypeError(`nobody was asked about ${absolute}`);
  return answer;
}

/** What is kept is known by name: nothing waits for the narinfo of a referrer. */
async function askAll(
  questioning: Questioning,
  members: readonly PathInfo[],
  inFlight: number,
): Promise<Map<string, Answer>> {
  const answers = new Map<string, Answer>();
  const paths = new Map(members.map(({ storePath }) => [storePath.baseName, storePath]));
  const queue = new Queue<StorePath>();
  for (const path of paths.values()) queue.push(path);
  await drain(queue, inFlight, async (path) => {
    answers.set(path.baseName, await questioning.ask(path));
  });
  return answers;
}

/** The upstream's closures of the roots, which may hold paths that ours do not. */
async function worldOf(
  questioning: Questioning,
  { roots }: StoredClosure,
  answers: Answers,
  inFlight: number,
): Promise<World> {
  const known = roots.flatMap(({ storePath }) => {
    const answer = answerAbout(storePath, answers);
    return answer.outcome === 'known' ? [answer.found] : [];
  });
  const ask = async (path: StorePath) => {
    const answer = answers.get(path.baseName) ?? (await questioning.ask(path));
    if (answer.outcome === 'known') return answer.found;
    if (answer.error !== undefined) throw answer.error;
    return undefined;
  };
  return await gatherWorld(known, ask, inFlight);
}

function judge(
  closure: StoredClosure,
  answers: Answers,
  world: World,
): Map<PathInfo, ClosureVerdict> {
  // roots share a plan, unless they are of several of our worlds
  const byName = new Map(closure.members.map((one) => [one.storePath.baseName, one]));
  const plan = byName.size === closure.members.length ? comparePlan(world, byName) : undefined;
  return new Map(
    closure.roots.map((root) => [
      root,
      plan === undefined
        ? verdictApart(root, closure, answers, world)
        : verdictIn(plan, root, answers),
    ]),
  );
}

/** The verdict on a closure that is held against the upstream's world by itself. */
function verdictApart(
  root: PathInfo,
  closure: StoredClosure,
  answers: Answers,
  world: World,
): ClosureVerdict {
  const members = closure.closureOf(root);
  // of several variants the one that was met first
  const byName = new Map(members.toReversed().map((one) => [one.storePath.baseName, one]));
  const verdict = verdictIn(comparePlan(world, byName), root, answers);
  const [incoherence] = incoherences(members);
  if (incoherence === undefined || verdict.outcome !== 'same') return verdict;
  // an upstream has one content under a name
  return { outcome: 'differs', decidedBy: incoherence.variants[0]?.storePath };
}

function verdictIn(plan: Plan, { storePath }: PathInfo, answers: Answers): ClosureVerdict {
  const planned = plan.get(storePath.baseName);
  if (planned !== undefined) {
    return { outcome: planned.outcome, decidedBy: planned.decidedBy?.entry.storePath };
  }
  const answer = answerAbout(storePath, answers);
  if (answer.outcome === 'known') throw new TypeError('a root that is known is in the plan');
  return { outcome: answer.outcome, decidedBy: storePath };
}

function compare(member: PathInfo, answers: Answers): Comparison {
  const answer = answerAbout(member.storePath, answers);
  if (answer.outcome !== 'known') {
    return { outcome: answer.outcome, found: undefined, error: answer.error };
  }
  const { found } = answer;
  return { outcome: outcomeOf(member, found), found, error: undefined };
}

function outcomeOf({ claim }: PathInfo, { narInfo }: FoundNarInfo): ComparisonOutcome {
  if (!sameClaim(narInfo, claim)) return 'differs';
  const ours = new Set(claim.signatures.map(String));
  const theirs = new Set(narInfo.signatures.map(String));
  const unsigned = ours.size === 0 && theirs.size === 0;
  return unsigned || !ours.isDisjointFrom(theirs) ? 'same' : 'signedDifferently';
}
