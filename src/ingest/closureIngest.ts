/**
 * The ingest of closures: from what is asked for to stored PathInfos, with or without a look at the
 * upstream's whole world first.
 *
 * Without (`off`), one closure walk does all: what is here ends it, what is not is fetched. With a
 * plan, wanted paths are grouped by the upstream that has them; for each upstream in turn its world
 * is gathered, held against ours, and only then walked, as the policy says. What an upstream's world
 * lacks and we too is brought in from the others first.
 */
import { NarthexError } from '../errors.ts';
import type { FindingService } from '../pathinfo/finding.ts';
import type { PathInfo } from '../pathinfo/pathInfo.ts';
import type { IngestContext, PathInfoService } from '../pathinfo/pathInfoService.ts';
import type { TrustPolicy } from '../pathinfo/trustPolicy.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { ClosureWalk, type WalkEvent, type WalkLimits, type WalkSteps } from './closureWalk.ts';
import { coherentPart } from './coherentPart.ts';
import { drain } from './drain.ts';
import {
  confirmedBy,
  type FrankenbuildPolicy,
  findingsOf,
  type PlanningPolicy,
} from './frankenbuild.ts';
import { type IngestEvent, onceKeyOf } from './ingestEvent.ts';
import { comparePlan, type Plan } from './plan.ts';
import { plannedSteps, stepsWithoutUpstream } from './plannedSteps.ts';
import { PresenceCheck } from './presence.ts';
import { Queue } from './queue.ts';
import type { IngestSource, UpstreamIngest, UpstreamNarInfo } from './upstreamIngest.ts';
import { matchVariants, narInfoOfClaim, withStandIns } from './variantWorld.ts';
import type { WalkResult, WantedPath } from './walkItem.ts';
import { gatherWorld, type World } from './world.ts';

/**
 * How often a closure may go from one upstream to another for what the first lacks: each time the
 * next upstream is asked for its world. Layered caches need two or three.
 */
const MOST_TURNS = 16;
/** How often what is here is read again because somebody wrote meanwhile. */
const MOST_READS = 3;

/** What a {@link ClosureIngest} is made of. */
export interface ClosureIngestOptions {
  readonly upstreams: UpstreamIngest;
  /** Looked into and put into. */
  readonly hierarchy: PathInfoService;
  readonly trust: TrustPolicy;
  readonly walkLimits: WalkLimits;
  readonly policy: FrankenbuildPolicy;
  /** With `reject`: lets pass what an upstream does not have or could not be asked about. */
  readonly allowUnknown: boolean;
  /** Where findings are kept. */
  readonly findings: FindingService | undefined;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** What one run is given. */
export interface RunOptions {
  readonly signal: AbortSignal | undefined;
  readonly context: IngestContext;
  readonly onEvent: ((event: IngestEvent) => void) | undefined;
  /** In place of the upstreams, where a walk goes by no plan: it may share what is asked with others. */
  readonly source?: IngestSource | undefined;
}

/** Ingests closures. */
export class ClosureIngest {
  readonly #options: ClosureIngestOptions;

  constructor(options: ClosureIngestOptions) {
    this.#options = options;
  }

  /**
   * Brings in the closures of all wanted paths.
   * @returns what became of each, in order
   * @throws the signal's reason
   */
  async run(wanted: readonly WantedPath[], options: RunOptions): Promise<WalkResult[]> {
    const { policy } = this.#options;
    const run = new Run(this.#options, options);
    return policy === 'off' ? await run.unplanned(wanted) : await run.planned(wanted, policy);
  }
}

type Steps = WalkSteps<UpstreamNarInfo>;

/** A wanted path and where it comes from. */
interface Source {
  readonly wanted: WantedPath;
  readonly found: UpstreamNarInfo | undefined;
  /** Why no narinfo could be had. */
  readonly error: NarthexError | undefined;
}

/** Wanted paths that one upstream lacks, on the way through several. */
interface Turn {
  /** The upstream that is not asked. */
  readonly lacking: Upstream | undefined;
  readonly number: number;
}

/** One call of {@link ClosureIngest.run}. */
class Run {
  readonly #ingest: ClosureIngestOptions;
  readonly #options: RunOptions;
  /** What was told already: worlds overlap. */
  readonly #told = new Set<string>();

  constructor(ingest: ClosureIngestOptions, options: RunOptions) {
    this.#ingest = ingest;
    this.#options = options;
  }

  /** A walk that goes by no plan. */
  async unplanned(wanted: readonly WantedPath[]): Promise<WalkResult[]> {
    const presence = this.#presence();
    const steps = {
      ...this.#steps(),
      findPresent: (path: WantedPath) => presence.find(path.digest),
    };
    return await this.#walk(wanted, steps, this.#options.onEvent);
  }

