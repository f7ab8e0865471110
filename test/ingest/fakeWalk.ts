/** Closure walks over made-up paths, whose every step a test decides about. */
import { Digest } from '../../src/castore/digest.ts';
import { FileNode } from '../../src/castore/node.ts';
import { Hash } from '../../src/hash.ts';
import {
  ClosureWalk,
  type FoundNarInfo,
  type WalkEvent,
  type WalkLimits,
  type WalkResult,
  type WalkSteps,
  type WantedPath,
} from '../../src/ingest/closureWalk.ts';
import type { NarInfo } from '../../src/narinfo/narinfo.ts';
import { Claim } from '../../src/pathinfo/claim.ts';
import { PathInfo } from '../../src/pathinfo/pathInfo.ts';
import { StorePath } from '../../src/storePath.ts';
import { sha256 } from '../support/nixbase32.ts';

/** References by name. A path that is no key is not in the cache. */
export type Graph = Readonly<Record<string, readonly string[]>>;

const DIGEST_BYTES = 20;

/** The store path of a name: of `name` and `name!other` the digest is the same. */
export function pathOf(name: string): StorePath {
  const [digestName = name, alias] = name.split('!');
  return StorePath.of(sha256(`path ${digestName}`).subarray(0, DIGEST_BYTES), alias ?? digestName);
}

/** The narinfo of a made-up path. */
export function narInfoOf(name: string, references: readonly string[], narSize = 100): NarInfo {
  return {
    storePath: pathOf(name),
    url: `nar/${name}.nar`,
    compression: 'none',
    fileHash: undefined,
    fileSize: undefined,
    narHash: Hash.of('sha256', sha256(`nar ${name}`)),
    narSize,
    references: references.map(pathOf),
    deriver: undefined,
    system: undefined,
    signatures: [],
    ca: undefined,
  };
}

/** The root node of a made-up path. */
export function nodeOf(name: string): FileNode {
  return new FileNode(Digest.of(Buffer.from(name)), 100, false);
}

/** What a walk is made of, and what came of it. */
export interface FakeWalk {
  readonly steps: WalkSteps<FoundNarInfo>;
  /** Steps in the order in which they began: `narinfo a`, `content a`, `put a b`. */
  readonly log: string[];
  /** Names in the order in which they were kept. */
  readonly kept: string[];
  /** The most steps of a kind that were under way at the same time. */
  readonly peaks: Record<'discover' | 'content' | 'put', number>;
  /** Steps that are under way. */
  readonly active: Record<'discover' | 'content' | 'put', number>;
}

/** What a test decides about. */
export interface FakeWalkOptions {
  /** Called in each step, may wait or throw; for `put` with the names, separated by spaces. */
  readonly during?: (
    step: 'present' | 'narinfo' | 'content' | 'put',
    name: string,
  ) => Promise<void> | void;
  /** Names of paths that are there already. */
  readonly present?: readonly string[];
  /** Of the paths whose NARs are not of 100 bytes. */
  readonly narSizes?: Readonly<Record<string, number>>;
}

/** Steps over a graph. */
export function fakeWalk(graph: Graph, options: FakeWalkOptions = {}): FakeWalk {
  const { during = () => {}, present = [], narSizes = {} } = options;
  const names = new Map(Object.keys(graph).map((name) => [pathOf(name).hashPart, name]));
  const log: string[] = [];
  const kept: string[] = [];
  const peaks = { discover: 0, content: 0, put: 0 };
  const active = { discover: 0, content: 0, put: 0 };
  const busy = async <T>(kind: keyof typeof active, step: () => Promise<T>): Promise<T> => {
    active[kind]++;
    peaks[kind] = Math.max(peaks[kind], active[kind]);
    try {
      return await step();
    } finally {
      active[kind]--;
    }
  };
  const nameOf = ({ hashPart }: WantedPath) => names.get(hashPart) ?? '?';
  const steps: WalkSteps<FoundNarInfo> = {
    findPresent: (wanted) =>
      busy('discover', async () => {
        await during('present', nameOf(wanted));
        return present.includes(nameOf(wanted)) ? presentPath(nameOf(wanted)) : undefined;
      }),
    findNarInfo: (wanted) =>
      busy('discover', async () => {
        const name = names.get(wanted.hashPart);
        log.push(`narinfo ${name ?? 'of what is absent'}`);
        await during('narinfo', name ?? '?');
        if (name === undefined) return undefined;
        const narInfo = narInfoOf(name, graph[name] ?? [], narSizes[name]);
        return { narInfo, verification: { by: 'nobody' }, origin: 'fake:' };
      }),
    ingestContent: ({ narInfo }) =>
      busy('content', async () => {
        const { name } = narInfo.storePath;
        log.push(`content ${name}`);
        await during('content', name);
        return nodeOf(name);
      }),
    putAll: (pathInfos) =>
      busy('put', async () => {
        const batch = pathInfos.map(({ storePath }) => storePath.name);
        log.push(`put ${batch.join(' ')}`);
        await during('put', batch.join(' '));
        for (const name of batch) if (!kept.includes(name)) kept.push(name);
        return pathInfos;
      }),
  };
  return { steps, log, kept, peaks, active };
}

/** A path that is there, without references. */
export function presentPath(name: string): PathInfo {
  const narInfo = narInfoOf(name, []);
  const claim = new Claim({ ...narInfo, origin: undefined, verification: { by: 'nobody' } });
  return new PathInfo(claim, nodeOf(name), new Map());
}

export const LIMITS: WalkLimits = { narinfosInFlight: 4, narsInFlight: 2 };

/** Events as short lines: `found a`, `failed b REFERENCE_FAILED`. */
export function eventLine(event: WalkEvent): string {
  switch (event.type) {
    case 'present':
    case 'kept':
      return `${event.type} ${event.pathInfo.storePath.name}`;
    case 'found':
    case 'fetching':
    case 'fetched':
      return `${event.type} ${event.narInfo.storePath.name}`;
    case 'failed':
      return `failed ${event.path.slice(33)} ${codeOf(event.error)}`;
  }
}

/** The code of an error, or what else it is. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}

/** `kept`, `absent`, or the error's code. */
export function outcomeOf(result: WalkResult | undefined): string | undefined {
  return result?.outcome === 'failed' ? codeOf(result.error) : result?.outcome;
}

/** Runs a walk and says what became of its roots, by name. */
export async function runWalk(
  fake: FakeWalk,
  roots: readonly string[],
  options: { readonly limits?: WalkLimits; readonly signal?: AbortSignal } = {},
) {
  const events: WalkEvent[] = [];
  const walk = new ClosureWalk(fake.steps, {
    limits: options.limits ?? LIMITS,
    signal: options.signal,
    onEvent: (event) => events.push(event),
  });
  const results = await walk.run(roots.map(pathOf));
  return {
    results,
    outcomes: Object.fromEntries(roots.map((name, i) => [name, outcomeOf(results[i])])),
    events,
    lines: events.map(eventLine),
  };
}
