import { describe, expect, test } from 'vitest';
import { NarthexError } from '../../src/errors.ts';
import { FAILURES_UNTIL_FAILING, UPSTREAM_COOL_DOWN_MS } from '../../src/ingest/upstreamHealth.ts';
import { requireCache, UpstreamSet } from '../../src/ingest/upstreamSet.ts';
import type { FailureKind } from '../../src/upstream/failure.ts';
import type { Upstream } from '../../src/upstream/upstream.ts';
import { failed, fakeUpstream } from './fakeUpstream.ts';

/** Asks a set and notes who was asked. */
async function asked(
  set: UpstreamSet,
  answers: (upstream: Upstream) => string | undefined = () => undefined,
) {
  const order: string[] = [];
  const answer = set.first(async (upstream) => {
    order.push(upstream.url);
    return answers(upstream);
  });
  const outcome = await answer.catch((error: unknown) => error);
  return { order, outcome };
}

describe('the order', () => {
  test('by priority, lower first; 50 where none is told; as given where they are equal', async () => {
    const set = new UpstreamSet([
      fakeUpstream('fifty'),
      fakeUpstream('forty', { priority: 40 }),
      fakeUpstream('also fifty', { priority: 50 }),
      fakeUpstream('sixty', { priority: 60 }),
      fakeUpstream('minus', { priority: -1 }),
    ]);
    expect((await asked(set)).order).toEqual(['minus', 'forty', 'fifty', 'also fifty', 'sixty']);
  });

  test('priorities are asked for once; a single upstream has no need to tell its own', async () => {
    const [a, b] = [fakeUpstream('a'), fakeUpstream('b')];
    const set = new UpstreamSet([a, b]);
    await Promise.all([asked(set), asked(set)]);
    await asked(set);
    expect([a.state.cacheInfos, b.state.cacheInfos]).toEqual([1, 1]);
    const only = fakeUpstream('only');
    await asked(new UpstreamSet([only]));
    expect(only.state.cacheInfos).toBe(0);
  });

  test('one that keeps silent does not keep the others: it is asked after them', async () => {
    const silent = Promise.withResolvers<never>();
    const set = new UpstreamSet(
      [
        fakeUpstream('silent', { cacheInfo: () => silent.promise }),
        fakeUpstream('good', { priority: 90 }),
      ],
      { patienceMs: 1 },
    );
    expect((await asked(set)).order).toEqual(['good', 'silent']);
    silent.reject(failed('silent', 'headersTimeout'));
  });

  test('a priority that comes late counts from then on', async () => {
    const late = Promise.withResolvers<{
      storeDir: string;
      wantMassQuery: boolean;
      priority: number;
    }>();
    const set = new UpstreamSet(
      [fakeUpstream('prompt'), fakeUpstream('late', { cacheInfo: () => late.promise })],
      { patienceMs: 1 },
    );
    expect((await asked(set)).order).toEqual(['prompt', 'late']);
    late.resolve({ storeDir: '/nix/store', wantMassQuery: true, priority: 1 });
    await late.promise;
    expect((await asked(set)).order).toEqual(['late', 'prompt']);
  });

  test('waiting for priorities can be aborted', async () => {
    const set = new UpstreamSet([
      fakeUpstream('silent', { cacheInfo: () => new Promise(() => {}) }),
      fakeUpstream('other'),
    ]);
    const controller = new AbortController();
    const reason = new Error('enough');
    const waiting = set.first(async () => 'never', { signal: controller.signal });
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
  });
});

