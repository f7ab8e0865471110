/** Random lives of a store, against a model of what has to be there after each collection. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { PathInfo } from '../../../src/pathinfo/pathInfo.ts';
import { Store } from '../../../src/store/store.ts';
import { storePathOf } from '../../contracts/pathInfos.ts';
import { temporaryDirectory } from '../../support/temporaryDirectory.ts';
import { checkStore } from '../checkStore.ts';
import { readWhole, writePath } from '../randomPath.ts';

const PATHS = 5;
const HOUR_MS = 60 * 60_000;
const START = Date.UTC(2026, 0, 1);

/** One thing that happens to a store. Paths are numbers, each may refer to those with lower ones. */
type Step =
  /** A path is written and put, once it has a variant of each seed. */
  | { readonly do: 'put'; readonly path: number; readonly seed: number; readonly refers: boolean }
  /** Content is written, and no PathInfo put; whoever writes closes, goes on, or is put in later. */
  | { readonly do: 'write'; readonly path: number; readonly seed: number; readonly put: boolean }
  | { readonly do: 'use'; readonly path: number }
  | { readonly do: 'pin'; readonly path: number }
  | { readonly do: 'unpin'; readonly path: number }
  | { readonly do: 'collect'; readonly olderThanHours: number | undefined };

const path = fc.nat(PATHS - 1);
const seed = fc.nat(2);
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constant('put' as const), path, seed, refers: fc.boolean() }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant('write' as const), path, seed, put: fc.boolean() }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('use' as const), path }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('pin' as const), path }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('unpin' as const), path }) },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('collect' as const),
        olderThanHours: fc.option(fc.integer({ min: 1, max: 8 }), { nil: undefined }),
      }),
    },
  ),
  { minLength: 4, maxLength: 14 },
);

/** What is kept, by closure digest: what the store says is current, and what this model says of the rest. */
class Model {
  readonly variants = new Map<string, PathInfo>();
  readonly current = new Map<string, string>();
  readonly used = new Map<string, number>();
  readonly pins = new Map<number, string>();

  put(pathInfo: PathInfo, now: number): void {
    const key = pathInfo.closureDigest.key;
    const last = this.used.get(key);
    if (last === undefined || now - last >= HOUR_MS) this.used.set(key, now);
    if (this.variants.has(key)) return;
    this.variants.set(key, pathInfo);
    this.#settle();
  }

  collect(since: number | undefined): void {
    const roots = [...this.pins.values(), ...this.current.values()].filter(
      (key) =>
        [...this.pins.values()].includes(key) ||
        since === undefined ||
        (this.used.get(key) ?? 0) >= since,
    );
    const kept = new Set(roots);
    for (const key of kept) {
      for (const { closureDigest } of this.variants.get(key)?.references.values() ?? []) {
        kept.add(closureDigest.key);
      }
    }
    for (const key of this.variants.keys()) {
      if (kept.has(key)) continue;
      this.variants.delete(key);
      this.used.delete(key);
    }
    for (const [name, key] of this.current) if (!kept.has(key)) this.current.delete(name);
    this.#settle();
  }

  /** Places that are free are taken by variants all of whose references are current; all are verified alike. */
  #settle(): void {
    for (let changed = true; changed; ) {
      changed = false;
      for (const [key, { storePath, references }] of this.variants) {
        if (this.current.has(storePath.name)) continue;
        const fits = [...references.values()].every(({ closureDigest }) =>
          [...this.current.values()].includes(closureDigest.key),
        );
        if (!fits) continue;
        this.current.set(storePath.name, key);
        changed = true;
      }
    }
  }
}

