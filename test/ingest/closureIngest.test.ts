/** Ingests under the policies: what the plan's rows, taken one by one, do not show. */
import { describe, expect, test } from 'vitest';
import { NarthexError } from '../../src/errors.ts';
import type { FrankenbuildPolicy } from '../../src/ingest/frankenbuild.ts';
import type { PathInfo } from '../../src/pathinfo/pathInfo.ts';
import { IngestContext, type PathInfoService } from '../../src/pathinfo/pathInfoService.ts';
import type { Upstream } from '../../src/upstream/upstream.ts';
import { storePathOf } from '../frankenbuild/scenario.ts';
import { testKey } from '../support/signingKey.ts';
import { syntheticCache, TEST_KEY } from '../support/syntheticCache.ts';
import { failed as failedUpstream } from './fakeUpstream.ts';
import { functionUpstream } from './functionUpstream.ts';
import { Hierarchy } from './hierarchy.ts';
import {
  type CacheInWords,
  closureOf,
  currentOf,
  errorText,
  ingest,
  keptClosure,
  upstreamOf,
} from './policyHarness.ts';
import { memoryServices, type Services, serviceOver } from './serviceHarness.ts';

const LOOKING = ['report', 'reject', 'variant'] as const;
const POLICIES: readonly FrankenbuildPolicy[] = ['off', ...LOOKING];

/** A hierarchy that calls before what the test wants to happen in between. */
class Watched extends Hierarchy {
  constructor(service: PathInfoService, before: (method: string, name: string) => Promise<void>) {
    super(service);
    const { get, putAll } = this;
    const nameOf = async (digest: Uint8Array) =>
      NAMES.get(Buffer.from(digest).toString('hex')) ?? '?';
    Object.assign(this, {
      get: async (...args: Parameters<PathInfoService['get']>) => {
        await before('get', await nameOf(args[0]));
        return await get(...args);
      },
      putAll: async (...args: Parameters<PathInfoService['putAll']>) => {
        await before('putAll', args[0].map(({ storePath }) => storePath.name).join(' '));
        return await putAll(...args);
      },
    });
  }
}

const NAMES = new Map(
  ['top', 'left', 'right', 'mid', 'low', 'a', 'b', 'c'].map((name) => [
    Buffer.from(storePathOf(name).digest).toString('hex'),
    name,
  ]),
);