describe('the first answer', () => {
  const three = () => new UpstreamSet([fakeUpstream('a'), fakeUpstream('b'), fakeUpstream('c')]);

  test('is the answer; nobody is asked after it', async () => {
    const { order, outcome } = await asked(three(), ({ url }) => (url === 'b' ? 'yes' : undefined));
    expect(outcome).toBe('yes');
    expect(order).toEqual(['a', 'b']);
  });

  test('none is absence, if all could be asked', async () => {
    expect((await asked(three())).outcome).toBeUndefined();
  });

  test('a failure does not stop the others', async () => {
    const { outcome } = await asked(three(), ({ url }) => {
      if (url === 'c') return 'yes';
      throw failed(url, 'reset');
    });
    expect(outcome).toBe('yes');
  });

  test('a failure is never absence: the first one is thrown where none of the others has an answer', async () => {
    const { outcome, order } = await asked(three(), ({ url }) => {
      if (url === 'c') return undefined;
      throw failed(url, 'reset');
    });
    expect(outcome).toMatchObject({ code: 'UPSTREAM_FAILED', facts: { url: 'a' } });
    expect(order).toEqual(['a', 'b', 'c']);
  });

  test('what is no NarthexError is thrown at once', async () => {
    const fault = new TypeError('a fault of ours');
    const { outcome, order } = await asked(three(), () => {
      throw fault;
    });
    expect(outcome).toBe(fault);
    expect(order).toEqual(['a']);
  });

  test('one can be left out', async () => {
    const [a, b] = [fakeUpstream('a'), fakeUpstream('b')];
    const order: string[] = [];
    await new UpstreamSet([a, b]).first(async ({ url }) => void order.push(url), {
      except: new Set([a]),
    });
    expect(order).toEqual(['b']);
  });

  test('nobody to ask is absence', async () => {
    expect((await asked(new UpstreamSet([]))).outcome).toBeUndefined();
  });
});

describe('one that is down', () => {
  test.each<[FailureKind, isLeftAlone: boolean]>([
    ['unreachable', true],
    ['dns', true],
    ['connectTimeout', true],
    ['tls', true],
    ['headersTimeout', true],
    // these are about one file, and must not keep us from its siblings
    ['reset', false],
    ['bodyTimeout', false],
    ['length', false],
    ['changed', false],
    ['redirects', false],
    ['protocol', false],
    ['io', false],
  ])('by "%s" is left alone for a while: %s', async (kind, isLeftAlone) => {
    let now = 1_000;
    const set = new UpstreamSet([fakeUpstream('a'), fakeUpstream('b')], {
      now: () => now,
      random: () => 0.5, // whiles are not longer or shorter by chance
    });
    const failing = ({ url }: Upstream) => {
      if (url === 'a') throw failed('a', kind);
      return 'yes';
    };
    await asked(set, failing);
    expect((await asked(set, failing)).order).toEqual(isLeftAlone ? ['b'] : ['a', 'b']);
    now += UPSTREAM_COOL_DOWN_MS - 1;
    expect((await asked(set, () => 'yes')).order).toEqual([isLeftAlone ? 'b' : 'a']);
    now += 1;
    expect((await asked(set, () => 'yes')).order).toEqual(['a']);
    expect((await asked(set, () => 'yes')).order).toEqual(['a']);
  });

  test('is known to be when it could not tell its priority, and its failure is still no absence', async () => {
    const down = fakeUpstream('down', {
      cacheInfo: async () => {
        throw failed('down', 'unreachable');
      },
    });
    const set = new UpstreamSet([down, fakeUpstream('b')]);
    const { order, outcome } = await asked(set);
    expect(order).toEqual(['b']);
    expect(outcome).toMatchObject({ code: 'UPSTREAM_FAILED', facts: { url: 'down' } });
  });

  test('is left alone longer each time, by chance, and up to a minute', async () => {
    let now = 0;
    const set = new UpstreamSet([fakeUpstream('a')], { now: () => now, random: () => 1 });
    const whilesMs: number[] = [];
    const fails = () => {
      throw failed('a', 'unreachable');
    };
    await asked(set, fails);
    for (let outage = 0; outage < 5; outage++) {
      const since = now;
      do now += 1250;
      while ((await asked(set, fails)).order.length === 0);
      whilesMs.push(now - since);
    }
    expect(whilesMs).toEqual([12_500, 25_000, 50_000, 75_000, 75_000]);
  });

  test('an error status, or a bad answer, is about one path', async () => {
    const set = new UpstreamSet([fakeUpstream('a')]);
    for (const code of ['UPSTREAM_STATUS', 'NARINFO_INVALID', 'SIGNATURE_MISSING'] as const) {
      const { outcome } = await asked(set, () => {
        throw new NarthexError(code, 'bad');
      });
      expect(outcome).toMatchObject({ code });
      expect((await asked(set)).order).toEqual(['a']);
    }
  });
});

