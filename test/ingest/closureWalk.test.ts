import { describe, expect, test } from 'vitest';
import { NarthexError } from '../../src/errors.ts';
import { ClosureWalk } from '../../src/ingest/closureWalk.ts';
import { SMALL_NAR_BYTES } from '../../src/ingest/fetchLanes.ts';
import { codeOf, fakeWalk, type Graph, LIMITS, outcomeOf, pathOf, runWalk } from './fakeWalk.ts';

/** The error that a walk reports for a path. */
function errorOf(run: Awaited<ReturnType<typeof runWalk>>, name: string): NarthexError {
  for (const event of run.events) {
    if (event.type !== 'failed' || event.path !== pathOf(name).baseName) continue;
    if (event.error instanceof NarthexError) return event.error;
  }
  throw new Error(`${name} did not fail with a NarthexError`);
}

const names = (...list: string[]) => list.map((name) => pathOf(name).baseName);

describe('what a walk brings in', () => {
  test('nothing, when nothing is wanted', async () => {
    expect((await runWalk(fakeWalk({}), [])).results).toEqual([]);
  });

  test('a path, and events in the order of things', async () => {
    const fake = fakeWalk({ a: [] });
    const { outcomes, lines } = await runWalk(fake, ['a']);
    expect(outcomes).toEqual({ a: 'kept' });
    expect(lines).toEqual(['found a', 'fetching a', 'fetched a', 'kept a']);
    expect(fake.log).toEqual(['narinfo a', 'content a', 'put a']);
  });

  test('the PathInfo that it put, with references by content', async () => {
    const fake = fakeWalk({ top: ['base', 'top'], base: [] });
    const { results } = await runWalk(fake, ['top', 'base']);
    const [top, base] = results;
    if (top?.outcome !== 'kept' || base?.outcome !== 'kept') throw new Error('both are kept');
    expect([...top.pathInfo.references.keys()].sort()).toEqual(names('top', 'base').sort());
    const reference = top.pathInfo.references.get(base.pathInfo.storePath.baseName);
    expect(reference).toEqual({
      node: base.pathInfo.node,
      closureDigest: base.pathInfo.closureDigest,
      evidence: 'unchecked',
    });
  });

  test('a path that refers to itself, also twice, waits for nothing', async () => {
    expect((await runWalk(fakeWalk({ a: ['a', 'a'] }), ['a'])).outcomes).toEqual({ a: 'kept' });
  });

  test('a reference that is named twice is waited for once', async () => {
    const fake = fakeWalk({ a: ['b', 'b'], b: [] });
    expect((await runWalk(fake, ['a'])).outcomes).toEqual({ a: 'kept' });
    expect(fake.log.filter((line) => line === 'narinfo b').length).toBe(1);
  });

  test('a path that is wanted twice is one', async () => {
    const fake = fakeWalk({ a: [] });
    const { results } = await runWalk(fake, ['a', 'a']);
    expect(results.map(outcomeOf)).toEqual(['kept', 'kept']);
    expect(fake.log).toEqual(['narinfo a', 'content a', 'put a']);
  });

  test('in a diamond, the bottom once and before the rest', async () => {
    const fake = fakeWalk({ top: ['left', 'right'], left: ['base'], right: ['base'], base: [] });
    await runWalk(fake, ['top']);
    expect(fake.kept[0]).toBe('base');
    expect(fake.kept.at(-1)).toBe('top');
    expect(fake.log.filter((line) => line.startsWith('content')).length).toBe(4);
  });

  test('what is present is neither looked for elsewhere nor put, and contributes its content', async () => {
    const fake = fakeWalk({ top: ['here'], here: ['gone'] }, { present: ['here'] });
    const { outcomes, lines } = await runWalk(fake, ['top', 'here']);
    expect(outcomes).toEqual({ top: 'kept', here: 'kept' });
    expect(fake.log).toEqual(['narinfo top', 'content top', 'put top']);
    expect(lines.filter((line) => line.endsWith('here'))).toEqual(['present here']);
  });

  test('content is fetched while references are still looked for', async () => {
    const released = Promise.withResolvers<void>();
    const fake = fakeWalk(
      { top: ['base'], base: [] },
      {
        during(step, name) {
          if (step === 'narinfo' && name === 'base') return released.promise;
          // would never end if content had to wait for the references
          if (step === 'content' && name === 'top') released.resolve();
          return undefined;
        },
      },
    );
    expect((await runWalk(fake, ['top'])).outcomes).toEqual({ top: 'kept' });
  });

  test('paths that become ready while others are put are put together', async () => {
    const graph: Graph = { top: ['a', 'b', 'c'], a: [], b: [], c: [] };
    const release = Promise.withResolvers<void>();
    let contents = 0;
    const fake = fakeWalk(graph, {
      async during(step, name) {
        if (step === 'content' && ++contents === 4) setImmediate(release.resolve);
        if (step === 'put' && name === 'a') await release.promise;
      },
    });
    await runWalk(fake, ['a', 'top'], { limits: { narinfosInFlight: 9, narsInFlight: 9 } });
    expect(fake.log.filter((line) => line.startsWith('put'))).toEqual(['put a', 'put c b top']);
  });
});

