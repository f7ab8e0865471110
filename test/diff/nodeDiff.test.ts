import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { utf8 } from '../../src/bytes.ts';
import { Digest } from '../../src/castore/digest.ts';
import { MemoryDirectoryService } from '../../src/castore/memoryDirectoryService.ts';
import { DirectoryNode, FileNode, type Node } from '../../src/castore/node.ts';
import { diffNodes, type NodeDiffOptions } from '../../src/diff/nodeDiff.ts';
import { DEFAULT_LIMITS } from '../../src/limits.ts';
import type { DirectorySource } from '../../src/render/fetchDirectory.ts';
import { memoryServices, putDirectory, putDoublingDag, putTree } from '../render/castoreTree.ts';
import {
  directory,
  executable,
  file,
  nested,
  type SyntheticTree,
  symlink,
} from '../support/syntheticTree.ts';
import { arbitraryTreePair } from './arbitraryTreePair.ts';
import { CountingDirectories } from './countingDirectories.ts';
import { changeText, compareLists, writeOut } from './nodeChanges.ts';

type Options = Omit<NodeDiffOptions, 'directories'>;

/** Compares two nodes whose directories are in one place. */
async function diffIn(
  source: DirectorySource,
  a: Node | undefined,
  b: Node | undefined,
  options: Options = {},
) {
  const directories = { a: source, b: source };
  return await Array.fromAsync(diffNodes(a, b, { ...options, directories }));
}

/** Compares two trees, each in services of its own. */
async function diffTrees(a: SyntheticTree, b: SyntheticTree, options: Options = {}) {
  const [servicesA, servicesB] = [memoryServices(), memoryServices()];
  const directories = { a: servicesA.directoryService, b: servicesB.directoryService };
  const [nodeA, nodeB] = [await putTree(servicesA, a), await putTree(servicesB, b)];
  return await Array.fromAsync(diffNodes(nodeA, nodeB, { ...options, directories }));
}

