import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { utf8 } from '../../src/bytes.ts';
import { SymlinkNode } from '../../src/castore/node.ts';
import { type ClosureChange, diffClosures } from '../../src/diff/closureDiff.ts';
import { hashBytes } from '../../src/hash.ts';
import { Claim } from '../../src/pathinfo/claim.ts';
import { MemoryPathInfoService } from '../../src/pathinfo/memoryPathInfoService.ts';
import { PathInfo } from '../../src/pathinfo/pathInfo.ts';
import { STORE_PATH_DIGEST_BYTES, StorePath } from '../../src/storePath.ts';
import { BY_KEY } from '../contracts/pathInfos.ts';

/** One store path of a closure as a test wants it. */
interface Recipe {
  readonly name: string;
  /** What the hash part is derived from, besides the name. */
  readonly build?: string;
  readonly content?: string;
  readonly narSize?: number;
  readonly references?: readonly PathInfo[];
  readonly selfReferring?: boolean;
}

function pathOf({ name, build = '', ...recipe }: Recipe): PathInfo {
  const { digest } = hashBytes('sha256', utf8(`${build} ${name}`));
  const storePath = StorePath.of(digest.subarray(0, STORE_PATH_DIGEST_BYTES), name);
  const { content = name, references = [] } = recipe;
  const names = references.map((reference) => reference.storePath);
  const claim = new Claim({
    storePath,
    narHash: hashBytes('sha256', utf8(content)),
    narSize: recipe.narSize ?? 100,
    references: recipe.selfReferring === true ? [...names, storePath] : names,
    signatures: [],
    deriver: undefined,
    ca: undefined,
    origin: undefined,
    verification: BY_KEY,
  });
  const contents = references.map(
    ({ storePath: { baseName }, node, closureDigest }) =>
      [baseName, { node, closureDigest, evidence: 'same' }] as const,
  );
  return new PathInfo(claim, new SymlinkNode(utf8(content)), new Map(contents));
}

/** Keeps whatever is below the roots. */
async function serviceWith(...roots: PathInfo[]): Promise<MemoryPathInfoService> {
  const service = new MemoryPathInfoService();
  for (const root of roots) await service.put(root);
  return service;
}

const nameOf = (pathInfo: PathInfo) => pathInfo.storePath.name;

/** A change in words. */
function changeText(change: ClosureChange): string {
  if (change.type === 'added') return `added ${nameOf(change.b)}`;
  if (change.type === 'removed') return `removed ${nameOf(change.a)}`;
  const how = [
    change.contentsDiffer ? 'contents' : undefined,
    change.referencesDiffer ? 'references' : undefined,
  ].filter((word) => word !== undefined);
  const [a, b] = [nameOf(change.a), nameOf(change.b)];
  return `${change.type} ${a === b ? a : `${a} by ${b}`}: ${how.join(', ') || 'nothing'}`;
}

/** Compares what is above these paths: each list has references before referrers, the last is the root. */
async function diffOf(a: readonly PathInfo[], b: readonly PathInfo[]) {
  const pathInfos = { a: await serviceWith(...a), b: await serviceWith(...b) };
  return await diffClosures(a.slice(-1), b.slice(-1), { pathInfos });
}

const base = pathOf({ name: 'base' });
const dep = pathOf({ name: 'dep', references: [base] });
const otherDep = pathOf({ name: 'dep', content: 'other', references: [base] });
const top = (...references: PathInfo[]) => pathOf({ name: 'top', references });

