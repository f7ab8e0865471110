/** Runs one step of a scenario with the real service. */
import { isNarthexError } from '../../src/errors.ts';
import type { WalkResult } from '../../src/ingest/closureWalk.ts';
import type { Finding, FindingService } from '../../src/pathinfo/finding.ts';
import { type Services, serviceOver } from '../ingest/serviceHarness.ts';
import type { ActualState } from './actual.ts';
import { memoryUpstream, type Scenario, type Step, storePathOf, urlOf } from './scenario.ts';

/** What came of a step. */
export interface RanStep {
  readonly results: readonly WalkResult[];
  /** As events told them. */
  readonly told: readonly Finding[];
  /** As they were recorded. */
  readonly recorded: readonly Finding[];
  readonly narsAsked: number;
}

/** How it is run. */
export interface StepOptions {
  /** Waited for before each answer of an upstream. */
  readonly pause?: () => Promise<void>;
  /** Where findings are kept besides. */
  readonly findings?: FindingService;
}

/** Runs a step. */
export async function ingestStep(
  services: Services,
  { caches }: Pick<Scenario, 'caches'>,
  step: Step,
  { pause, findings: keeper }: StepOptions = {},
): Promise<RanStep> {
  const upstreams = await Promise.all(
    step.caches.map((cache) => memoryUpstream(caches[cache] ?? {}, urlOf(cache), pause)),
  );
  const recorded: Finding[] = [];
  const told: Finding[] = [];
  const findings: FindingService = {
    async recordFindings(some, now) {
      recorded.push(...some);
      await keeper?.recordFindings(some, now);
    },
    async *listFindings() {},
  };
  await using service = serviceOver(services, {
    baseUrl: upstreams,
    frankenbuild: step.policy,
    allowUnknown: step.allowUnknown,
    findings,
  });
  const results = await service.ingest(step.roots.map(storePathOf), {
    onEvent(event) {
      if (event.type === 'finding') told.push(event.finding);
    },
  });
  const narsAsked = upstreams.reduce((sum, { asked }) => sum + asked.files, 0);
  return { results, told, recorded, narsAsked };
}

/** What became of a root, as the model says it. */
export function outcomeOf(result: WalkResult | undefined, state: ActualState): unknown {
  if (result?.outcome === 'kept') return { kept: state.worldOf(result.pathInfo) };
  if (result?.outcome !== 'failed') return result?.outcome;
  return isNarthexError(result.error, 'FRANKENBUILD_REJECTED') ? 'rejected' : 'failed';
}