describe('one that keeps failing', () => {
  const status = (code: number, facts = {}) =>
    new NarthexError('UPSTREAM_STATUS', 'bad', { status: code, ...facts });

  test.each([
    ['reset', failed('a', 'reset'), true],
    ['stalls', failed('a', 'bodyTimeout'), true],
    ['drips', failed('a', 'slow'), true],
    ['429', status(429), true],
    ['503', status(503), true],
    // these are answers
    ['401', status(401), false],
    ['a changed file', failed('a', 'changed'), false],
    ['a bad narinfo', new NarthexError('NARINFO_INVALID', 'bad'), false],
    ['a wrong signature', new NarthexError('SIGNATURE_MISMATCH', 'bad'), false],
  ])('%s: is asked after the others for a while: %s', async (_, error, isAskedLast) => {
    let now = 0;
    const set = new UpstreamSet([fakeUpstream('a'), fakeUpstream('b')], {
      now: () => now,
      random: () => 0.5,
    });
    const failing = ({ url }: Upstream) => {
      if (url === 'a') throw error;
      return undefined;
    };
    for (let count = 0; count < FAILURES_UNTIL_FAILING; count++) {
      expect((await asked(set, failing)).order).toEqual(['a', 'b']);
    }
    const { order, outcome } = await asked(set, failing);
    // it may be the only one that has a path: it is still asked, and its failure no absence
    expect(order).toEqual(isAskedLast ? ['b', 'a'] : ['a', 'b']);
    expect(outcome).toBe(error);
    now += UPSTREAM_COOL_DOWN_MS;
    expect((await asked(set, () => 'yes')).order).toEqual(['a']);
  });

  test('not if it answers in between', async () => {
    const set = new UpstreamSet([fakeUpstream('a'), fakeUpstream('b')]);
    for (let count = 0; count < 10; count++) {
      const { order } = await asked(set, ({ url }) => {
        if (url === 'a' && count % FAILURES_UNTIL_FAILING > 0) throw failed('a', 'reset');
        return undefined;
      });
      expect(order).toEqual(['a', 'b']);
    }
  });

  test('at once if it asks for that with a Retry-After', async () => {
    const set = new UpstreamSet([fakeUpstream('a'), fakeUpstream('b')]);
    const failing = ({ url }: Upstream) => {
      if (url === 'a') throw status(503, { retryAfterMs: 3_600_000 });
      return undefined;
    };
    await asked(set, failing);
    expect((await asked(set, failing)).order).toEqual(['b', 'a']);
  });
});

test('disposing of the set disposes of all', async () => {
  const [a, b] = [fakeUpstream('a'), fakeUpstream('b')];
  await new UpstreamSet([a, b])[Symbol.asyncDispose]();
  expect([a.state.disposed, b.state.disposed]).toEqual([1, 1]);
});

describe('requireCache', () => {
  test('passes a cache for our store directory', async () => {
    await requireCache(fakeUpstream('a'));
  });

  test('refuses one for another', async () => {
    const other = fakeUpstream('a', {
      cacheInfo: async () => ({ storeDir: '/gnu/store', wantMassQuery: true, priority: 1 }),
    });
    await expect(requireCache(other)).rejects.toMatchObject({
      code: 'STORE_DIR_MISMATCH',
      facts: { url: 'a', actual: '/gnu/store' },
    });
  });
});