describe('diffClosures', () => {
  test.each<[what: string, a: PathInfo[], b: PathInfo[], changes: string[], same: number]>([
    ['the same', [base, dep, top(dep)], [base, dep, top(dep)], [], 3],
    [
      'a reference added',
      [base, top(base)],
      [base, dep, top(base, dep)],
      ['added dep', 'changed top: references'],
      1,
    ],
    ['a reference removed', [base, dep], [base], ['removed dep'], 1],
    [
      'other contents below',
      [base, dep, top(dep)],
      [base, otherDep, top(otherDep)],
      ['changed dep: contents', 'changed top: references'],
      1,
    ],
    [
      'another version',
      [pathOf({ name: 'hello-2.10' })],
      [pathOf({ name: 'hello-2.12' })],
      ['replaced hello-2.10 by hello-2.12: contents'],
      0,
    ],
    [
      'another build of the same',
      [pathOf({ name: 'hello-2.10', build: 'x' })],
      [pathOf({ name: 'hello-2.10', build: 'y' })],
      ['replaced hello-2.10: nothing'],
      0,
    ],
    [
      'one that refers to itself from now on',
      [pathOf({ name: 'p' })],
      [pathOf({ name: 'p', selfReferring: true })],
      ['changed p: references'],
      0,
    ],
    [
      'builds that refer to themselves',
      [pathOf({ name: 'p', build: 'x', selfReferring: true })],
      [pathOf({ name: 'p', build: 'y', selfReferring: true })],
      ['replaced p: nothing'],
      0,
    ],
    [
      'another package',
      [pathOf({ name: 'hello-2.10' })],
      [pathOf({ name: 'hallo-2.10' })],
      ['added hallo-2.10', 'removed hello-2.10'],
      0,
    ],
  ])('%s', async (_, a, b, changes, same) => {
    const diff = await diffOf(a, b);
    expect(diff.changes.map(changeText)).toEqual(changes);
    expect(diff.sameCount).toBe(same);
  });

  test('outputs and versions of one package are matched one to one', async () => {
    const paths = (names: string[], build: string) =>
      names.map((name) => pathOf({ name, build, content: build + name }));
    const a = paths(['glibc-2.37', 'glibc-2.37-bin', 'glibc-2.37-lib', 'lib-1', 'lib-2'], 'x');
    const b = paths(['glibc-2.38', 'glibc-2.38-lib', 'glibc-2.38-man', 'lib-2', 'lib-3'], 'y');
    const rootA = pathOf({ name: 'root', references: a });
    const rootB = pathOf({ name: 'root', references: b });
    expect((await diffOf([...a, rootA], [...b, rootB])).changes.map(changeText)).toEqual([
      'replaced glibc-2.37 by glibc-2.38: contents',
      'replaced glibc-2.37-bin by glibc-2.38-man: contents', // all that is left of the package
      'replaced glibc-2.37-lib by glibc-2.38-lib: contents',
      'replaced lib-1 by lib-3: contents',
      'replaced lib-2: contents',
      'changed root: references',
    ]);
  });

  test('the same store path goes before the same contents', async () => {
    const sources = (first: string, second: string) => [
      pathOf({ name: 'source', build: 'x', content: first }),
      pathOf({ name: 'source', build: 'y', content: second }),
    ];
    const [a, b] = [sources('1', '2'), sources('2', '1')];
    const rootA = pathOf({ name: 'root', references: a });
    const rootB = pathOf({ name: 'root', references: b });
    const { changes } = await diffOf([...a, rootA], [...b, rootB]);
    expect(changes.map(changeText)).toEqual([
      'changed root: references',
      'changed source: contents',
      'changed source: contents',
    ]);
  });

  test('of many with one name, those with the same contents belong together', async () => {
    const sources = (build: string, contents: string[]) =>
      contents.map((content) => pathOf({ name: 'source', build: build + content, content }));
    const [a, b] = [sources('x', ['1', '2', '3']), sources('y', ['3', '4', '1'])];
    const rootA = pathOf({ name: 'root', references: a });
    const rootB = pathOf({ name: 'root', references: b });
    const { changes } = await diffOf([...a, rootA], [...b, rootB]);
    expect(changes.map(changeText).sort()).toEqual([
      'changed root: references',
      'replaced source: contents',
      'replaced source: nothing',
      'replaced source: nothing',
    ]);
  });

  test('a closure that holds one path in two variants', async () => {
    const left = pathOf({ name: 'left', references: [dep] });
    const mixed = pathOf({ name: 'top', references: [left, otherDep] });
    const rightLeft = pathOf({ name: 'left', references: [otherDep] });
    const coherent = pathOf({ name: 'top', references: [rightLeft, otherDep] });
    const diff = await diffOf(
      [base, dep, otherDep, left, mixed],
      [base, otherDep, rightLeft, coherent],
    );
    expect(diff.changes.map(changeText)).toEqual([
      'removed dep',
      'changed left: references',
      'changed top: references',
    ]);
    expect(diff.sameCount).toBe(2);
  });

  test('sums of NARs, each variant once', async () => {
    const small = pathOf({ name: 'small', narSize: 10 });
    const [p, q] = ['p', 'q'].map((name) => pathOf({ name, narSize: 100, references: [small] }));
    if (p === undefined || q === undefined) throw new Error('unreachable');
    const large = pathOf({ name: 'large', narSize: 1000, references: [p, q] });
    const diff = await diffOf([small, p, q, large], [small, p]);
    expect(diff.narSizeBytes).toEqual({ a: 1210, b: 110 });
  });

  test('a variant that is gone', async () => {
    const pathInfos = { a: await serviceWith(base, dep), b: new MemoryPathInfoService() };
    await expect(diffClosures([dep], [dep], { pathInfos })).rejects.toMatchObject({
      code: 'REFERENCE_MISSING',
    });
  });

  test('an abort', async () => {
    const service = await serviceWith(base, dep);
    const signal = AbortSignal.abort(new Error('enough'));
    const diff = diffClosures([dep], [base], { pathInfos: { a: service, b: service }, signal });
    await expect(diff).rejects.toThrow('enough');
  });

  test('random closures: every variant that one side alone has is told of once', async () => {
    const recipe = fc.record({
      name: fc.constantFrom('a-1', 'a-2', 'a-2-bin', 'b', 'c-1', 'source'),
      build: fc.constantFrom('x', 'y'),
      content: fc.constantFrom('1', '2'),
      // indices of paths before it
      references: fc.array(fc.nat(5), { maxLength: 3 }),
    });
    const closure = fc.array(recipe, { minLength: 1, maxLength: 8 }).map((recipes) => {
      const paths: PathInfo[] = [];
      for (const { references, ...others } of recipes) {
        const below = new Map<string, PathInfo>();
        for (const index of references) {
          const reference = paths[index % Math.max(1, paths.length)];
          if (reference !== undefined) below.set(reference.storePath.baseName, reference);
        }
        const itself = pathOf(others).storePath.baseName;
        below.delete(itself); // content is given for no path under its own name
        paths.push(pathOf({ ...others, references: [...below.values()] }));
      }
      return paths;
    });
    await fc.assert(
      fc.asyncProperty(closure, closure, async (a, b) => {
        const pathInfos = { a: await serviceWith(...a), b: await serviceWith(...b) };
        const { changes, sameCount } = await diffClosures(a, b, { pathInfos });
        const digests = (list: readonly PathInfo[]) =>
          [...new Set(list.map(({ closureDigest }) => closureDigest.hex))].sort();
        const [inA, inB] = [digests(a), digests(b)];
        const told = (side: 'a' | 'b') =>
          changes
            .flatMap((change) =>
              'a' in change && side === 'a'
                ? [change.a]
                : 'b' in change && side === 'b'
                  ? [change.b]
                  : [],
            )
            .map(({ closureDigest }) => closureDigest.hex)
            .sort();
        expect(told('a')).toEqual(inA.filter((digest) => !inB.includes(digest)));
        expect(told('b')).toEqual(inB.filter((digest) => !inA.includes(digest)));
        expect(sameCount).toBe(inA.filter((digest) => inB.includes(digest)).length);
        for (const change of changes) {
          if (change.type === 'changed') {
            expect(change.a.storePath.baseName).toBe(change.b.storePath.baseName);
            expect(change.contentsDiffer || change.referencesDiffer).toBe(true);
          } else if (change.type === 'replaced') {
            expect(change.a.storePath.baseName).not.toBe(change.b.storePath.baseName);
          }
        }
      }),
      { numRuns: 200 },
    );
  });
});
