/**
 * The audit of paths that are kept, from what is stored to what others say about it:
 *
 *     paths → their closures → each path: references, claim, content → each upstream: narinfos
 *           → whole closures: coherent? does any upstream agree?
 *
 * Nothing is changed by it, here or there, and no NAR is fetched.
 */
import { drain } from '../ingest/drain.ts';
import { Queue } from '../ingest/queue.ts';
import type { PathInfo } from '../pathinfo/pathInfo.ts';
import type { PathInfoService } from '../pathinfo/pathInfoService.ts';
import { type Testimony, testify } from './comparison.ts';
import { KnownPaths, type KnownPathsSource } from './knownPaths.ts';
import { auditPath, edgesOf, type PathAudit, type PathAuditOptions } from './pathAudit.ts';
import { type Incoherence, incoherences, StoredClosure } from './storedClosure.ts';
import { DEFAULT_QUESTIONS_IN_FLIGHT, type Witness } from './witness.ts';

/** NARs that are rendered and hashed at once: one waits for the disk while another is hashed. */
const NARS_IN_FLIGHT = 4;

/** What is audited, and how. */
export interface AuditOptions extends PathAuditOptions {
  readonly pathInfoService: Pick<PathInfoService, 'getVariant'> & KnownPathsSource;
  /** Whether all that the paths refer to is audited with them. */
  readonly wholeClosures: boolean;
  /** Who is asked. */
  readonly witnesses: readonly Witness[];
  /** Narinfos that each of them is asked for at once; {@link DEFAULT_QUESTIONS_IN_FLIGHT}. */
  readonly questionsInFlight?: number | undefined;
}

/** What was found out about a closure. */
export interface ClosureAudit {
  readonly root: PathInfo;
  /** All of it that is kept, the root first. */
  readonly members: readonly PathInfo[];
  readonly incoherences: readonly Incoherence[];
  /** Whether an upstream has the whole closure as it is here; `undefined` if nobody was asked. */
  readonly agreed: boolean | undefined;
  /**
   * Each path is as some upstream has it, but no upstream has them all together: the closure is
   * mixed from several worlds.
   */
  readonly mixed: boolean;
}

/** What an audit found out. */
export interface AuditReport {
  readonly paths: readonly PathAudit[];
  /** One for each path asked for, if whole closures were audited. */
  readonly closures: readonly ClosureAudit[];
  /** One for each upstream. */
  readonly testimonies: readonly Testimony[];
}

/**
 * Audits paths that are kept.
 * @throws STORE_FAILED the store could not be read
 * @throws the reason of an abort
 */
export async function audit(
  roots: readonly PathInfo[],
  options: AuditOptions,
): Promise<AuditReport> {
  const { wholeClosures: whole, signal } = options;
  const closure = await StoredClosure.gather(options.pathInfoService, roots, { whole, signal });
  const paths = await auditPaths(closure, options);
  const inFlight = options.questionsInFlight ?? DEFAULT_QUESTIONS_IN_FLIGHT;
  const testimonies = await Promise.all(
    options.witnesses.map((witness) => testify(witness, closure, { whole, inFlight, signal })),
  );
  const closures = whole ? auditClosures(closure, testimonies) : [];
  return { paths, closures, testimonies };
}

/** How an audit ends. */
export type AuditOutcome =
  /** Nothing is wrong, and nobody says anything else. */
  | 'clean'
  /** Something is wrong, or somebody says something else. */
  | 'findings'
  /** Nothing is known to be wrong, but somebody could not be asked. */
  | 'incomplete';

/** The outcome of an audit. */
export function outcomeOf({ paths, closures, testimonies }: AuditReport): AuditOutcome {
  const said = new Set(
    testimonies.flatMap((testimony) => [
      ...paths.map(({ pathInfo }) => testimony.of(pathInfo).outcome),
      // the upstream's world may hold more paths than ours
      ...closures.map(({ root }) => testimony.verdictOn(root)?.outcome),
    ]),
  );
  const wrong =
    paths.some(({ faults, pathInfo }) => faults.length + edgesOf(pathInfo, 'mixed').length > 0) ||
    closures.some(({ incoherences }) => incoherences.length > 0);
  if (wrong || said.has('differs') || said.has('unverified')) return 'findings';
  return said.has('unreachable') ? 'incomplete' : 'clean';
}

async function auditPaths(closure: StoredClosure, options: AuditOptions): Promise<PathAudit[]> {
  const { signal } = options;
  const references = closure.members.flatMap(({ claim }) => claim.references);
  const paths = closure.members.map(({ storePath }) => storePath);
  const known = new KnownPaths(options.pathInfoService, [...paths, ...references], signal);
  const audits = new Map<PathInfo, PathAudit>();
  const queue = new Queue<PathInfo>();
  for (const member of closure.members) queue.push(member);
  await drain(queue, NARS_IN_FLIGHT, async (member) => {
    signal?.throwIfAborted();
    audits.set(member, await auditPath(member, closure.faultsOf(member), known, options));
  });
  return closure.members.flatMap((member) => audits.get(member) ?? []);
}

function auditClosures(closure: StoredClosure, testimonies: readonly Testimony[]): ClosureAudit[] {
  return closure.roots.map((root) => {
    const members = closure.closureOf(root);
    const verdicts = testimonies.map((testimony) => testimony.verdictOn(root)?.outcome);
    const agreed = verdicts.length === 0 ? undefined : verdicts.includes('same');
    const mixed =
      agreed === false &&
      verdicts.includes('differs') &&
      members.every((member) =>
        testimonies.some((testimony) => isSame(testimony.of(member).outcome)),
      );
    return { root, members, incoherences: incoherences(members), agreed, mixed };
  });
}

function isSame(outcome: ReturnType<Testimony['of']>['outcome']): boolean {
  return outcome === 'same' || outcome === 'signedDifferently';
}
