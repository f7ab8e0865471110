/** Ingests under a policy from caches in words, and what is kept then, in words. */
import { isNarthexError } from '../../src/errors.ts';
import type { IngestEvent } from '../../src/ingest/ingestEvent.ts';
import type { WalkResult } from '../../src/ingest/walkItem.ts';
import type { Finding, FindingService } from '../../src/pathinfo/finding.ts';
import type { PathInfo } from '../../src/pathinfo/pathInfo.ts';
import type { Upstream } from '../../src/upstream/upstream.ts';
import { contentOf } from '../frankenbuild/actual.ts';
import {
  type CacheSpec,
  type CountedUpstream,
  memoryUpstream,
  type PathAt,
  type Status,
  storePathOf,
} from '../frankenbuild/scenario.ts';
import { type HarnessOptions, type Services, serviceOver } from './serviceHarness.ts';

/** By name: `CONTENT: REFERENCE REFERENCE`, and before it maybe a status other than `ok`. */
export type CacheInWords = Readonly<Record<string, string>>;

const STATUSES: readonly Status[] = ['absent', 'unverified', 'unreachable', 'noNar'];

/** A cache such as `{ top: 'A: low', low: 'B', gone: 'absent', bad: 'noNar A' }`. */
export function cacheOf(words: CacheInWords): CacheSpec {
  return Object.fromEntries(
    Object.entries(words).map(([name, text]): [string, PathAt] => {
      const [before = '', after = ''] = text.split(':').map((part) => part.trim());
      const status = STATUSES.find((one) => before.startsWith(one)) ?? 'ok';
      const content = status === 'ok' ? before : before.slice(status.length).trim() || 'A';
      const references = after.split(' ').filter((one) => one !== '');
      return [name, { status, content, references }];
    }),
  );
}

/** An upstream in memory. */
export async function upstreamOf(words: CacheInWords, url: string): Promise<CountedUpstream> {
  return await memoryUpstream(cacheOf(words), `memory:${url}`);
}

/** What came of an ingest. */
export interface Ingested {
  /** By name of the root: `kept`, `absent` or the code of the error. */
  readonly outcomes: Readonly<Record<string, string>>;
  readonly results: readonly WalkResult[];
  /** `type name`, and the code where something failed. */
  readonly events: readonly string[];
  /** `referrer → reference, by differing, at upstream`. */
  readonly findings: readonly string[];
}

/** Runs an ingest in a service of its own. */
export async function ingest(
  services: Services,
  upstreams: readonly Upstream[],
  roots: readonly string[],
  options: Partial<HarnessOptions> = {},
): Promise<Ingested> {
  const recorded: Finding[] = [];
  const findings: FindingService = {
    async recordFindings(some) {
      recorded.push(...some);
    },
    async *listFindings() {},
  };
  await using service = serviceOver(services, { findings, ...options, baseUrl: upstreams });
  const events: IngestEvent[] = [];
  const results = await service.ingest(roots.map(storePathOf), {
    onEvent: (event) => events.push(event),
  });
  return {
    outcomes: Object.fromEntries(
      results.map((result, i) => [roots[i], outcomeText(result)] as const),
    ),
    results,
    events: events.flatMap(eventText),
    findings: recorded.map(findingText),
  };
}

function outcomeText(result: WalkResult): string {
  return result.outcome === 'failed' ? errorText(result.error) : result.outcome;
}

/** Codes from the outside in: `REFERENCE_FAILED < NAR_MISSING`. */
export function errorText(error: unknown): string {
  if (!isNarthexError(error)) return String(error);
  return error.cause === undefined ? error.code : `${error.code} < ${errorText(error.cause)}`;
}

function eventText(event: IngestEvent): string[] {
  switch (event.type) {
    case 'present':
    case 'kept':
      return [`${event.type} ${event.pathInfo.storePath.name}`];
    case 'failed':
      return [`failed ${event.path.slice(33)}: ${errorText(event.error)}`];
    case 'finding':
      return [`finding ${findingText(event.finding)}`];
    case 'progress':
      return [];
    default:
      return [`${event.type} ${event.narInfo.storePath.name}`];
  }
}

/** A finding in words. */
export function findingText({ referrer, reference, differing, upstream }: Finding): string {
  return `${referrer?.name ?? '-'} → ${reference.name}, by ${differing?.name}, at ${upstream}`;
}

/** `A: low same, other mixed` of each path of a closure, by name; content of a path in two worlds is joined. */
export async function closureOf(
  services: Services,
  root: PathInfo,
): Promise<Readonly<Record<string, string>>> {
  const worlds = new Map<string, Set<string>>();
  const pending = [root];
  for (let one = pending.pop(); one !== undefined; one = pending.pop()) {
    const { claim, storePath, references } = one;
    const marks: string[] = [];
    for (const { name, digest, baseName } of claim.references) {
      const content = references.get(baseName);
      if (content === undefined || baseName === storePath.baseName) continue;
      marks.push(`${name} ${content.evidence}`);
      const below = await services.pathInfoService.getVariant(digest, content.closureDigest);
      if (below === undefined) throw new Error(`${baseName} is not kept`);
      pending.push(below);
    }
    const text = [contentOf(one), marks.sort().join(', ')].filter((part) => part !== '').join(': ');
    const known = worlds.get(storePath.name) ?? new Set();
    worlds.set(storePath.name, known.add(text));
  }
  return Object.fromEntries(
    [...worlds]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, one]) => [name, [...one].join(' | ')]),
  );
}

/** The closure of what is current of a name; nothing where nothing is. */
export async function currentOf(services: Services, name: string) {
  const current = await services.pathInfoService.get(storePathOf(name).digest);
  return current && (await closureOf(services, current));
}

/** The closure of a kept result. */
export async function keptClosure(services: Services, result: WalkResult | undefined) {
  if (result?.outcome !== 'kept') throw new Error(`nothing is kept but ${result?.outcome}`);
  return await closureOf(services, result.pathInfo);
}