describe('how many things at once', () => {
  const wide: Graph = Object.fromEntries([
    ['top', Array.from({ length: 50 }, (_, i) => `p${i}`)],
    ...Array.from({ length: 50 }, (_, i) => [`p${i}`, []] as const),
  ]);

  test('as many as the limits say, and no more', async () => {
    const tick = () => new Promise<void>((resolve) => setImmediate(resolve));
    const fake = fakeWalk(wide, { during: tick });
    await runWalk(fake, ['top'], { limits: { narinfosInFlight: 7, narsInFlight: 3 } });
    expect(fake.peaks).toEqual({ discover: 7, content: 3, put: 1 });
  });

  test('small NARs besides the others, which hold none of them up', async () => {
    const large = Array.from({ length: 4 }, (_, i) => `p${i}`);
    const done = Promise.withResolvers<void>();
    let others = 0;
    const fake = fakeWalk(wide, {
      narSizes: Object.fromEntries(large.map((name) => [name, SMALL_NAR_BYTES + 1])),
      async during(step, name) {
        if (step !== 'content') return;
        // large ones end after all small ones have begun
        if (large.includes(name)) await done.promise;
        else if (++others === 47) done.resolve();
        await new Promise<void>((resolve) => setImmediate(resolve));
      },
    });
    const { outcomes } = await runWalk(fake, ['top'], {
      limits: { narinfosInFlight: 50, narsInFlight: 2, smallNarsInFlight: 5 },
    });
    expect(outcomes).toEqual({ top: 'kept' });
    expect(fake.peaks.content).toBe(7);
  });

  test('one of each is enough', async () => {
    const fake = fakeWalk(wide);
    const { outcomes } = await runWalk(fake, ['top'], {
      limits: { narinfosInFlight: 1, narsInFlight: 1 },
    });
    expect(outcomes).toEqual({ top: 'kept' });
    expect(fake.peaks).toEqual({ discover: 1, content: 1, put: 1 });
  });

  test.each([
    { narinfosInFlight: 0, narsInFlight: 1 },
    { narinfosInFlight: 1, narsInFlight: 0 },
    { narinfosInFlight: Number.NaN, narsInFlight: 1 },
    { narinfosInFlight: 1, narsInFlight: 1, smallNarsInFlight: 0 },
  ])('none is refused: %j', (limits) => {
    expect(() => new ClosureWalk(fakeWalk({}).steps, { limits })).toThrow(TypeError);
  });
});