describe('several upstreams', () => {
  test.each(POLICIES)('a path that only the second one has (%s)', async (policy) => {
    await using services = await memoryServices();
    const [one, two] = [
      await upstreamOf({ other: 'A' }, 'one'),
      await upstreamOf({ top: 'A: low', low: 'A' }, 'two'),
    ];
    const { outcomes, findings } = await ingest(services, [one, two], ['top', 'other', 'none'], {
      frankenbuild: policy,
    });
    expect(outcomes).toEqual({ top: 'kept', other: 'kept', none: 'absent' });
    expect(findings).toEqual([]);
    const mark = policy === 'off' ? 'unchecked' : 'same';
    expect(await currentOf(services, 'top')).toEqual({ top: `A: low ${mark}`, low: 'A' });
  });

  test.each<readonly [policy: FrankenbuildPolicy, allowUnknown: boolean, outcome: string]>([
    ['off', false, 'kept'],
    ['report', false, 'kept'],
    ['reject', false, 'FRANKENBUILD_REJECTED'],
    ['reject', true, 'kept'],
    ['variant', false, 'kept'],
  ])(
    'a reference that only the second one has (%s, --allow-unknown: %s)',
    async (policy, allowUnknown, outcome) => {
      await using services = await memoryServices();
      const one = await upstreamOf({ top: 'A: low' }, 'one');
      const two = await upstreamOf({ low: 'A: lower', lower: 'A' }, 'two');
      const { outcomes } = await ingest(services, [one, two], ['top'], {
        frankenbuild: policy,
        allowUnknown,
      });
      expect(outcomes).toEqual({ top: outcome });
      if (outcome === 'kept') {
        const mark = policy === 'off' ? 'unchecked' : 'same';
        expect(await currentOf(services, 'top')).toEqual({
          top: 'A: low unchecked',
          low: `A: lower ${mark}`,
          lower: 'A',
        });
      } else {
        // nothing is brought in for what is refused anyway
        expect(two.asked).toEqual({ narinfos: 0, files: 0 });
        expect(await Array.fromAsync(services.pathInfoService.list())).toEqual([]);
      }
    },
  );

  test.each(LOOKING)('are asked in the order of their priorities (%s)', async (policy) => {
    await using services = await memoryServices();
    const withPriority = (upstream: Upstream, priority: number): Upstream => ({
      ...upstream,
      cacheInfo: async () => ({ storeDir: '/nix/store', wantMassQuery: true, priority }),
    });
    const first = withPriority(await upstreamOf({ top: 'A' }, 'first'), 30);
    const second = withPriority(await upstreamOf({ top: 'B' }, 'second'), 10);
    await ingest(services, [first, second], ['top'], { frankenbuild: policy });
    expect(await currentOf(services, 'top')).toEqual({ top: 'B' });
  });

  test.each(LOOKING)('one that cannot be reached does not stop the others (%s)', async (policy) => {
    await using services = await memoryServices();
    const dead: Upstream = {
      ...(await upstreamOf({}, 'dead')),
      narinfo: async () => {
        throw failedUpstream('memory:dead', 'unreachable');
      },
    };
    const two = await upstreamOf({ top: 'A: low', low: 'A' }, 'two');
    const { outcomes } = await ingest(services, [dead, two], ['top'], { frankenbuild: policy });
    expect(outcomes).toEqual({ top: 'kept' });
    expect(await currentOf(services, 'top')).toEqual({ top: 'A: low same', low: 'A' });
  });

  test('one that goes away while its world is gathered is left alone, not asked for each path', async () => {
    await using services = await memoryServices();
    const names = Array.from({ length: 50 }, (_, index) => `p${index}`);
    const cache = {
      top: `A: ${names.join(' ')}`,
      ...Object.fromEntries(names.map((n) => [n, 'A'])),
    };
    const upstream = await upstreamOf(cache, 'one');
    let asked = 0;
    const going: Upstream = {
      ...upstream,
      async narinfo(hashPart, request) {
        if (asked++ > 0) throw failedUpstream('memory:one', 'unreachable');
        return await upstream.narinfo(hashPart, request);
      },
    };
    const { outcomes } = await ingest(services, [going], ['top'], {
      frankenbuild: 'report',
      walkLimits: { narinfosInFlight: 2 },
    });
    expect(outcomes).toEqual({ top: 'REFERENCE_FAILED < UPSTREAM_FAILED' });
    expect(asked).toBeLessThanOrEqual(3);
  });

  test('what is brought in from another one may bring in what is meant otherwise: that is found', async () => {
    // `mid` is brought in first, and `low` with it, which `one` means otherwise
    await using services = await memoryServices();
    const one = await upstreamOf({ top: 'A: mid low', low: 'A' }, 'one');
    const two = await upstreamOf({ mid: 'A: low', low: 'B' }, 'two');
    const ran = await ingest(services, [one, two], ['top'], { frankenbuild: 'report' });
    expect(ran.outcomes).toEqual({ top: 'kept' });
    expect(ran.findings).toEqual(['top → low, by low, at memory:one']);
    expect(await currentOf(services, 'top')).toEqual({
      top: 'A: low mixed, mid unchecked',
      mid: 'A: low same',
      low: 'B',
    });
  });

  test('with variant, what another one has is put above what the first one means', async () => {
    await using services = await memoryServices();
    const one = await upstreamOf({ top: 'A: mid low', low: 'A' }, 'one');
    const two = await upstreamOf({ mid: 'A: low', low: 'B' }, 'two');
    const ran = await ingest(services, [one, two], ['top'], { frankenbuild: 'variant' });
    expect(ran.outcomes).toEqual({ top: 'kept' });
    expect(await keptClosure(services, ran.results[0])).toEqual({
      top: 'A: low same, mid unchecked',
      mid: 'A: low unchecked',
      low: 'A',
    });
    // their own world is there, too
    const again = await ingest(services, [two], ['mid'], { frankenbuild: 'variant' });
    expect(await keptClosure(services, again.results[0])).toEqual({ mid: 'A: low same', low: 'B' });
  });

  test.each(['report', 'variant'] as const)(
    'a closure may go to and fro between them (%s)',
    async (policy) => {
      await using services = await memoryServices();
      const one = await upstreamOf({ a: 'A: b', c: 'A: d', e: 'A' }, 'one');
      const two = await upstreamOf({ b: 'A: c', d: 'A: e' }, 'two');
      const ran = await ingest(services, [one, two], ['a'], { frankenbuild: policy });
      expect(ran.outcomes).toEqual({ a: 'kept' });
      const kept = await keptClosure(services, ran.results[0]);
      expect(Object.keys(kept)).toEqual(['a', 'b', 'c', 'd', 'e']);
      const ends = ran.events.filter((event) => /^(kept|present|failed)/.test(event));
      expect(ends.toSorted()).toEqual(['kept a', 'kept b', 'kept c', 'kept d', 'kept e']);
    },
  );

  test('a cycle across them ends', async () => {
    await using services = await memoryServices();
    const one = await upstreamOf({ a: 'A: b' }, 'one');
    const two = await upstreamOf({ b: 'A: a' }, 'two');
    const ran = await ingest(services, [one, two], ['a'], { frankenbuild: 'report' });
    expect(ran.outcomes['a']).toMatch(/^REFERENCE_FAILED/);
    expect(await Array.fromAsync(services.pathInfoService.list())).toEqual([]);
  });

  test.each(['report', 'variant'] as const)(
    'what fails in another one is why, and is told once (%s)',
    async (policy) => {
      await using services = await memoryServices();
      const one = await upstreamOf({ top: 'A: mid fine', fine: 'A' }, 'one');
      const two = await upstreamOf({ mid: 'A: low', low: 'noNar' }, 'two');
      const ran = await ingest(services, [one, two], ['top'], { frankenbuild: policy });
      expect(ran.outcomes).toEqual({
        top: 'REFERENCE_FAILED < REFERENCE_FAILED < NAR_MISSING',
      });
      const ends = ran.events.filter((event) => /^(kept|present|failed)/.test(event));
      expect(ends.toSorted()).toEqual([
        'failed low: NAR_MISSING',
        'failed mid: REFERENCE_FAILED < NAR_MISSING',
        'failed top: REFERENCE_FAILED < REFERENCE_FAILED < NAR_MISSING',
        'kept fine',
      ]);
    },
  );

  test('what nobody has fails once, for the reason that somebody gives', async () => {
    await using services = await memoryServices();
    const one = await upstreamOf({ top: 'A: low mid', low: 'unverified' }, 'one');
    const two = await upstreamOf({}, 'two');
    const ran = await ingest(services, [one, two], ['top'], { frankenbuild: 'report' });
    const ends = ran.events.filter((event) => event.startsWith('failed'));
    expect(ends.toSorted()).toEqual([
      'failed low: SIGNATURE_MISSING',
      'failed mid: PATH_NOT_FOUND',
      expect.stringMatching(/^failed top: REFERENCE_FAILED < (SIGNATURE_MISSING|PATH_NOT_FOUND)$/),
    ]);
  });
});

