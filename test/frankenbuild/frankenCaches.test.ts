/** The four policies on caches of two worlds, with either world first. */
import { describe, expect, test } from 'vitest';
import { isNarthexError } from '../../src/errors.ts';
import type { FrankenbuildPolicy } from '../../src/ingest/frankenbuild.ts';
import type { Finding } from '../../src/pathinfo/finding.ts';
import type { PathInfo } from '../../src/pathinfo/pathInfo.ts';
import { SERVICE_KINDS, type Services, serviceOver } from '../ingest/serviceHarness.ts';
import { describeWithShared } from '../support/sharedCaches.ts';
import {
  FRANKEN_ARCHIVES,
  FRANKEN_NAMES,
  type FrankenCaches,
  type FrankenName,
  realFrankenCaches,
  syntheticFrankenCaches,
} from './frankenCaches.ts';

type CacheName = 'a' | 'b' | 'mixed';

/** What is kept and told. */
interface Outcome {
  /** `kept` or a code. */
  readonly outcome: string;
  readonly findings: readonly string[];
  /** How many variants of each path, from below: base, dep, refers, embeds, top. */
  readonly variants: string;
  /** Whose bytes the current ones have, in the same order; `-` where nothing is current. */
  readonly current: string;
  /** Evidence of all edges of the world that was given, if one was, and of the current one. */
  readonly given: string;
  readonly edges: string;
}

/** The caches, and what is asked of them. */
class Franken {
  readonly #caches: FrankenCaches;
  readonly #services: Services;
  readonly #hashes = new Map<string, string>();

  constructor(caches: FrankenCaches, services: Services) {
    this.#caches = caches;
    this.#services = services;
  }