  async planned(
    wanted: readonly WantedPath[],
    policy: PlanningPolicy,
    turn: Turn = { lacking: undefined, number: 0 },
  ): Promise<WalkResult[]> {
    const sources = await this.#sourcesOf(wanted, turn.lacking);
    const results = new Map<WantedPath, WalkResult>();
    const groups = Map.groupBy(sources, ({ found }) => found?.upstream);
    for (const [upstream, group] of groups) {
      const outcomes =
        upstream === undefined
          ? await this.#withoutUpstream(group, policy, turn.number)
          : await this.#inWorldOf(upstream, group, policy, turn.number);
      for (const [i, { wanted: path }] of group.entries()) {
        const outcome = outcomes[i];
        if (outcome !== undefined) results.set(path, outcome);
      }
    }
    return wanted.map((path) => results.get(path) ?? { outcome: 'absent' });
  }

  /** The steps of all walks; each looks in its own way for what is here. */
  #steps(): Omit<Steps, 'findPresent'> {
    const { upstreams, hierarchy } = this.#ingest;
    const { signal, context, onEvent, source = upstreams } = this.#options;
    return {
      findNarInfo: (path) => source.findNarInfo(path, signal),
      ingestContent: (found) => {
        const { baseName } = found.narInfo.storePath;
        const onNarBytes = (narBytes: number) =>
          onEvent?.({ type: 'progress', baseName, narBytes });
        return source.ingestContent(found, signal, { onNarBytes });
      },
      putAll: (pathInfos) => hierarchy.putAll(pathInfos, { signal, context }),
    };
  }

  async #walk(
    wanted: readonly WantedPath[],
    steps: Steps,
    onEvent: ((event: WalkEvent) => void) | undefined,
  ): Promise<WalkResult[]> {
    const { signal } = this.#options;
    const walk = new ClosureWalk(steps, { limits: this.#ingest.walkLimits, signal, onEvent });
    return await walk.run(wanted);
  }

  /** Tells an event; the end of a path, or a finding, only the first time that a walk comes to it. */
  #tell(event: IngestEvent): void {
    const key = onceKeyOf(event);
    if (key !== undefined && this.#told.size === this.#told.add(key).size) return;
    this.#options.onEvent?.(event);
  }

  /** A new one for each look: what it refused may be verified by what was brought in since. */
  #presence(): PresenceCheck {
    const { hierarchy, trust } = this.#ingest;
    const { signal, context } = this.#options;
    return new PresenceCheck(hierarchy, trust, { signal, context });
  }

  async #sourcesOf(
    wanted: readonly WantedPath[],
    lacking: Upstream | undefined,
  ): Promise<Source[]> {
    const { upstreams, walkLimits } = this.#ingest;
    const { signal } = this.#options;
    const except = new Set(lacking === undefined ? [] : [lacking]);
    const sources = new Map<WantedPath, Source>();
    await drain(Queue.of(wanted), walkLimits.narinfosInFlight, async (path) => {
      try {
        const found = await upstreams.findNarInfo(path, signal, except);
        sources.set(path, { wanted: path, found, error: undefined });
      } catch (error) {
        signal?.throwIfAborted();
        if (!(error instanceof NarthexError)) throw error;
        sources.set(path, { wanted: path, found: undefined, error });
      }
    });
    return wanted.flatMap((path) => sources.get(path) ?? []);
  }