describe('reject', () => {
  const A: CacheInWords = { top: 'A: low', low: 'A', beside: 'A' };
  const B: CacheInWords = { top: 'A: low', low: 'B', beside: 'A' };

  /** After `A` is here. */
  async function withA(services: Services): Promise<void> {
    await ingest(services, [await upstreamOf(A, 'a')], ['low'], { frankenbuild: 'off' });
  }

  test('fetches and keeps nothing of what it refuses, and keeps what is beside it', async () => {
    await using services = await memoryServices();
    await withA(services);
    const b = await upstreamOf(B, 'b');
    const ran = await ingest(services, [b], ['top', 'beside'], { frankenbuild: 'reject' });
    expect(ran.outcomes).toEqual({ top: 'FRANKENBUILD_REJECTED', beside: 'kept' });
    expect(b.asked.files).toBe(1);
    expect(await currentOf(services, 'top')).toBeUndefined();
    expect(await Array.fromAsync(services.pathInfoService.list())).toHaveLength(2);
  });

  test('roots that are references of other roots are refused with them', async () => {
    await using services = await memoryServices();
    await withA(services);
    for (const roots of [
      ['low', 'top'],
      ['top', 'low'],
    ]) {
      const b = await upstreamOf(B, 'b');
      const ran = await ingest(services, [b], roots, { frankenbuild: 'reject' });
      expect(ran.outcomes).toEqual({ top: 'FRANKENBUILD_REJECTED', low: 'FRANKENBUILD_REJECTED' });
      expect(ran.events.length).toBe(2);
      expect(b.asked.files).toBe(0);
    }
  });

  test('what is here already is refused, too, where it is another', async () => {
    await using services = await memoryServices();
    await ingest(services, [await upstreamOf(A, 'a')], ['top'], { frankenbuild: 'off' });
    const ran = await ingest(services, [await upstreamOf(B, 'b')], ['top'], {
      frankenbuild: 'reject',
    });
    expect(ran.outcomes).toEqual({ top: 'FRANKENBUILD_REJECTED' });
    // it stays as it is
    expect(await currentOf(services, 'top')).toEqual({ top: 'A: low unchecked', low: 'A' });
  });

  test('what is here and the same is confirmed', async () => {
    await using services = await memoryServices();
    const a = await upstreamOf(A, 'a');
    await ingest(services, [a], ['top'], { frankenbuild: 'off' });
    const ran = await ingest(services, [a], ['top'], { frankenbuild: 'reject' });
    expect(await keptClosure(services, ran.results[0])).toEqual({ top: 'A: low same', low: 'A' });
    expect(await currentOf(services, 'top')).toEqual({ top: 'A: low same', low: 'A' });
  });

  test.each<readonly [status: string, outcome: string, allowingUnknown: string]>([
    ['absent', 'FRANKENBUILD_REJECTED', 'kept'],
    ['unreachable', 'FRANKENBUILD_REJECTED < UPSTREAM_STATUS', 'kept'],
    [
      'unverified',
      'FRANKENBUILD_REJECTED < SIGNATURE_MISSING',
      'FRANKENBUILD_REJECTED < SIGNATURE_MISSING',
    ],
  ])(
    'what is here and %s everywhere: %s, with --allow-unknown: %s',
    async (status, ...outcomes) => {
      for (const [i, allowUnknown] of [false, true].entries()) {
        await using services = await memoryServices();
        await ingest(services, [await upstreamOf(A, 'a')], ['top'], { frankenbuild: 'off' });
        const b = await upstreamOf({ top: status }, 'b');
        const ran = await ingest(services, [b], ['top'], { frankenbuild: 'reject', allowUnknown });
        expect(ran.outcomes).toEqual({ top: outcomes[i] });
      }
    },
  );

  test.each<readonly [status: string, outcome: string]>([
    ['absent', 'absent'],
    ['unreachable', 'UPSTREAM_STATUS'],
    ['unverified', 'SIGNATURE_MISSING'],
  ])('what is neither here nor anywhere (%s) is no matter of policy', async (status, outcome) => {
    await using services = await memoryServices();
    const b = await upstreamOf({ top: status }, 'b');
    const ran = await ingest(services, [b], ['top'], { frankenbuild: 'reject' });
    expect(ran.outcomes).toEqual({ top: outcome });
  });
});