describe('what fails', () => {
  test('a wanted path that is nowhere is absent', async () => {
    const run = await runWalk(fakeWalk({ a: [] }), ['none', 'a']);
    expect(run.outcomes).toEqual({ none: 'absent', a: 'kept' });
    expect(run.lines).toContain('failed none PATH_NOT_FOUND');
  });

  test('a reference that is nowhere fails its referrers, not the paths beside', async () => {
    const fake = fakeWalk({ top: ['middle'], middle: ['gone', 'good'], good: [], other: ['good'] });
    const run = await runWalk(fake, ['top', 'other']);
    expect(run.outcomes).toEqual({ top: 'REFERENCE_FAILED', other: 'kept' });
    expect(fake.kept.sort()).toEqual(['good', 'other']);
    expect(errorOf(run, 'top')).toMatchObject({
      message: expect.stringContaining('needs'),
      facts: { chain: names('top', 'middle', 'gone'), reference: pathOf('middle').baseName },
      cause: { code: 'PATH_NOT_FOUND', facts: { storePath: pathOf('gone').baseName } },
    });
  });

  test.each(['present', 'narinfo', 'content', 'put'] as const)(
    'a failure in step "%s" is the path\'s, and the cause of those above',
    async (failing) => {
      const error = new NarthexError('STORE_FAILED', 'broken');
      const fake = fakeWalk(
        { top: ['bad', 'good'], bad: [], good: [] },
        {
          during(step, name) {
            if (step === failing && name.split(' ').includes('bad')) throw error;
          },
        },
      );
      const run = await runWalk(fake, ['top', 'bad', 'good']);
      expect(run.outcomes).toEqual({ top: 'REFERENCE_FAILED', bad: 'STORE_FAILED', good: 'kept' });
      expect(fake.kept).toEqual(['good']);
      expect(errorOf(run, 'top').cause).toBe(error);
      expect(run.lines.filter((line) => line.startsWith('failed')).length).toBe(2);
    },
  );

  test('what is no NarthexError is reported as it is', async () => {
    const fault = new RangeError('a fault of ours');
    const fake = fakeWalk(
      { top: ['bad'], bad: [] },
      {
        during(step, name) {
          if (step === 'content' && name === 'bad') throw fault;
        },
      },
    );
    const run = await runWalk(fake, ['bad', 'top']);
    expect(run.results[0]).toEqual({ outcome: 'failed', error: fault });
    expect(errorOf(run, 'top').cause).toBe(fault);
  });

  test('a long chain is named by its beginning and its end', async () => {
    const graph: Graph = Object.fromEntries(
      Array.from({ length: 30 }, (_, i) => [`p${i}`, [`p${i + 1}`]]),
    );
    const run = await runWalk(fakeWalk(graph), ['p0']);
    const chain = errorOf(run, 'p0').facts['chain'];
    expect(chain).toEqual([
      ...names(...Array.from({ length: 7 }, (_, i) => `p${i}`)),
      '…',
      pathOf('p30').baseName,
    ]);
    expect(errorOf(run, 'p28').facts['chain']).toEqual(names('p28', 'p29', 'p30'));
  });

  test('with two failures below, one is named, and each path fails once', async () => {
    const fake = fakeWalk({ top: ['bad', 'worse'], bad: ['gone'], worse: ['lost'] });
    const run = await runWalk(fake, ['top']);
    const failed = run.lines.filter((line) => line.startsWith('failed'));
    expect(failed.length).toBe(new Set(failed).size);
    expect(failed.length).toBe(5);
  });

  test('one bad path among many that are put together fails alone', async () => {
    const list = Array.from({ length: 20 }, (_, i) => `p${i}`);
    const graph: Graph = Object.fromEntries(list.map((name) => [name, []]));
    const release = Promise.withResolvers<void>();
    let contents = 0;
    const fake = fakeWalk(
      { ...graph, above: ['p13'] },
      {
        async during(step, name) {
          if (step === 'content' && ++contents === 21) setImmediate(release.resolve);
          if (step === 'put') {
            await release.promise;
            if (name.split(' ').includes('p13')) throw new NarthexError('VARIANT_CONFLICT', 'no');
          }
        },
      },
    );
    const run = await runWalk(fake, [...list, 'above'], {
      limits: { narinfosInFlight: 99, narsInFlight: 99 },
    });
    expect(run.outcomes['p13']).toBe('VARIANT_CONFLICT');
    expect(run.outcomes['above']).toBe('REFERENCE_FAILED');
    expect(fake.kept.sort()).toEqual(list.filter((name) => name !== 'p13').sort());
    // in halves, not one by one
    expect(fake.log.filter((line) => line.startsWith('put')).length).toBeLessThan(15);
  });

  test('a referrer that was ready before its reference failed to be put is not put', async () => {
    const fake = fakeWalk(
      { top: ['middle'], middle: ['base'], base: [] },
      {
        during(step, name) {
          if (step === 'put' && name.split(' ').includes('base')) throw new Error('no');
        },
      },
    );
    const run = await runWalk(fake, ['top']);
    expect(run.outcomes).toEqual({ top: 'REFERENCE_FAILED' });
    expect(fake.kept).toEqual([]);
    expect(errorOf(run, 'top').facts['chain']).toEqual(names('top', 'middle', 'base'));
  });

  test('a path found under another name than wanted', async () => {
    const run = await runWalk(fakeWalk({ a: [] }), ['a!b']);
    expect(run.outcomes).toEqual({ 'a!b': 'STORE_PATH_MISMATCH' });
    expect(run.lines).toEqual(['failed b STORE_PATH_MISMATCH']);
  });

  test('who refers to a path by a wrong name fails alone, whoever comes first', async () => {
    for (const roots of [
      ['evil', 'good'],
      ['good', 'evil'],
    ]) {
      const fake = fakeWalk({ evil: ['base!wrong'], good: ['base'], base: [] });
      const run = await runWalk(fake, roots);
      expect(run.outcomes).toEqual({ evil: 'REFERENCE_FAILED', good: 'kept' });
      expect(fake.kept).toEqual(['base', 'good']);
      expect(errorOf(run, 'evil').cause).toMatchObject({ code: 'STORE_PATH_MISMATCH' });
    }
  });

  test('a step that fails after its path had failed already changes nothing', async () => {
    const release = Promise.withResolvers<void>();
    const fake = fakeWalk(
      { top: ['gone'] },
      {
        async during(step, name) {
          if (step === 'content' && name === 'top') {
            await release.promise;
            throw new Error('late');
          }
          if (step === 'narinfo' && name === '?') setImmediate(release.resolve);
        },
      },
    );
    const run = await runWalk(fake, ['top']);
    expect(run.outcomes).toEqual({ top: 'REFERENCE_FAILED' });
  });
});