describe('diffNodes', () => {
  const some = directory({ x: file('1'), y: directory({ z: file('2') }) });

  test.each<[what: string, a: SyntheticTree, b: SyntheticTree, changes: string[]]>([
    ['the same', some, some, []],
    ['the same file', file('1'), file('1'), []],
    ['two empty directories', directory(), directory(), []],
    ['a file added', directory(), directory({ x: file('') }), ['added x']],
    ['a file removed', directory({ x: file('') }), directory(), ['removed x']],
    ['an empty directory added', directory(), directory({ d: directory() }), ['added d']],
    [
      'a directory added, with all below',
      directory(),
      directory({ d: some }),
      ['added d', 'added d/x', 'added d/y', 'added d/y/z'],
    ],
    [
      'a directory removed, with all below',
      directory({ a: file('1'), d: some }),
      directory({ a: file('1') }),
      ['removed d', 'removed d/x', 'removed d/y', 'removed d/y/z'],
    ],
    ['contents', file('1'), file('2'), ['changed ']],
    [
      'contents of the same length below',
      some,
      directory({ x: file('1'), y: directory({ z: file('3') }) }),
      ['changed y/z'],
    ],
    [
      'the executable bit',
      directory({ x: file('1') }),
      directory({ x: executable('1') }),
      ['mode x'],
    ],
    ['contents and the bit', file('1'), executable('2'), ['changed ']],
    ['a target', directory({ l: symlink('a') }), directory({ l: symlink('b') }), ['target l']],
    [
      'a file for a symlink',
      directory({ l: symlink('a') }),
      directory({ l: file('a') }),
      ['type l'],
    ],
    [
      'a directory for a file',
      directory({ x: file('1') }),
      directory({ x: some }),
      ['type x', 'added x/x', 'added x/y', 'added x/y/z'],
    ],
    [
      'a symlink for a directory',
      some,
      symlink('t'),
      ['type ', 'removed x', 'removed y', 'removed y/z'],
    ],
    [
      'names between each other',
      directory({ a: file('1'), c: file('1'), e: file('1') }),
      directory({ b: file('1'), c: file('2'), d: file('1'), e: file('1'), f: file('1') }),
      ['removed a', 'added b', 'changed c', 'added d', 'added f'],
    ],
    [
      'names whose order is that of bytes, not of paths',
      directory({ a: directory({ x: file('1') }), 'a-': file('1') }),
      directory({ a: directory({ x: file('2') }), 'a-': file('2') }),
      ['changed a/x', 'changed a-'],
    ],
    [
      'names that are not UTF-8',
      directory([[Uint8Array.of(0xff), directory([[Uint8Array.of(0xc3, 0x28), file('1')]])]]),
      directory([[Uint8Array.of(0xff), directory([[Uint8Array.of(0xc3, 0x29), file('1')]])]]),
      ['removed \\xff/\\xc3(', 'added \\xff/\\xc3)'],
    ],
    [
      'names that JavaScript has uses for',
      directory([['__proto__', file('1')]]),
      directory([
        ['__proto__', file('2')],
        ['constructor', file('1')],
      ]),
      ['changed __proto__', 'added constructor'],
    ],
    [
      'the same change at two places',
      directory({ p: directory({ x: file('1') }), q: directory({ x: file('1') }) }),
      directory({ p: directory({ x: file('2') }), q: directory({ x: file('2') }) }),
      ['changed p/x', 'repeated q = p'],
    ],
    [
      'a directory added twice and removed once',
      directory({ r: some }),
      directory({ p: some, q: some }),
      [
        'added p',
        'added p/x',
        'added p/y',
        'added p/y/z',
        'added q = p',
        'removed r',
        'removed r/x',
        'removed r/y',
        'removed r/y/z',
      ],
    ],
    [
      'a directory that was added elsewhere, in place of a file',
      directory({ q: file('1') }),
      directory({ p: directory({ x: file('1') }), q: directory({ x: file('1') }) }),
      ['added p', 'added p/x', 'type q = p'],
    ],
    [
      'an empty directory added twice',
      directory(),
      directory({ p: directory(), q: directory() }),
      ['added p', 'added q'],
    ],
  ])('%s', async (_, a, b, changes) => {
    expect((await diffTrees(a, b)).map(changeText)).toEqual(changes);
  });

  test('nothing at all on one side, or on both', async () => {
    const services = memoryServices();
    const node = await putTree(services, directory({ x: file('1') }));
    expect((await diffIn(services.directoryService, undefined, node)).map(changeText)).toEqual([
      'added ',
      'added x',
    ]);
    expect((await diffIn(services.directoryService, node, undefined)).map(changeText)).toEqual([
      'removed ',
      'removed x',
    ]);
    expect(await diffIn(services.directoryService, undefined, undefined)).toEqual([]);
  });

  test('tells nodes of both sides', async () => {
    const [change] = await diffTrees(file('one'), executable('three'));
    expect(change).toMatchObject({
      type: 'changed',
      a: { type: 'file', size: 3, executable: false, digest: Digest.of(utf8('one')) },
      b: { type: 'file', size: 5, executable: true, digest: Digest.of(utf8('three')) },
    });
  });

  test('agrees with a comparison of all files, on random trees', async () => {
    let repeated = 0;
    await fc.assert(
      fc.asyncProperty(arbitraryTreePair, async ([a, b]) => {
        const changes = await diffTrees(a, b);
        expect(writeOut(changes)).toEqual(compareLists(a, b));
        if (changes.some((change) => 'sameAs' in change && change.sameAs)) repeated += 1;
        const back = await diffTrees(b, a);
        expect(back.length).toBe(changes.length);
      }),
      { numRuns: 300 },
    );
    expect(repeated).toBeGreaterThan(10); // else the trees are too plain to show anything
  });

  test('a wrong count in a directory node is no difference', async () => {
    const services = memoryServices();
    const node = await putDirectory(services.directoryService, []);
    const lying = new DirectoryNode(node.digest, 17);
    expect(await diffIn(services.directoryService, node, lying)).toEqual([]);
    // the directories above have other digests, and nothing differs in them
    const above = await putDirectory(services.directoryService, [[utf8('d'), node]]);
    const other = await putDirectory(services.directoryService, [[utf8('d'), lying]]);
    expect(await diffIn(services.directoryService, above, other)).toEqual([]);
    const twice = (child: Node) =>
      putDirectory(services.directoryService, [
        [utf8('p'), child],
        [utf8('q'), child],
      ]);
    expect(await diffIn(services.directoryService, await twice(above), await twice(other))).toEqual(
      [],
    );
  });
});