describe('paths that are asked for by hash part', () => {
  const wantedOf = (name: string, asName?: string) => {
    const { digest, hashPart } = storePathOf(name);
    return { digest, hashPart, name: asName };
  };

  test.each(POLICIES)('alone, by name as well, and by a wrong name (%s)', async (policy) => {
    await using services = await memoryServices();
    const upstream = await upstreamOf({ top: 'A: low', low: 'A' }, 'one');
    await using service = serviceOver(services, { baseUrl: upstream, frankenbuild: policy });
    for (const _ of ['first', 'second']) {
      const results = await service.ingest([
        wantedOf('low'),
        wantedOf('top'),
        storePathOf('top'),
        wantedOf('top', 'wrong'),
      ]);
      const texts = results.map((result) =>
        result.outcome === 'failed' ? errorText(result.error) : result.outcome,
      );
      expect(texts).toEqual(['kept', 'kept', 'kept', 'STORE_PATH_MISMATCH']);
    }
  });
});

describe('trust', () => {
  const UNTRUSTED = testKey('untrusted-1');

  /** A cache in memory; all paths signed by one key. */
  async function signedCache(key: typeof UNTRUSTED, low: string) {
    const cache = await syntheticCache(
      [
        { name: 'top', references: ['low'] },
        { name: 'low', tree: fileOf(low) },
      ],
      { key, compression: 'none' },
    );
    return functionUpstream((path) => cache.files.get(path));
  }
  const fileOf = (text: string) =>
    ({ type: 'regular', executable: false, contents: Buffer.from(text) }) as const;

  test.each(LOOKING)(
    'what nobody here trusts is no side of a comparison, and gives way (%s)',
    async (policy) => {
      await using services = await memoryServices();
      await ingest(services, [await signedCache(UNTRUSTED, 'theirs')], ['top'], {
        frankenbuild: 'off',
        checkSignatures: false,
      });
      const upstream = await signedCache(TEST_KEY, 'ours');
      const ran = await ingest(services, [upstream], ['top'], { frankenbuild: policy });
      expect(ran.outcomes).toEqual({ top: 'kept' });
      expect(ran.findings).toEqual([]);
      const [result] = ran.results;
      const current = await services.pathInfoService.get(storePathOf('top').digest);
      expect(result?.outcome === 'kept' && current?.sameVariant(result.pathInfo)).toBe(true);
      expect(current?.claim.verification).toEqual({ by: 'key', publicKey: TEST_KEY.publicKey });
      const low = await services.pathInfoService.get(storePathOf('low').digest);
      const edge = current?.references.get(storePathOf('low').baseName);
      expect(edge?.closureDigest.hex).toBe(low?.closureDigest.hex);
      expect(edge?.evidence).toBe('same');
    },
  );

  test.each(LOOKING)(
    'what another key vouches for stays current, and is not used (%s)',
    async (policy) => {
      await using services = await memoryServices();
      await ingest(services, [await signedCache(UNTRUSTED, 'theirs')], ['top'], {
        frankenbuild: 'off',
        publicKeys: [UNTRUSTED.publicKey],
      });
      const before = await services.pathInfoService.get(storePathOf('top').digest);
      const upstream = await signedCache(TEST_KEY, 'ours');
      const ran = await ingest(services, [upstream], ['top'], { frankenbuild: policy });
      expect(ran.outcomes).toEqual({ top: 'kept' });
      const [result] = ran.results;
      const current = await services.pathInfoService.get(storePathOf('top').digest);
      expect(current?.closureDigest.hex).toBe(before?.closureDigest.hex);
      expect(result?.outcome === 'kept' && current?.sameVariant(result.pathInfo)).toBe(false);
    },
  );

  test('the same bytes that nobody trusted are verified anew, and then of one world', async () => {
    await using services = await memoryServices();
    await ingest(services, [await signedCache(UNTRUSTED, 'same')], ['top'], {
      frankenbuild: 'off',
      checkSignatures: false,
    });
    const upstream = await signedCache(TEST_KEY, 'same');
    const ran = await ingest(services, [upstream], ['top'], { frankenbuild: 'report' });
    expect(ran.findings).toEqual([]);
    const variants = services.pathInfoService.listVariants(storePathOf('top').digest);
    const [only, ...others] = await Array.fromAsync(variants);
    expect(others).toEqual([]);
    expect(only?.claim.verified).toBe(true);
    expect(only?.references.get(storePathOf('low').baseName)?.evidence).toBe('same');
  });
});

