/**
 * Two binary caches that may mean different contents by the same store paths, and what is ingested
 * from them: made up by fast-check, plain enough to be sent to another process as JSON.
 */
import fc from 'fast-check';
import { NarthexError } from '../../src/errors.ts';
import type { FrankenbuildPolicy } from '../../src/ingest/frankenbuild.ts';
import { parseCacheInfo } from '../../src/narinfo/cacheInfo.ts';
import { STORE_DIR, StorePath } from '../../src/storePath.ts';
import type { Upstream } from '../../src/upstream/upstream.ts';
import { hashPartOf } from '../support/nixbase32.ts';
import { testKey } from '../support/signingKey.ts';
import { type SyntheticPath, syntheticCache } from '../support/syntheticCache.ts';
import { file, type SyntheticTree } from '../support/syntheticTree.ts';

/** How a cache answers about a path. */
export type Status =
  | 'ok'
  /** It does not have it. */
  | 'absent'
  /** Nobody who is trusted signed it. */
  | 'unverified'
  /** The narinfo cannot be had. */
  | 'unreachable'
  /** The narinfo is there and verifies, the NAR is not. */
  | 'noNar';

/** A path as one cache has it. */
export interface PathAt {
  readonly status: Status;
  /** Two paths have the same bytes when their names and contents are the same. */
  readonly content: string;
  /** Names, sorted; its own maybe among them. */
  readonly references: readonly string[];
}

/** A cache by name of its paths. */
export type CacheSpec = Readonly<Record<string, PathAt>>;

/** One ingest. */
export interface Step {
  /** Indices of the caches that are asked. */
  readonly caches: readonly number[];
  readonly policy: FrankenbuildPolicy;
  readonly allowUnknown: boolean;
  readonly roots: readonly string[];
}

/** Two caches, and what is done one after the other. */
export interface Scenario {
  readonly caches: readonly CacheSpec[];
  readonly steps: readonly Step[];
}

/** The base name of a path. */
export function baseNameOf(name: string): string {
  return `${hashPartOf(name)}-${name}`;
}

/** The store path of a name. */
export function storePathOf(name: string): StorePath {
  return StorePath.parse(`${STORE_DIR}/${baseNameOf(name)}`);
}

/** What lies at a path. */
export function treeOf(name: string, content: string): SyntheticTree {
  return file(`${name} as of ${content}\n`);
}

/** How arbitrary scenarios are. */
export interface ScenarioOptions {
  readonly maxPaths: number;
  readonly maxSteps: number;
  /** Which caches a step may ask. */
  readonly cacheChoices: readonly (readonly number[])[];
  /** How much caches lack, lie and fail. */
  readonly faults: keyof typeof STATUSES;
  readonly policies?: readonly FrankenbuildPolicy[];
}

const nameOf = (index: number) => `p${index}`;
const ALL_POLICIES: readonly FrankenbuildPolicy[] = ['off', 'report', 'reject', 'variant'];

const FAULTS: readonly Status[] = ['absent', 'unverified', 'unreachable', 'noNar'];

const statuses = (okWeight: number, others: readonly Status[]): fc.Arbitrary<Status> =>
  fc.oneof(
    { weight: okWeight, arbitrary: fc.constant('ok') },
    { weight: 1, arbitrary: fc.constantFrom(...others) },
  );

const STATUSES = {
  none: fc.constant<Status>('ok'),
  few: statuses(30, FAULTS),
  many: statuses(6, FAULTS),
  /** Nothing that another cache could not make up for. */
  manyGaps: statuses(2, ['absent', 'unverified', 'unreachable']),
} as const;