describe('what it costs', () => {
  /** 20 directories of 10 directories of 100 files: the one at 7/3/42 holds `marked`. */
  async function twentyThousand(service: MemoryDirectoryService, marked: string): Promise<Node> {
    const level = async (count: number, child: (index: number) => Promise<Node>) => {
      const entries: [Uint8Array, Node][] = [];
      for (let index = 0; index < count; index++) {
        entries.push([utf8(String(index)), await child(index)]);
      }
      return await putDirectory(service, entries);
    };
    const leaf = (path: string) => {
      const contents = utf8(path === '7/3/42' ? marked : path);
      return new FileNode(Digest.of(contents), contents.length, false);
    };
    return await level(20, (x) =>
      level(10, (y) => level(100, async (z) => leaf(`${x}/${y}/${z}`))),
    );
  }

  test('two trees of 20,000 files that differ in one: one directory of each side at each depth', async () => {
    const service = new MemoryDirectoryService();
    const [nodeA, nodeB] = [
      await twentyThousand(service, 'one'),
      await twentyThousand(service, 'two'),
    ];
    const directories = {
      a: new CountingDirectories(service),
      b: new CountingDirectories(service),
    };
    const changes = await Array.fromAsync(diffNodes(nodeA, nodeB, { directories }));
    expect(changes.map(changeText)).toEqual(['changed 7/3/42']);
    expect([directories.a.reads, directories.b.reads]).toEqual([3, 3]);
  });

  test('equal nodes: nothing is read', async () => {
    const services = memoryServices();
    const node = await putTree(services, directory({ x: file('1') }));
    const nowhere = new MemoryDirectoryService();
    expect(await diffIn(nowhere, node, node)).toEqual([]);
  });

  test.each<[what: string, levelsA: number, levelsB: number]>([
    ['two DAGs of 64 directories that render to 2^64 files', 64, 63],
    ['one of them against a file', 64, 0],
    ['a file against one of them', 0, 64],
  ])('%s: each pair of directories once', async (_, levelsA, levelsB) => {
    const services = memoryServices();
    const counting = new CountingDirectories(services.directoryService);
    const changes = await diffIn(
      counting,
      await putDoublingDag(services, levelsA),
      await putDoublingDag(services, levelsB),
    );
    expect(changes.length).toBeLessThan(3 * 64);
    expect(counting.reads).toBeLessThanOrEqual(2 * 64);
  });

  test('a tree deeper than any call stack', async () => {
    const services = memoryServices();
    const build = async (contents: string) => {
      const digest = Digest.of(utf8(contents));
      let node: Node = new FileNode(digest, contents.length, false);
      for (let level = 0; level < 20_000; level++) {
        node = await putDirectory(services.directoryService, [[utf8('d'), node]]);
      }
      return node;
    };
    const limits = { ...DEFAULT_LIMITS, narDepth: 20_000 };
    const changes = await diffIn(services.directoryService, await build('1'), await build('2'), {
      limits,
    });
    expect(changes.map(({ type, path }) => [type, path.length])).toEqual([['changed', 39_999]]);
  });
});

describe('what ends it early', () => {
  test.each<[limit: string, limits: object, a: SyntheticTree, b: SyntheticTree, facts: object]>([
    [
      'narDepth',
      { narDepth: 2 },
      nested(3, file('1')),
      nested(3, file('2')),
      { path: '/d/d', actual: 3 },
    ],
    [
      'diffEntries',
      { diffEntries: 2 },
      directory(),
      directory({ x: file(''), y: file('') }),
      { path: '/y', actual: 3 },
    ],
    [
      'diffEntries',
      { diffEntries: 2 },
      nested(3, file('1')),
      nested(3, file('2')),
      { path: '/d/d', actual: 3 },
    ],
  ])('limit %s %o', async (limit, limits, a, b, facts) => {
    await expect(
      diffTrees(a, b, { limits: { ...DEFAULT_LIMITS, ...limits } }),
    ).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED', facts: { limit, ...facts } });
  });

  test.each([
    ['narDepth', { narDepth: 3 }, nested(3, file('1')), nested(3, file('2'))],
    ['diffEntries', { diffEntries: 4 }, nested(3, file('1')), nested(3, file('2'))],
  ])('as much as limit %s allows is allowed', async (_, limits, a, b) => {
    const changes = await diffTrees(a, b, { limits: { ...DEFAULT_LIMITS, ...limits } });
    expect(changes.map(changeText)).toEqual(['changed d/d/d']);
  });

  test('a directory that is gone', async () => {
    const services = memoryServices();
    const gone = new DirectoryNode(Digest.of(utf8('gone')), 1);
    await expect(diffIn(services.directoryService, gone, undefined)).rejects.toMatchObject({
      code: 'DIRECTORY_MISSING',
      facts: { digest: String(gone.digest), path: '/' },
    });
  });

  test('an abort, before and in the midst', async () => {
    const services = memoryServices();
    const a = await putTree(services, directory({ x: file('1'), y: directory({ z: file('1') }) }));
    const b = await putTree(services, directory({ x: file('2'), y: directory({ z: file('2') }) }));
    const reason = new Error('enough');
    await expect(
      diffIn(services.directoryService, a, b, { signal: AbortSignal.abort(reason) }),
    ).rejects.toBe(reason);

    const controller = new AbortController();
    // a source that does not look at the signal itself
    const source = { get: (digest: Digest) => services.directoryService.get(digest) };
    const directories = { a: source, b: source };
    const seen: string[] = [];
    const run = async () => {
      for await (const change of diffNodes(a, b, { directories, signal: controller.signal })) {
        seen.push(changeText(change));
        controller.abort(reason);
      }
    };
    await expect(run()).rejects.toBe(reason);
    expect(seen).toEqual(['changed x']);
  });
});