describe('narinfos that are remembered', () => {
  test('a NAR that is gone since is found where the new narinfo says', async () => {
    const path = { name: 'top', references: ['low'] } as const;
    const low = { name: 'low' } as const;
    const before = await syntheticCache([path, low], { compression: 'none' });
    const after = await syntheticCache([path, low], { compression: 'xz' });
    let files = before.files;
    await using services = await memoryServices();
    await using service = serviceOver(services, {
      baseUrl: functionUpstream((file) => files.get(file)),
      frankenbuild: 'report',
    });
    expect(await service.has(storePathOf('top').digest)).toBe(true);
    files = after.files;
    const [result] = await service.ingest([storePathOf('top')]);
    expect(result?.outcome).toBe('kept');
  });

  test('a plan asks for each narinfo once', async () => {
    await using services = await memoryServices();
    const upstream = await upstreamOf({ top: 'A: a b', a: 'A: low', b: 'A: low', low: 'A' }, 'one');
    await using service = serviceOver(services, { baseUrl: upstream, frankenbuild: 'report' });
    for (const root of ['top', 'a', 'low']) await service.ingest([storePathOf(root)]);
    expect(upstream.asked).toEqual({ narinfos: 4, files: 4 });
  });
});

describe('as a PathInfoService', () => {
  const A: CacheInWords = { top: 'A: low', low: 'A' };
  const B: CacheInWords = { top: 'A: low', low: 'B' };
  const { digest } = storePathOf('top');

  test.each<readonly [policy: FrankenbuildPolicy, low: string]>([
    ['off', 'A'],
    ['report', 'A'],
    ['variant', 'B'],
  ])('with %s, it gives the world of %s', async (policy, low) => {
    await using services = await memoryServices();
    await ingest(services, [await upstreamOf(A, 'a')], ['top']);
    const b = await upstreamOf(B, 'b');
    await using service = serviceOver(services, { baseUrl: b, frankenbuild: policy });
    const given = await service.get(digest);
    if (given === undefined) throw new Error('it is there');
    expect((await closureOf(services, given))['low']).toBe(low);
    const listed = await Array.fromAsync(service.listVariants(digest));
    expect(listed.map(({ closureDigest }) => closureDigest.hex)).toEqual([given.closureDigest.hex]);
    expect(await service.has(digest)).toBe(true);
    expect((await service.getVariant(digest, given.closureDigest))?.sameVariant(given)).toBe(true);
    const others = await Array.fromAsync(services.pathInfoService.listVariants(digest));
    for (const other of others.filter((one) => !one.sameVariant(given))) {
      expect(await service.getVariant(digest, other.closureDigest)).toBeUndefined();
    }
    expect(others.length).toBe(policy === 'variant' ? 2 : 1);
  });

  test('with reject, it refuses', async () => {
    await using services = await memoryServices();
    await ingest(services, [await upstreamOf(A, 'a')], ['top']);
    const b = await upstreamOf(B, 'b');
    await using service = serviceOver(services, { baseUrl: b, frankenbuild: 'reject' });
    await expect(service.get(digest)).rejects.toMatchObject({ code: 'FRANKENBUILD_REJECTED' });
    expect(await service.has(digest)).toBe(true);
  });

  test.each(POLICIES)('in a hierarchy that contains it (%s)', async (policy) => {
    await using services = await memoryServices();
    await ingest(services, [await upstreamOf(A, 'a')], ['low']);
    const hierarchy = new Hierarchy(services.pathInfoService);
    const b = await upstreamOf(A, 'b');
    await using service = serviceOver(
      { ...services, pathInfoService: hierarchy },
      { baseUrl: b, frankenbuild: policy },
    );
    hierarchy.members.push(service, service);
    const given = await hierarchy.get(digest);
    expect(given?.storePath.name).toBe('top');
    expect((await service.get(digest))?.sameVariant(given as PathInfo)).toBe(true); // seen above
    expect(await hierarchy.get(storePathOf('none').digest)).toBeUndefined();
    expect(await service.get(digest, { context: new IngestContext([service]) })).toBeUndefined();
    expect(b.asked.files).toBe(1);
  });

  test('two services of two worlds whose hierarchies contain each other', async () => {
    await using services = await memoryServices();
    const members = await Promise.all(
      [A, B].map(async (words, i) => {
        const hierarchy = new Hierarchy(services.pathInfoService);
        const baseUrl = await upstreamOf(words, `${i}`);
        const own = { ...services, pathInfoService: hierarchy };
        return { hierarchy, service: serviceOver(own, { baseUrl, frankenbuild: 'variant' }) };
      }),
    );
    for (const { hierarchy } of members) {
      hierarchy.members.push(...members.map(({ service }) => service));
    }
    const given = await Promise.all(members.map(({ service }) => service.get(digest)));
    const worlds = await Promise.all(
      given.map(async (one) => one && (await closureOf(services, one))['low']),
    );
    expect(worlds).toEqual(['A', 'B']);
    for (const { service } of members) await service[Symbol.asyncDispose]();
  });
});