/** Two caches of the same paths, and steps. Paths refer to themselves and to those of higher number. */
export function anyScenario(options: ScenarioOptions): fc.Arbitrary<Scenario> {
  const { maxPaths, maxSteps, cacheChoices, faults, policies = ALL_POLICIES } = options;
  const status = STATUSES[faults];
  return fc.integer({ min: 2, max: maxPaths }).chain((count) => {
    const names = Array.from({ length: count }, (_, index) => nameOf(index));
    // 0 is itself
    const distance = fc.oneof(
      { weight: 5, arbitrary: fc.integer({ min: 1, max: 3 }) },
      fc.nat(count),
    );
    const path = fc.record({
      statuses: fc.tuple(status, status),
      /** 3: the second cache has other bytes than the first one. */
      divergence: fc.nat(3),
      picks: fc.array(distance, { maxLength: 3 }),
      otherPicks: fc.option(fc.array(distance, { maxLength: 3 }), { freq: 8 }),
    });
    const step: fc.Arbitrary<Step> = fc.record({
      caches: fc.constantFrom(...cacheChoices),
      policy: fc.constantFrom(...policies),
      allowUnknown: fc.boolean(),
      // the first one is above the most
      roots: fc.oneof(
        fc.constant([nameOf(0)]),
        fc.uniqueArray(fc.constantFrom(...names), { minLength: 1, maxLength: 2 }),
      ),
    });
    return fc.record({
      caches: fc.array(path, { minLength: count, maxLength: count }).map((paths) =>
        [0, 1].map((cache) =>
          Object.fromEntries(
            paths.map(({ statuses, divergence, picks, otherPicks }, index) => {
              const picked = cache === 0 ? picks : (otherPicks ?? picks);
              const others = picked.map((away) => index + away).filter((one) => one < count);
              const at: PathAt = {
                status: statuses[cache] ?? 'ok',
                content: cache === 1 && divergence === 3 ? 'B' : 'A',
                references: [...new Set(others)].map(nameOf).sort(),
              };
              return [nameOf(index), at];
            }),
          ),
        ),
      ),
      steps: fc.array(step, { minLength: 1, maxLength: maxSteps }),
    });
  });
}

/** An upstream in memory that counts what it is asked for. */
export interface CountedUpstream extends Upstream {
  readonly asked: { narinfos: number; files: number };
}

/** The address of a cache in findings and claims. */
export function urlOf(cache: number): string {
  return `memory:${cache === 0 ? 'a' : 'b'}`;
}

/**
 * Serves a cache from memory.
 * @param pause waited for before each answer
 */
export async function memoryUpstream(
  spec: CacheSpec,
  url: string,
  pause: () => Promise<void> = async () => {},
): Promise<CountedUpstream> {
  const there = Object.entries(spec).filter(([, { status }]) => status !== 'absent');
  const paths = there.map(([name, { status, content, references }]): SyntheticPath => {
    const keys = status === 'unverified' ? { keys: [testKey('nobody-trusts-1')] } : {};
    const named = references.map((one) => (one === name ? name : baseNameOf(one)));
    return { name, references: named, tree: treeOf(name, content), ...keys };
  });
  const { files } = await syntheticCache(paths, { compression: 'none' });
  const statuses = new Map(Object.entries(spec).map(([name, at]) => [hashPartOf(name), at.status]));
  const withoutNar = new Set<string>();
  for (const [name, { status }] of there) {
    if (status !== 'noNar') continue;
    const text = new TextDecoder().decode(files.get(`${hashPartOf(name)}.narinfo`));
    withoutNar.add(/^URL: (.*)$/m.exec(text)?.[1] ?? '');
  }
  const asked = { narinfos: 0, files: 0 };
  return {
    url,
    asked,
    cacheInfo: async () => parseCacheInfo(files.get('nix-cache-info') ?? new Uint8Array(0)),
    async narinfo(hashPart) {
      asked.narinfos++;
      await pause();
      if (statuses.get(hashPart) === 'unreachable') {
        throw new NarthexError('UPSTREAM_STATUS', `${url} answers 500`, { url });
      }
      return files.get(`${hashPart}.narinfo`);
    },
    async file(path) {
      asked.files++;
      await pause();
      const bytes = withoutNar.has(path) ? undefined : files.get(path);
      if (bytes === undefined) return undefined;
      return {
        sizeBytes: bytes.length,
        body: (async function* () {
          yield bytes;
        })(),
      };
    },
    async [Symbol.asyncDispose]() {},
  };
}
