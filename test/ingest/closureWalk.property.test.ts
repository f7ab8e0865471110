import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { WalkLimits } from '../../src/ingest/closureWalk.ts';
import { fakeWalk, type Graph, runWalk } from './fakeWalk.ts';

/** A graph of a few dozens of paths, what fails in it, and the order in which things happen. */
interface Scenario {
  readonly graph: Graph;
  /** Paths that fail, and in which step. */
  readonly failing: ReadonlyMap<string, string>;
  readonly present: readonly string[];
  readonly roots: readonly string[];
  readonly limits: WalkLimits;
  /** How long steps take, over and over, in turns of the event loop. */
  readonly turns: readonly number[];
}

const nameOf = (index: number) => `p${index}`;

/**
 * @param acyclic whether paths refer only to later ones; otherwise to any, themselves among them
 */
function scenario(acyclic: boolean): fc.Arbitrary<Scenario> {
  return fc.integer({ min: 1, max: 25 }).chain((count) => {
    const index = fc.nat(count - 1);
    return fc.record({
      graph: fc
        // one beyond the last is a path that is nowhere
        .array(fc.array(fc.nat(count), { maxLength: 4 }), { minLength: count, maxLength: count })
        .map((lists) =>
          Object.fromEntries(
            lists.map((list, i) => [
              nameOf(i),
              list.filter((j) => !acyclic || j > i || j === i).map(nameOf),
            ]),
          ),
        ),
      failing: fc
        .array(
          fc.tuple(index.map(nameOf), fc.constantFrom('present', 'narinfo', 'content', 'put')),
          {
            maxLength: 3,
          },
        )
        .map((pairs) => new Map(pairs)),
      present: fc.array(index.map(nameOf), { maxLength: 2 }),
      roots: fc.array(index.map(nameOf), { minLength: 1, maxLength: 4 }),
      limits: fc.record({
        narinfosInFlight: fc.integer({ min: 1, max: 9 }),
        narsInFlight: fc.integer({ min: 1, max: 5 }),
      }),
      turns: fc.array(fc.nat(3), { minLength: 1, maxLength: 10 }),
    });
  });
}

/** Paths whose whole closure is good, by the definition: the greatest set that is closed downwards. */
function goodPaths({ graph, failing, present }: Scenario): Set<string> {
  const isPresent = (name: string) => present.includes(name) && failing.get(name) !== 'present';
  // from below: good once all references are, which leaves out cycles and what is above them
  const good = new Set<string>();
  for (let grown = true; grown; ) {
    grown = false;
    for (const [name, references] of Object.entries(graph)) {
      if (good.has(name)) continue;
      const fails = failing.has(name) && !isPresent(name);
      const ready = references.every((reference) => reference === name || good.has(reference));
      if (isPresent(name) || (!fails && ready)) {
        good.add(name);
        grown = true;
      }
    }
  }
  return good;
}

/** What is reached from the roots, through what is not present. */
function reached({ graph, roots, present, failing }: Scenario): Set<string> {
  const seen = new Set<string>();
  const pending = [...roots];
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (seen.has(name) || !(name in graph)) continue;
    seen.add(name);
    const stops = ['present', 'narinfo'].includes(failing.get(name) ?? '');
    if (!present.includes(name) && !stops) pending.push(...(graph[name] ?? []));
  }
  return seen;
}

async function check(example: Scenario): Promise<void> {
  const { graph, failing, present, roots, limits, turns } = example;
  let step = 0;
  const fake = fakeWalk(graph, {
    present,
    async during(kind, name) {
      const wait = turns[step++ % turns.length] ?? 0;
      for (let i = 0; i < wait; i++) await new Promise((resolve) => setImmediate(resolve));
      if (kind === 'put') {
        const bad = name.split(' ').find((one) => failing.get(one) === 'put');
        if (bad !== undefined) throw new Error(`put of ${bad}`);
      } else if (failing.get(name) === kind) throw new Error(`${kind} of ${name}`);
    },
  });
  const { outcomes, lines } = await runWalk(fake, roots, { limits });

  const good = goodPaths(example);
  const expected = [...reached(example)].filter(
    (name) => good.has(name) && !present.includes(name),
  );
  expect(fake.kept.toSorted()).toEqual(expected.toSorted());
  for (const root of roots) expect(outcomes[root] === 'kept').toBe(good.has(root));

  // references before referrers
  for (const [place, name] of fake.kept.entries()) {
    for (const reference of graph[name] ?? []) {
      if (reference === name || present.includes(reference)) continue;
      expect(fake.kept.indexOf(reference)).toBeLessThan(place);
      expect(fake.kept).toContain(reference);
    }
  }
  // within the limits
  expect(fake.peaks.discover).toBeLessThanOrEqual(limits.narinfosInFlight);
  expect(fake.peaks.content).toBeLessThanOrEqual(limits.narsInFlight);
  expect(fake.peaks.put).toBeLessThanOrEqual(1);
  // each path once, through its stations in order, to one end
  const STATIONS = ['found', 'fetching', 'fetched', 'kept'];
  const told = new Map<string, string[]>();
  for (const line of lines) {
    const [type = '', name = ''] = line.split(' ');
    told.set(name, [...(told.get(name) ?? []), type]);
  }
  for (const [name, types] of told) {
    const withoutFailure = types.filter((type) => type !== 'failed');
    const wanted = present.includes(name) ? ['present'] : STATIONS;
    expect(withoutFailure).toEqual(wanted.slice(0, withoutFailure.length));
    expect(types.filter((type) => type === 'failed').length).toBeLessThanOrEqual(1);
    const ends = types.filter((type) => ['failed', 'kept', 'present'].includes(type));
    expect(ends.length).toBe(1);
  }
}

test('of any acyclic graph with any failures, exactly the paths with a good closure are kept, references first', async () => {
  await fc.assert(fc.asyncProperty(scenario(true), check), { numRuns: 300 });
});

test('the same with cycles', async () => {
  await fc.assert(fc.asyncProperty(scenario(false), check), { numRuns: 300 });
});