describe('events', () => {
  test('each path from its beginning to its one end, findings last', async () => {
    await using services = await memoryServices();
    await ingest(services, [await upstreamOf({ low: 'A' }, 'a')], ['low']);
    const b = await upstreamOf({ top: 'A: mid', mid: 'A: low', low: 'B' }, 'b');
    const { events } = await ingest(services, [b], ['top'], { frankenbuild: 'report' });
    expect(events.slice(-2).toSorted()).toEqual([
      'finding mid → low, by low, at memory:b',
      'finding top → mid, by low, at memory:b',
    ]);
    const ofMid = events.filter((event) => event.endsWith(' mid'));
    expect(ofMid).toEqual(['found mid', 'fetching mid', 'fetched mid', 'kept mid']);
    expect(events.filter((event) => event.endsWith(' low'))).toEqual(['present low']);
  });

  test.each([
    ['an AbortError', new DOMException('enough', 'AbortError')],
    ['a NarthexError', new NarthexError('UPSTREAM_FAILED', 'enough')],
  ])('an abort with %s is that, wherever it comes', async (_, reason) => {
    const names = ['top', 'a', 'b', 'low'];
    const words = { top: 'A: a b', a: 'A: low', b: 'A: low', low: 'A' };
    for (const policy of LOOKING) {
      for (let after = 0; after < 2 * names.length; after++) {
        await using services = await memoryServices();
        const upstream = await upstreamOf(words, 'one');
        const aborter = new AbortController();
        let calls = 0;
        const pass = (signal: AbortSignal | undefined) => {
          if (calls++ === after) aborter.abort(reason);
          signal?.throwIfAborted();
        };
        const baseUrl: Upstream = {
          ...upstream,
          async narinfo(hashPart, request) {
            pass(request?.signal);
            return await upstream.narinfo(hashPart, request);
          },
          async file(url, request) {
            pass(request?.signal);
            return await upstream.file(url, request);
          },
        };
        await using service = serviceOver(services, { baseUrl, frankenbuild: policy });
        const ingesting = service.ingest([storePathOf('top')], { signal: aborter.signal });
        await expect(ingesting).rejects.toBe(reason);
      }
    }
  });
});