  /** What no upstream has, or none could be asked about, is what is here. */
  async #withoutUpstream(
    group: readonly Source[],
    policy: PlanningPolicy,
    turn: number,
  ): Promise<WalkResult[]> {
    const presence = this.#presence();
    const errors = new Map(group.map(({ wanted, error }) => [wanted.hashPart, error]));
    const steps = stepsWithoutUpstream(this.#steps(), {
      findPresent: (path) => presence.find(path.digest),
      errorOf: (path) => errors.get(path.hashPart),
      policy,
      allowUnknown: this.#ingest.allowUnknown,
    });
    const wanted = group.map(({ wanted: path }) => path);
    return await this.#walk(wanted, steps, (event) => {
      // the walk that needs it fails with it, and may know better why
      if (turn === 0 || event.type !== 'failed') this.#tell(event);
    });
  }

  async #inWorldOf(
    upstream: Upstream,
    group: readonly Source[],
    policy: PlanningPolicy,
    turn: number,
  ): Promise<WalkResult[]> {
    const { upstreams, walkLimits, hierarchy, allowUnknown } = this.#ingest;
    const { signal, context } = this.#options;
    const roots = group.flatMap(({ found }) => found ?? []);
    const world = await gatherWorld(
      roots,
      (path) => upstreams.askNarInfo(upstream, path, signal),
      walkLimits.narinfosInFlight,
    );
    const { ours, errors, presence } = await this.#bringMissing(world, policy, upstream, turn);
    const comparable =
      policy === 'variant'
        ? await withStandIns({ world, ours }, hierarchy, { signal, context })
        : { world, ours };
    const plan = comparePlan(comparable.world, comparable.ours);
    const accepts = async (pathInfo: PathInfo) => (await presence.accept(pathInfo)) !== undefined;
    const matched =
      policy === 'variant'
        ? await matchVariants(plan, hierarchy, accepts, { signal, context })
        : undefined;
    const walked = new Map<string, PathInfo>();
    const steps = plannedSteps(this.#steps(), {
      plan,
      roots: new Set(roots),
      policy,
      allowUnknown,
      upstream: upstream.url,
      matched,
      foundHere: ({ claim }) => ({
        narInfo: narInfoOfClaim(claim),
        verification: claim.verification,
        origin: claim.origin ?? upstream.url,
        upstream,
      }),
      errors,
    });
    const results = await this.#walk(
      roots.map(({ narInfo }) => narInfo.storePath),
      steps,
      (event) => {
        if (event.type === 'present' || event.type === 'kept') {
          walked.set(event.pathInfo.storePath.baseName, event.pathInfo);
        }
        this.#tell(event);
      },
    );
    const used = (name: string) =>
      walked.get(name) ?? (matched === undefined ? plan.get(name)?.ours : matched.get(name));
    if (policy === 'report') await this.#report(plan, roots, used, upstream.url);
    return await this.#confirm(plan, used, policy, results);
  }

  /** What is here at present and good enough, by base name. */
  async #oursOf(world: World, presence: PresenceCheck): Promise<Map<string, PathInfo>> {
    for (let reads = 1; ; reads++) {
      const paths = Queue.of(Array.from(world.values(), ({ storePath }) => storePath));
      const read = new Map<string, PathInfo>();
      await drain(paths, this.#ingest.walkLimits.narinfosInFlight, async (path) => {
        const present = await presence.find(path.digest);
        if (present?.storePath.equals(path)) read.set(path.baseName, present);
      });
      const coherent = coherentPart(read, world);
      if (coherent.size === read.size || reads === MOST_READS) return coherent;
    }
  }

  /**
   * What is here of a world, after what neither the upstream nor we have was brought in from the other
   * upstreams; and why that failed, by base name.
   */
  async #bringMissing(
    world: World<UpstreamNarInfo>,
    policy: PlanningPolicy,
    lacking: Upstream,
    turn: number,
  ) {
    const presence = this.#presence();
    const ours = await this.#oursOf(world, presence);
    const errors = new Map<string, unknown>();
    const missing = [...world.values()].filter(
      (entry) => !ours.has(entry.storePath.baseName) && this.#isWorthBringing(entry, policy),
    );
    const others =
      missing.length > 0 && turn < MOST_TURNS
        ? await this.#ingest.upstreams.hasOthers(new Set([lacking]))
        : false;
    if (!others) return { ours, errors, presence };
    const wanted = missing.map(({ storePath }) => storePath);
    const results = await this.planned(wanted, policy, { lacking, number: turn + 1 });
    // what was brought in may have brought in other paths of this world
    const presenceNow = this.#presence();
    const oursNow = await this.#oursOf(world, presenceNow);
    for (const [i, { baseName }] of wanted.entries()) {
      const result = results[i];
      if (result?.outcome === 'failed') errors.set(baseName, result.error);
      // it may be here without being current
      if (result?.outcome === 'kept' && !oursNow.has(baseName)) {
        oursNow.set(baseName, result.pathInfo);
      }
    }
    return { ours: oursNow, errors, presence: presenceNow };
  }

  /** Whether it helps to have a path from somewhere else; what `reject` refuses anyway does not. */
  #isWorthBringing({ outcome }: { outcome: string }, policy: PlanningPolicy): boolean {
    if (outcome === 'known') return false;
    return policy !== 'reject' || (this.#ingest.allowUnknown && outcome !== 'unverified');
  }

  /** Keeps and tells the findings. */
  async #report(
    plan: Plan<UpstreamNarInfo>,
    roots: readonly UpstreamNarInfo[],
    used: (baseName: string) => PathInfo | undefined,
    upstream: string,
  ): Promise<void> {
    const { findings: service, now } = this.#ingest;
    const { signal } = this.#options;
    const names = new Set(roots.map(({ narInfo }) => narInfo.storePath.baseName));
    const findings = findingsOf(plan, names, used, upstream);
    if (findings.length > 0) await service?.recordFindings(findings, now(), { signal });
    for (const finding of findings) this.#tell({ type: 'finding', finding });
  }

  /** Keeps what is known now of edges that were there already, also in the results. */
  async #confirm(
    plan: Plan<UpstreamNarInfo>,
    used: (baseName: string) => PathInfo | undefined,
    policy: PlanningPolicy,
    results: readonly WalkResult[],
  ): Promise<WalkResult[]> {
    const { signal, context } = this.#options;
    const confirmed = confirmedBy(plan, used, policy);
    if (confirmed.length === 0) return [...results];
    const kept = await this.#ingest.hierarchy.putAll(confirmed, { signal, context });
    const byName = new Map(kept.map((pathInfo) => [pathInfo.storePath.baseName, pathInfo]));
    return results.map((result) => {
      if (result.outcome !== 'kept') return result;
      const better = byName.get(result.pathInfo.storePath.baseName);
      return better === undefined ? result : { outcome: 'kept', pathInfo: better };
    });
  }
}