describe('wanted by hash part alone', () => {
  const unnamed = (name: string) => ({ ...wantedOf(name), name: undefined });
  const wantedOf = (name: string) => {
    const { digest, hashPart } = pathOf(name);
    return { digest, hashPart };
  };

  test('its name is learned', async () => {
    const fake = fakeWalk({ a: ['b'], b: [] });
    const walk = new ClosureWalk(fake.steps, { limits: LIMITS });
    expect((await walk.run([unnamed('a')])).map(outcomeOf)).toEqual(['kept']);
    expect(fake.kept).toEqual(['b', 'a']);
  });

  test.each([
    ['narinfo', []],
    ['present', ['b']],
  ] as const)(
    'one that another path refers to by name is brought in once (%s)',
    async (_, present) => {
      const fake = fakeWalk({ a: ['b'], b: [] }, { present });
      const walk = new ClosureWalk(fake.steps, { limits: LIMITS });
      const results = await walk.run([unnamed('b'), unnamed('a'), pathOf('b')]);
      expect(results.map(outcomeOf)).toEqual(['kept', 'kept', 'kept']);
      expect(fake.log.filter((line) => line === 'content b').length).toBe(1 - present.length);
      expect(
        fake.log
          .filter((line) => line.startsWith('put'))
          .join(' ')
          .split('b').length,
      ).toBe(2 - present.length);
    },
  );

  test('one that turns out to be known by name gets its PathInfo, however late', async () => {
    for (const step of ['narinfo', 'present'] as const) {
      const release = Promise.withResolvers<void>();
      let asked = 0;
      const fake = fakeWalk(
        { a: ['b'], b: [] },
        {
          async during(kind, name) {
            // the first question about b is that by hash part; it is answered when all is kept
            if (kind === step && name === 'b' && asked++ === 0) await release.promise;
          },
        },
      );
      const walk = new ClosureWalk(fake.steps, {
        limits: LIMITS,
        onEvent(event) {
          if (event.type === 'kept' && event.pathInfo.storePath.name === 'a') release.resolve();
        },
      });
      const results = await walk.run([unnamed('b'), unnamed('a')]);
      expect(results.map(outcomeOf)).toEqual(['kept', 'kept']);
      expect(results[0]).toMatchObject({ pathInfo: { storePath: pathOf('b') } });
      expect(fake.kept).toEqual(['b', 'a']);
    }
  });

  test('its failure is that of the same path', async () => {
    const fake = fakeWalk({ a: ['b'], b: ['gone'] });
    const walk = new ClosureWalk(fake.steps, { limits: LIMITS });
    const results = await walk.run([unnamed('b'), pathOf('a'), unnamed('c')]);
    expect(results.map(outcomeOf)).toEqual(['REFERENCE_FAILED', 'REFERENCE_FAILED', 'absent']);
  });
});