/** Runs one life. */
async function live(directory: string, life: readonly Step[]): Promise<void> {
  const model = new Model();
  let now = START;
  const clock = () => now;
  const openStore = () => Store.open(directory, { now: clock });
  /** Stores that are open with content that is in no PathInfo yet. */
  const writers: { readonly store: Store; readonly pathInfo: PathInfo; readonly put: boolean }[] =
    [];
  /** A chain or a single path. */
  const write = async (store: Store, number: number, contents: number, refers: boolean) => {
    const below = refers && number > 0 ? model.current.get(`path-${number - 1}`) : undefined;
    const reference = below === undefined ? undefined : model.variants.get(below);
    return await writePath(store, `path-${number}`, contents, reference ? [reference] : []);
  };
  await using opened = new AsyncDisposableStack();
  for (const step of life) {
    now += HOUR_MS;
    await using store = await openStore();
    switch (step.do) {
      case 'put': {
        const pathInfo = await write(store, step.path, step.seed, step.refers);
        await store.pathInfos.put(pathInfo);
        model.put(pathInfo, now);
        break;
      }
      case 'write': {
        const writer = opened.use(await openStore());
        const pathInfo = await write(writer, step.path, step.seed + 10, false);
        writers.push({ store: writer, pathInfo, put: step.put });
        break;
      }
      case 'use': {
        const key = model.current.get(`path-${step.path}`);
        const found = await store.pathInfos.get(storePathOf(`path-${step.path}`).digest);
        expect(found?.closureDigest.key).toBe(key);
        const last = key === undefined ? undefined : model.used.get(key);
        if (key !== undefined && now - (last ?? 0) >= HOUR_MS) model.used.set(key, now);
        break;
      }
      case 'pin': {
        const key = model.current.get(`path-${step.path}`);
        const pathInfo = key === undefined ? undefined : model.variants.get(key);
        if (key === undefined || pathInfo === undefined) break;
        const { storePath, closureDigest } = pathInfo;
        await store.pins.put(`${step.path}`, { digest: storePath.digest, closureDigest }, now);
        model.pins.set(step.path, key);
        break;
      }
      case 'unpin':
        await store.pins.remove(`${step.path}`);
        model.pins.delete(step.path);
        break;
      case 'collect': {
        const hours = step.olderThanHours;
        const olderThanMs = hours === undefined ? undefined : hours * HOUR_MS;
        await store.collectGarbage({ olderThanMs });
        model.collect(olderThanMs === undefined ? undefined : now - olderThanMs);
        await compare(directory, model);
      }
    }
  }
  // what somebody held all the time can still be put
  for (const { store, pathInfo, put } of writers) {
    if (!put) continue;
    await store.pathInfos.put(pathInfo);
    await readWhole(store, pathInfo.node);
    model.put(pathInfo, now);
  }
  await opened.disposeAsync();
  {
    await using store = await openStore();
    await store.collectGarbage();
    model.collect(undefined);
    await compare(directory, model);
  }
  await expectNothingElse(directory, model);
}

async function compare(directory: string, model: Model): Promise<void> {
  await checkStore(directory);
  // to look is no use of theirs
  await using store = await Store.open(directory, { readOnly: true });
  const listed = await Array.fromAsync(store.pathInfos.list());
  expect(listed.map(({ storePath }) => storePath.name).sort()).toEqual(
    [...model.current.keys()].sort(),
  );
  for (const pathInfo of model.variants.values()) {
    const { storePath, closureDigest, node } = pathInfo;
    expect(await store.pathInfos.getByClosureDigest(closureDigest), storePath.name).toBeDefined();
    await readWhole(store, node);
  }
  expect((await store.stats()).variants).toBe(model.variants.size);
}

/** A new store with the same paths holds as much. */
async function expectNothingElse(directory: string, model: Model): Promise<void> {
  await using fresh = await temporaryDirectory('gc');
  {
    await using store = await Store.open(fresh.path);
    for (const { storePath, node } of model.variants.values()) {
      const contents = Number(seedOf.get(node.type === 'symlink' ? '' : node.digest.key));
      await writePath(store, storePath.name, contents);
    }
  }
  const { directories, blobs, chunks } = await checkStore(fresh.path);
  expect(await checkStore(directory)).toMatchObject({
    ...{
      variants: model.variants.size,
      nars: new Set([...model.variants.values()].map(({ claim }) => String(claim.narHash))).size,
    },
    ...{ directories, blobs, chunks, stamps: 0 },
  });
}

/** Seeds by the root nodes that `writePath` makes of them. */
const seedOf = new Map<string, number>();
{
  await using directory = await temporaryDirectory('gc');
  await using store = await Store.open(directory.path);
  for (const contents of [0, 1, 2, 10, 11, 12]) {
    const { node } = await writePath(store, 'any', contents);
    if (node.type !== 'symlink') seedOf.set(node.digest.key, contents);
  }
}

test('after each collection there is what the model has, whole, and in the end nothing else', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (life) => {
      await using directory = await temporaryDirectory('gc');
      await live(directory.path, life);
    }),
    { numRuns: Number(process.env['NARTHEX_GC_RUNS'] ?? 6) },
  );
});