describe('a hierarchy that holds one variant of each path', () => {
  const A: CacheInWords = { top: 'A: low', low: 'A' };
  const B: CacheInWords = { top: 'A: low', low: 'B' };

  /** Refuses another variant, as the contract says. */
  class Single extends Hierarchy {
    constructor(service: PathInfoService) {
      super(service);
      const { putAll } = this;
      Object.assign(this, {
        putAll: async (...args: Parameters<PathInfoService['putAll']>) => {
          for (const pathInfo of args[0]) {
            const kept = await service.get(pathInfo.storePath.digest);
            if (kept !== undefined && !kept.sameVariant(pathInfo)) {
              throw new NarthexError('VARIANT_CONFLICT', 'another one is here');
            }
          }
          return await putAll(...args);
        },
      });
    }
  }

  test.each<readonly [policy: FrankenbuildPolicy, outcome: string]>([
    ['off', 'kept'],
    ['report', 'kept'],
    ['reject', 'FRANKENBUILD_REJECTED'],
    ['variant', 'REFERENCE_FAILED < VARIANT_CONFLICT'],
  ])('%s of another world: %s, and nothing is overwritten', async (policy, outcome) => {
    await using services = await memoryServices();
    const single = { ...services, pathInfoService: new Single(services.pathInfoService) };
    await ingest(single, [await upstreamOf(A, 'a')], ['top'], { frankenbuild: 'off' });
    const before = await currentOf(services, 'top');
    const ran = await ingest(single, [await upstreamOf(B, 'b')], ['top'], { frankenbuild: policy });
    expect(ran.outcomes).toEqual({ top: outcome });
    expect(await currentOf(services, 'top')).toEqual(before);
  });
});