describe('cycles', () => {
  test('of three: each member fails as one, named from itself', async () => {
    const run = await runWalk(fakeWalk({ a: ['b'], b: ['c'], c: ['a'] }), ['a', 'b', 'c']);
    expect(run.outcomes).toEqual({
      a: 'REFERENCE_CYCLE',
      b: 'REFERENCE_CYCLE',
      c: 'REFERENCE_CYCLE',
    });
    expect(errorOf(run, 'b').facts['chain']).toEqual(names('b', 'c', 'a', 'b'));
  });

  test('below a good sibling: what is above fails, the sibling and its closure stay', async () => {
    const fake = fakeWalk({
      top: ['good', 'above'],
      good: ['base'],
      base: [],
      above: ['x', 'base'],
      x: ['y', 'x'],
      y: ['x', 'base'],
    });
    const run = await runWalk(fake, ['top', 'good', 'above', 'x']);
    expect(run.outcomes).toEqual({
      top: 'REFERENCE_FAILED',
      good: 'kept',
      above: 'REFERENCE_FAILED',
      x: 'REFERENCE_CYCLE',
    });
    expect(fake.kept.sort()).toEqual(['base', 'good']);
    expect(errorOf(run, 'top').cause).toMatchObject({ code: 'REFERENCE_CYCLE' });
  });

  test('two that touch: all their members fail', async () => {
    const run = await runWalk(fakeWalk({ a: ['b', 'c'], b: ['a'], c: ['a'] }), ['a', 'b', 'c']);
    expect(Object.values(run.outcomes).every((code) => code?.startsWith('REFERENCE_'))).toBe(true);
  });

  test('a cycle with a member that is absent fails for that', async () => {
    const run = await runWalk(fakeWalk({ a: ['b'], b: ['a', 'gone'] }), ['a']);
    expect(errorOf(run, 'a').cause).toMatchObject({ code: 'PATH_NOT_FOUND' });
  });

  test('a long one is named by its beginning', async () => {
    const graph: Graph = Object.fromEntries(
      Array.from({ length: 40 }, (_, i) => [`p${i}`, [`p${(i + 1) % 40}`]]),
    );
    const run = await runWalk(fakeWalk(graph), ['p0']);
    expect(errorOf(run, 'p38').facts['chain']).toEqual([
      ...names('p38', 'p39', 'p0', 'p1', 'p2', 'p3', 'p4'),
      '…',
      pathOf('p38').baseName,
    ]);
  });
});

