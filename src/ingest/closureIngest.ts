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
import type { Finding, FindingService } from '../pathinfo/finding.ts';
import { type Evidence, PathInfo } from '../pathinfo/pathInfo.ts';
import type { IngestContext, PathInfoService } from '../pathinfo/pathInfoService.ts';
import type { TrustPolicy } from '../pathinfo/trustPolicy.ts';
import type { StorePath } from '../storePath.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { ClosureWalk, type WalkEvent, type WalkLimits, type WalkSteps } from './closureWalk.ts';
import { drain } from './drain.ts';
import {
  evidenceOf,
  type FrankenbuildPolicy,
  findingsOf,
  matchVariants,
  rejectUnlessSame,
} from './frankenbuild.ts';
import { comparePlan, type Plan, sameClaim } from './plan.ts';
import { PresenceCheck } from './presence.ts';
import { Queue } from './queue.ts';
import type { UpstreamIngest, UpstreamNarInfo } from './upstreamIngest.ts';
import type { WalkResult, WantedPath } from './walkItem.ts';
import { gatherWorld, type World } from './world.ts';

/** What an ingest tells while it goes. */
export type IngestEvent =
  | WalkEvent
  /** So many more bytes of the path's NAR have come. */
  | { readonly type: 'progress'; readonly baseName: string; readonly narBytes: number }
  /** The upstream means another content than is here. */
  | { readonly type: 'finding'; readonly finding: Finding };

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
    const run = new Run(this.#options, options);
    return this.#options.policy === 'off'
      ? await run.walk(wanted, run.steps())
      : await run.planned(wanted, this.#options.policy, new Set());
  }
}

type Planning = Exclude<FrankenbuildPolicy, 'off'>;
type Steps = WalkSteps<UpstreamNarInfo>;

/** A wanted path and where it comes from. */
interface Source {
  readonly wanted: WantedPath;
  readonly found: UpstreamNarInfo | undefined;
  /** Why no narinfo could be had. */
  readonly error: NarthexError | undefined;
}

/** One call of {@link ClosureIngest.run}. */
class Run {
  readonly #ingest: ClosureIngestOptions;
  readonly #options: RunOptions;
  readonly #presence: PresenceCheck;

  constructor(ingest: ClosureIngestOptions, options: RunOptions) {
    const { signal, context } = options;
    this.#ingest = ingest;
    this.#options = options;
    this.#presence = new PresenceCheck(ingest.hierarchy, ingest.trust, { signal, context });
  }

  /** The steps of a walk that goes by no plan. */
  steps(): Steps {
    const { upstreams, hierarchy } = this.#ingest;
    const { signal, context, onEvent } = this.#options;
    return {
      findPresent: (path) => this.#presence.find(path.digest),
      findNarInfo: (path) => upstreams.findNarInfo(path, signal),
      ingestContent: (found) => {
        const { baseName } = found.narInfo.storePath;
        return upstreams.ingestContent(found, signal, (narBytes) =>
          onEvent?.({ type: 'progress', baseName, narBytes }),
        );
      },
      putAll: (pathInfos) => hierarchy.putAll(pathInfos, { signal, context }),
    };
  }