describe('while others write', () => {
  const A: CacheInWords = { top: 'A: left low', left: 'A: low', low: 'A' };
  const B: CacheInWords = { top: 'A: left low', left: 'A: low', low: 'B' };

  test.each(LOOKING)('what is read at two moments is not put together (%s)', async (policy) => {
    await using services = await memoryServices();
    const a = await upstreamOf(A, 'a');
    const readLow = Promise.withResolvers<void>();
    let others = 0;
    // `left` is read only after somebody has brought it in with a `low` that was not there when
    // that was read
    const hierarchy = new Watched(services.pathInfoService, async (method, name) => {
      if (method !== 'get') return;
      if (name === 'low') setImmediate(readLow.resolve);
      if (name !== 'left') return;
      await readLow.promise;
      if (others++ === 0) await ingest(services, [a], ['left'], { frankenbuild: 'off' });
    });
    const b = await upstreamOf(B, 'b');
    const ran = await ingest({ ...services, pathInfoService: hierarchy }, [b], ['top'], {
      frankenbuild: policy,
    });
    expect(others).toBeGreaterThan(0);
    if (policy === 'reject') {
      expect(ran.outcomes).toEqual({ top: 'FRANKENBUILD_REJECTED' });
      return;
    }
    expect(ran.outcomes).toEqual({ top: 'kept' });
    expect(await keptClosure(services, ran.results[0])).toEqual(
      policy === 'report'
        ? { top: 'A: left mixed, low mixed', left: 'A: low unchecked', low: 'A' }
        : { top: 'A: left same, low same', left: 'A: low same', low: 'B' },
    );
  });

  test.each(LOOKING)(
    'what is current by the time of the put takes nothing from the plan (%s)',
    async (policy) => {
      await using services = await memoryServices();
      const a = await upstreamOf(A, 'a');
      let others = 0;
      const hierarchy = new Watched(services.pathInfoService, async (method) => {
        if (method !== 'putAll' || others++ > 0) return;
        await ingest(services, [a], ['top'], { frankenbuild: 'off' });
      });
      const b = await upstreamOf(B, 'b');
      const ran = await ingest({ ...services, pathInfoService: hierarchy }, [b], ['top'], {
        frankenbuild: policy,
      });
      expect(ran.outcomes).toEqual({ top: 'kept' });
      expect(ran.findings).toEqual([]);
      expect(await keptClosure(services, ran.results[0])).toEqual({
        top: 'A: left same, low same',
        left: 'A: low same',
        low: 'B',
      });
      expect(await currentOf(services, 'top')).toEqual({
        top: 'A: left unchecked, low unchecked',
        left: 'A: low unchecked',
        low: 'A',
      });
    },
  );

  test('what is never read as one view is taken for not here, and nothing is mixed', async () => {
    await using services = await memoryServices();
    // answers as if `low` came right after each look at it
    const a = await upstreamOf(A, 'a');
    await ingest(services, [a], ['left'], { frankenbuild: 'off' });
    const hierarchy = new Hierarchy(services.pathInfoService);
    const { get } = hierarchy;
    Object.assign(hierarchy, {
      get: async (...args: Parameters<PathInfoService['get']>) => {
        const pathInfo = await get(...args);
        return pathInfo?.storePath.name === 'low' ? undefined : pathInfo;
      },
    });
    const b = await upstreamOf(B, 'b');
    const ran = await ingest({ ...services, pathInfoService: hierarchy }, [b], ['top'], {
      frankenbuild: 'report',
    });
    expect(await keptClosure(services, ran.results[0])).toEqual({
      top: 'A: left same, low same',
      left: 'A: low same',
      low: 'B',
    });
  });
});

describe('a world that is confirmed', () => {
  const A: CacheInWords = { top: 'A: mid', mid: 'A: low', low: 'A' };
  const B: CacheInWords = { ...A, low: 'B' };

  test('is the same, also where it was mixed before', async () => {
    await using services = await memoryServices();
    const [a, b] = [await upstreamOf(A, 'a'), await upstreamOf(B, 'b')];
    await ingest(services, [a], ['low'], { frankenbuild: 'report' });
    await ingest(services, [b], ['top'], { frankenbuild: 'report' });
    expect(await currentOf(services, 'top')).toEqual({
      top: 'A: mid mixed',
      mid: 'A: low mixed',
      low: 'A',
    });
    const whole = { top: 'A: mid same', mid: 'A: low same', low: 'A' };
    const ran = await ingest(services, [a], ['top'], { frankenbuild: 'report' });
    expect(await keptClosure(services, ran.results[0])).toEqual(whole);
    expect(await currentOf(services, 'top')).toEqual(whole);
    // and stays so
    await ingest(services, [b], ['top'], { frankenbuild: 'report' });
    expect(await currentOf(services, 'top')).toEqual(whole);
  });

  test.each(['off', 'report'] as const)('with variant, where it came by %s', async (policy) => {
    await using services = await memoryServices();
    const a = await upstreamOf(A, 'a');
    await ingest(services, [a], ['top'], { frankenbuild: policy });
    const files = a.asked.files;
    await ingest(services, [a], ['top'], { frankenbuild: 'variant' });
    expect(a.asked.files).toBe(files);
    expect(await currentOf(services, 'top')).toEqual({
      top: 'A: mid same',
      mid: 'A: low same',
      low: 'A',
    });
  });
});