describe('abort', () => {
  const graph: Graph = {
    top: ['a', 'b', 'c'],
    a: ['base'],
    b: ['base'],
    c: ['gone'],
    base: [],
  };

  test('before the start: nothing is begun', async () => {
    const fake = fakeWalk(graph);
    const reason = new Error('enough');
    await expect(runWalk(fake, ['top'], { signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    );
    expect(fake.log).toEqual([]);
  });

  test('at any step: the reason is thrown once all steps have ended, and none begins after it', async () => {
    const reason = new Error('enough');
    // how many steps a whole walk has; each of them is once the one that aborts
    let steps = 0;
    await runWalk(fakeWalk(graph, { during: () => void steps++ }), ['top']);
    expect(steps).toBeGreaterThan(12);
    for (let last = 1; last < steps; last++) {
      for (const stepsHeed of [true, false]) {
        const controller = new AbortController();
        let begun = 0;
        let late = 0;
        const fake = fakeWalk(graph, {
          async during() {
            if (controller.signal.aborted) late++;
            if (++begun === last) controller.abort(reason);
            await new Promise((resolve) => setImmediate(resolve));
            if (stepsHeed) controller.signal.throwIfAborted();
          },
        });
        const run = runWalk(fake, ['top'], { signal: controller.signal });
        await expect(run).rejects.toBe(reason);
        expect(fake.active).toEqual({ discover: 0, content: 0, put: 0 });
        // a step of two parts (present, then narinfo) may go on if it does not heed the signal
        if (stepsHeed) expect(late).toBe(0);
      }
    }
  });

  test('failures that come of it are not told', async () => {
    const controller = new AbortController();
    const events: string[] = [];
    const fake = fakeWalk(graph, {
      async during(step) {
        if (step === 'content') controller.abort(new Error('enough'));
        await new Promise((resolve) => setImmediate(resolve));
        controller.signal.throwIfAborted();
      },
    });
    const walk = new ClosureWalk(fake.steps, {
      limits: LIMITS,
      signal: controller.signal,
      onEvent: ({ type }) => events.push(type),
    });
    await expect(walk.run([pathOf('top')])).rejects.toThrow('enough');
    expect(events).not.toContain('failed');
  });

  test('after a batch could not be put: it is not tried in halves', async () => {
    const controller = new AbortController();
    const fake = fakeWalk(
      { top: ['a'], a: [] },
      {
        during(step) {
          if (step !== 'put') return;
          controller.abort(new Error('enough'));
          throw new Error('put failed');
        },
      },
    );
    const run = runWalk(fake, ['top'], { signal: controller.signal });
    await expect(run).rejects.toThrow('enough');
    expect(fake.log.filter((line) => line.startsWith('put')).length).toBe(1);
  });
});

test('a listener that throws ends the walk with that, and nothing hangs', async () => {
  for (const type of ['found', 'fetching', 'fetched', 'kept', 'failed'] as const) {
    const fake = fakeWalk({ top: ['a', 'gone'], a: [] });
    const fault = new Error(`listening to ${type}`);
    const walk = new ClosureWalk(fake.steps, {
      limits: LIMITS,
      onEvent(event) {
        if (event.type === type) throw fault;
      },
    });
    // either as the fault of the walk or as that of a path; what matters is that it ends
    const ended = await walk.run([pathOf('top')]).then(
      (results) => results.map(outcomeOf).join(),
      (error: unknown) => codeOf(error),
    );
    expect(typeof ended).toBe('string');
  }
});