  async mirror(cache: CacheName, root: FrankenName, policy: FrankenbuildPolicy): Promise<Outcome> {
    const recorded: Finding[] = [];
    await using service = serviceOver(this.#services, {
      baseUrl: this.#caches[cache],
      publicKeys: [this.#caches.publicKey],
      frankenbuild: policy,
      findings: {
        async recordFindings(findings) {
          recorded.push(...findings);
        },
        async *listFindings() {},
      },
    });
    const [result] = await service.ingest([this.#caches.path(root)]);
    const kept = result?.outcome === 'kept' ? result.pathInfo : undefined;
    const error = result?.outcome === 'failed' ? result.error : undefined;
    return {
      outcome: isNarthexError(error) ? error.code : (result?.outcome ?? 'absent'),
      findings: recorded.map(({ referrer, reference, differing, upstream }) => {
        expect(upstream).toContain(this.#caches[cache]);
        return `${referrer?.name ?? '-'} → ${reference.name}, by ${differing?.name}`;
      }),
      ...(await this.#state()),
      given: await this.#edges(kept),
    };
  }

  /** Closure digests of all variants of a path, the current one first. */
  async closureDigests(name: FrankenName): Promise<string[]> {
    const variants = await this.#variants(name);
    return variants.map(({ closureDigest }) => closureDigest.hex);
  }

  /** Says whose bytes are whose; to be called for one cache after the other. */
  async learn(cache: 'a' | 'b', services: Services): Promise<void> {
    await using service = serviceOver(services, {
      baseUrl: this.#caches[cache],
      publicKeys: [this.#caches.publicKey],
    });
    await service.ingest([this.#caches.path('top')]);
    for (const name of FRANKEN_NAMES) {
      const pathInfo = await services.pathInfoService.get(this.#caches.path(name).digest);
      const narHash = String(pathInfo?.claim.narHash);
      this.#hashes.set(narHash, this.#hashes.has(narHash) ? '=' : cache);
    }
  }

  async #variants(name: FrankenName): Promise<PathInfo[]> {
    const { digest } = this.#caches.path(name);
    return await Array.fromAsync(this.#services.pathInfoService.listVariants(digest));
  }

  async #state() {
    const counts: number[] = [];
    const current: string[] = [];
    for (const name of FRANKEN_NAMES) {
      const { digest } = this.#caches.path(name);
      counts.push((await this.#variants(name)).length);
      const pathInfo = await this.#services.pathInfoService.get(digest);
      current.push(pathInfo ? (this.#hashes.get(String(pathInfo.claim.narHash)) ?? '?') : '-');
    }
    const top = await this.#services.pathInfoService.get(this.#caches.path('top').digest);
    return {
      variants: counts.join(' '),
      current: current.join(' '),
      edges: await this.#edges(top),
    };
  }

  /** `same ×4, mixed ×1` of all edges of a closure. */
  async #edges(root: PathInfo | undefined): Promise<string> {
    const seen = new Set<string>();
    const marks = new Map<string, number>();
    const pending = root === undefined ? [] : [root];
    for (let one = pending.pop(); one !== undefined; one = pending.pop()) {
      if (seen.has(one.closureDigest.hex)) continue;
      seen.add(one.closureDigest.hex);
      for (const [baseName, { closureDigest, evidence }] of one.references) {
        marks.set(evidence, (marks.get(evidence) ?? 0) + 1);
        const path = one.claim.references.find((reference) => reference.baseName === baseName);
        if (path === undefined) throw new Error(`${baseName} is no reference`);
        const below = await this.#services.pathInfoService.getVariant(path.digest, closureDigest);
        if (below === undefined) throw new Error(`${baseName} is not kept`);
        pending.push(below);
      }
    }
    return [...marks]
      .map(([mark, count]) => `${mark} ×${count}`)
      .sort()
      .join(', ');
  }
}

const FOUND_FROM_TOP = ['refers → dep, by dep', 'top → embeds, by embeds', 'top → refers, by dep'];
const FOUND_ABOVE_DEP = [
  'embeds → dep, by dep',
  'refers → dep, by dep',
  'top → embeds, by dep',
  'top → refers, by dep',
];

/** `them` is the world that comes second. */
type Row = readonly [
  policy: FrankenbuildPolicy,
  outcome: string,
  findings: readonly string[],
  variants: string,
  current: string,
  given: string,
  edges: string,
];

/** After all of the other world was mirrored with `report`. */
const ALL_IS_HERE: readonly Row[] = [
  //          outcome                   findings         variants     current      given      current
  ['off', 'kept', [], '1 1 1 1 1', '= we = we =', 'same ×5', 'same ×5'],
  ['report', 'kept', FOUND_FROM_TOP, '1 1 1 1 1', '= we = we =', 'same ×5', 'same ×5'],
  ['reject', 'FRANKENBUILD_REJECTED', [], '1 1 1 1 1', '= we = we =', '', 'same ×5'],
  ['variant', 'kept', [], '1 2 2 2 2', '= we = we =', 'same ×5', 'same ×5'],
];

/** After only `dep` of the other world was mirrored with `report`. */
const DEP_IS_HERE: readonly Row[] = [
  [
    'off',
    'kept',
    [],
    '1 1 1 1 1',
    '= we = they =',
    'same ×1, unchecked ×4',
    'same ×1, unchecked ×4',
  ],
  [
    'report',
    'kept',
    FOUND_ABOVE_DEP,
    '1 1 1 1 1',
    '= we = they =',
    'mixed ×4, same ×1',
    'mixed ×4, same ×1',
  ],
  ['reject', 'FRANKENBUILD_REJECTED', [], '1 1 0 0 0', '= we - - -', '', ''],
  ['variant', 'kept', [], '1 2 1 1 1', '= we - - -', 'same ×5', ''],
];

function suite(name: string, open: () => Promise<FrankenCaches>): void {
  describe.each(SERVICE_KINDS)(`${name}, %s`, (_, openServices) => {
    describe.each([
      ['a', 'b'],
      ['b', 'a'],
    ] as const)('%s first, then %s', (we, they) => {
      const run = async (root: FrankenName, [policy, ...expected]: Row) => {
        await using caches = await open();
        await using services = await openServices();
        await using other = await openServices();
        const franken = new Franken(caches, services);
        await franken.learn('a', other);
        await using another = await openServices();
        await franken.learn('b', another);
        await franken.mirror(we, root, 'report');
        const [outcome, findings, variants, current, given, edges] = expected;
        const whose = current.replaceAll('we', we).replaceAll('they', they);
        for (const time of ['once', 'twice']) {
          const ran = await franken.mirror(they, 'top', policy);
          expect({ ...ran, findings: ran.findings.toSorted() }, time).toEqual({
            outcome,
            findings,
            variants,
            current: whose,
            given,
            edges,
          });
        }
      };
      test.each(ALL_IS_HERE)('all is here, %s: %s', async (...row) => {
        await run('top', row);
      });
      test.each(DEP_IS_HERE)('only dep is here, %s: %s', async (...row) => {
        await run('dep', row);
      });
    });

    test('both worlds at once have closure digests of their own, whichever came first', async () => {
      await using caches = await open();
      const digests: string[][] = [];
      for (const order of [
        ['a', 'b'],
        ['b', 'a'],
      ] as const) {
        await using services = await openServices();
        const franken = new Franken(caches, services);
        for (const cache of order) await franken.mirror(cache, 'top', 'variant');
        for (const kept of FRANKEN_NAMES) digests.push(await franken.closureDigests(kept));
      }
      const [base, dep, refers, embeds, top, ...again] = digests;
      expect(base?.length).toBe(1);
      for (const two of [dep, refers, embeds, top]) expect(new Set(two).size).toBe(2);
      // the first one that came is current, and named first
      expect(again).toEqual([base, dep, refers, embeds, top].map((two) => two?.toReversed()));
    });

    test.each(['off', 'report', 'reject', 'variant'] as const)(
      'the mixed cache alone, %s: nothing is to be seen',
      async (policy) => {
        await using caches = await open();
        await using services = await openServices();
        const franken = new Franken(caches, services);
        const mark = policy === 'off' ? 'unchecked' : 'same';
        for (let time = 0; time < 2; time++) {
          expect(await franken.mirror('mixed', 'top', policy)).toMatchObject({
            outcome: 'kept',
            findings: [],
            variants: '1 1 1 1 1',
            given: `${mark} ×5`,
            edges: `${mark} ×5`,
          });
        }
      },
    );

    test('the mixed cache against both: no upstream agrees with the whole closure', async () => {
      await using caches = await open();
      await using services = await openServices();
      const franken = new Franken(caches, services);
      await franken.mirror('mixed', 'top', 'off');
      const a = await franken.mirror('a', 'top', 'report');
      expect(a.findings.toSorted()).toEqual(FOUND_ABOVE_DEP);
      const b = await franken.mirror('b', 'top', 'report');
      expect(b.findings).toEqual(['top → embeds, by embeds']);
      // what b confirms is confirmed; nobody confirms the whole
      expect(b.edges).toBe('same ×3, unchecked ×2');
      for (const cache of ['a', 'b'] as const) {
        expect(await franken.mirror(cache, 'top', 'reject')).toMatchObject({
          outcome: 'FRANKENBUILD_REJECTED',
          variants: '1 1 1 1 1',
        });
      }
      for (const cache of ['a', 'b'] as const) await franken.mirror(cache, 'top', 'variant');
      expect(new Set(await franken.closureDigests('top')).size).toBe(3);
    });
  });
}

suite('made up', syntheticFrankenCaches);
describeWithShared('written by Nix', FRANKEN_ARCHIVES, () => {
  suite('as it is', realFrankenCaches);
});