  async walk(
    wanted: readonly WantedPath[],
    steps: Steps,
    onEvent: ((event: WalkEvent) => void) | undefined = this.#options.onEvent,
  ): Promise<WalkResult[]> {
    const { signal } = this.#options;
    const walk = new ClosureWalk(steps, { limits: this.#ingest.walkLimits, signal, onEvent });
    return await walk.run(wanted);
  }

  /** @param except upstreams that are not asked: their worlds lack what is wanted */
  async planned(
    wanted: readonly WantedPath[],
    policy: Planning,
    except: ReadonlySet<Upstream>,
  ): Promise<WalkResult[]> {
    const sources = await this.#sourcesOf(wanted, except);
    const results = new Map<WantedPath, WalkResult>();
    const groups = Map.groupBy(sources, ({ found }) => found?.upstream);
    for (const [upstream, group] of groups) {
      const outcomes =
        upstream === undefined
          ? await this.#withoutUpstream(group, policy)
          : await this.#inWorldOf(upstream, group, policy, except);
      for (const [i, { wanted: path }] of group.entries()) {
        const outcome = outcomes[i];
        if (outcome !== undefined) results.set(path, outcome);
      }
    }
    return wanted.map((path) => results.get(path) ?? { outcome: 'absent' });
  }

  async #sourcesOf(
    wanted: readonly WantedPath[],
    except: ReadonlySet<Upstream>,
  ): Promise<Source[]> {
    const { upstreams, walkLimits } = this.#ingest;
    const sources = new Map<WantedPath, Source>();
    await drain(queueOf(wanted), walkLimits.narinfosInFlight, async (path) => {
      try {
        const found = await upstreams.findNarInfo(path, this.#options.signal, except);
        sources.set(path, { wanted: path, found, error: undefined });
      } catch (error) {
        if (!(error instanceof NarthexError)) throw error;
        sources.set(path, { wanted: path, found: undefined, error });
      }
    });
    return wanted.flatMap((path) => sources.get(path) ?? []);
  }

  /** What no upstream has, or none could be asked about, is what is here. */
  async #withoutUpstream(group: readonly Source[], policy: Planning): Promise<WalkResult[]> {
    const { allowUnknown } = this.#ingest;
    const errors = new Map(group.map(({ wanted, error }) => [wanted.hashPart, error]));
    return await this.walk(
      group.map(({ wanted }) => wanted),
      {
        ...this.steps(),
        findPresent: async (path) => {
          const error = errors.get(path.hashPart);
          const present = await this.#presence.find(path.digest);
          // what is here cannot be compared with anything
          if (policy === 'reject' && present !== undefined && !allowUnknown) {
            const entry = { storePath: present.storePath, outcome: 'absent', error } as const;
            const planned = { entry, ours: present, outcome: entry.outcome } as const;
            rejectUnlessSame(
              {
                referrer: undefined,
                planned: { ...planned, differing: undefined, whole: false },
                upstream: 'any upstream',
              },
              allowUnknown,
            );
          }
          return present;
        },
        findNarInfo: async (path) => {
          const error = errors.get(path.hashPart);
          if (error !== undefined) throw error;
          return undefined;
        },
      },
    );
  }

  async #inWorldOf(
    upstream: Upstream,
    group: readonly Source[],
    policy: Planning,
    except: ReadonlySet<Upstream>,
  ): Promise<WalkResult[]> {
    const { upstreams, walkLimits } = this.#ingest;
    const roots = group.flatMap(({ found }) => found ?? []);
    const world = await gatherWorld(
      roots,
      (path) => upstreams.askNarInfo(upstream, path, this.#options.signal),
      walkLimits.narinfosInFlight,
    );
    const ours = await this.#oursOf([...world.values()].map(({ storePath }) => storePath));
    await this.#bringMissing(world, ours, policy, new Set([...except, upstream]));
    const plan = comparePlan(world, ours);
    const used = new Map<string, PathInfo>();
    const results = await this.walk(
      roots.map(({ narInfo }) => narInfo.storePath),
      await this.#plannedSteps(plan, new Set(roots), policy, upstream.url),
      (event) => {
        if (event.type === 'present' || event.type === 'kept') {
          used.set(event.pathInfo.storePath.baseName, event.pathInfo);
        }
        this.#options.onEvent?.(event);
      },
    );
    if (policy === 'report') await this.#report(plan, new Set(roots), used, upstream.url);
    return results;
  }

  /** What is here at present and good enough, by base name. */
  async #oursOf(paths: readonly StorePath[]): Promise<Map<string, PathInfo>> {
    const ours = new Map<string, PathInfo>();
    await drain(queueOf(paths), this.#ingest.walkLimits.narinfosInFlight, async (path) => {
      const present = await this.#presence.find(path.digest);
      if (present?.storePath.equals(path)) ours.set(path.baseName, present);
    });
    return ours;
  }

  /** Brings in what neither the upstream's world nor ours has, from the other upstreams. */
  async #bringMissing(
    world: World<UpstreamNarInfo>,
    ours: Map<string, PathInfo>,
    policy: Planning,
    except: ReadonlySet<Upstream>,
  ): Promise<void> {
    const missing = [...world.values()].filter(
      ({ outcome, storePath }) => outcome !== 'known' && !ours.has(storePath.baseName),
    );
    if (missing.length === 0 || !(await this.#ingest.upstreams.hasOthers(except))) return;
    const results = await this.planned(
      missing.map(({ storePath }) => storePath),
      policy,
      except,
    );
    for (const [i, { storePath }] of missing.entries()) {
      const result = results[i];
      // what failed fails again in the walk, where it is told
      if (result?.outcome === 'kept') ours.set(storePath.baseName, result.pathInfo);
    }
  }

  async #plannedSteps(
    plan: Plan<UpstreamNarInfo>,
    roots: ReadonlySet<UpstreamNarInfo>,
    policy: Planning,
    upstream: string,
  ): Promise<Steps> {
    const { hierarchy, allowUnknown } = this.#ingest;
    const { signal, context } = this.#options;
    const plannedOf = (path: WantedPath) => plan.get(`${path.hashPart}-${path.name}`);
    const matched =
      policy === 'variant'
        ? await matchVariants(
            plan,
            hierarchy,
            async (pathInfo) => (await this.#presence.accept(pathInfo)) !== undefined,
            { signal, context },
          )
        : undefined;
    return {
      ...this.steps(),
      findPresent: async (path) => {
        const planned = plannedOf(path);
        if (planned === undefined) return undefined;
        if (matched !== undefined) return matched.get(planned.entry.storePath.baseName);
        const { entry, ours } = planned;
        if (policy === 'reject' && entry.outcome === 'known' && roots.has(entry.found)) {
          rejectUnlessSame({ referrer: undefined, planned, upstream }, allowUnknown);
        }
        return ours;
      },
      findNarInfo: async (path) => {
        const entry = plannedOf(path)?.entry;
        if (entry === undefined) return undefined;
        if (entry.outcome !== 'known') {
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
  }

  /** Keeps the findings, and marks the edges of what was here already that proved to be the same. */
  async #report(
    plan: Plan<UpstreamNarInfo>,
    roots: ReadonlySet<UpstreamNarInfo>,
    walked: ReadonlyMap<string, PathInfo>,
    upstream: string,
  ): Promise<void> {
    const { findings: service, hierarchy, now } = this.#ingest;
    const { signal, context, onEvent } = this.#options;
    const used = (name: string) => walked.get(name) ?? plan.get(name)?.ours;
    const names = new Set([...roots].map(({ narInfo }) => narInfo.storePath.baseName));
    const findings = findingsOf(plan, names, used, upstream);
    if (findings.length > 0) await service?.recordFindings(findings, now(), { signal });
    for (const finding of findings) onEvent?.({ type: 'finding', finding });
    const confirmed = [...plan].flatMap(([name, { entry }]) => {
      const pathInfo = used(name);
      if (pathInfo === undefined || entry.outcome !== 'known') return [];
      return sameClaim(entry, pathInfo) ? (withConfirmedEdges(pathInfo, plan) ?? []) : [];
    });
    if (confirmed.length > 0) await hierarchy.putAll(confirmed, { signal, context });
  }
}

/** The PathInfo with those unchecked edges marked that the plan finds to be the same. */
function withConfirmedEdges(pathInfo: PathInfo, plan: Plan): PathInfo | undefined {
  let changed = false;
  const references = new Map(
    Array.from(pathInfo.references, ([name, content]) => {
      const confirmed = content.evidence === 'unchecked' && plan.get(name)?.outcome === 'same';
      changed ||= confirmed;
      const evidence: Evidence = confirmed ? 'same' : content.evidence;
      return [name, { ...content, evidence }] as const;
    }),
  );
  return changed ? new PathInfo(pathInfo.claim, pathInfo.node, references) : undefined;
}

function queueOf<T>(items: Iterable<T>): Queue<T> {
  const queue = new Queue<T>();
  for (const item of items) queue.push(item);
  return queue;
}
