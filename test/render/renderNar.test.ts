import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EMPTY, utf8 } from '../../src/bytes.ts';
import type { ReadBlobOptions } from '../../src/castore/blobService.ts';
import { Digest } from '../../src/castore/digest.ts';
import { DirectoryNode, FileNode } from '../../src/castore/node.ts';
import { DEFAULT_LIMITS } from '../../src/limits.ts';
import { NarLayout, narSize } from '../../src/render/layout.ts';
import { narParts } from '../../src/render/parts.ts';
import { renderLayout, renderNar } from '../../src/render/renderNar.ts';
import {
  directory,
  encodeNar,
  executable,
  file,
  nested,
  type SyntheticTree,
  symlink,
} from '../support/syntheticTree.ts';
import { arbitraryFractions, arbitraryTree, rangeOf } from './arbitraryTree.ts';
import { memoryServices, putBlob, putDirectory, putDoublingDag, putTree } from './castoreTree.ts';
import { collect } from './collect.ts';

const TREES: readonly (readonly [name: string, tree: SyntheticTree])[] = [
  ['a file', file('hello')],
  ['an empty file', file('')],
  ['an executable', executable('#!/bin/sh\n')],
  ['a symlink', symlink('../nowhere')],
  ['an empty directory', directory()],
  [
    'an entry named like a token',
    directory({ ')': file(')'), entry: directory({ node: file('') }) }),
  ],
  ['names sorted across types', directory({ b: directory(), a: file('1'), c: symlink('x') })],
  ['names that are not UTF-8', directory([[Uint8Array.of(0xff, 0xfe), file('x')]])],
  ['names that sort differently in UTF-16', directory({ '￿': file('1'), '😀': file('2') })],
  [
    'contents longer than any buffer',
    directory({ a: file(Buffer.alloc(700_001, 'x')), b: file('y') }),
  ],
  [
    'more framing than any buffer',
    directory(Array.from({ length: 3000 }, (_, i) => [`${i}`, symlink('t')])),
  ],
  ['1000 levels', nested(1000, file('deep'))],
];

describe('renderNar', () => {
  test.each(TREES)('%s', async (_, tree) => {
    const services = memoryServices();
    const node = await putTree(services, tree);
    const expected = Buffer.from(encodeNar(tree));
    const rendered = await collect(renderNar(node, services));
    expect(rendered.equals(expected)).toBe(true);
    expect(await narSize(node, services.directoryService)).toBe(expected.length);
  });

  test('random trees render to what an independent encoder makes of them', async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryTree, async (tree) => {
        const services = memoryServices();
        const node = await putTree(services, tree);
        const expected = Buffer.from(encodeNar(tree));
        const layout = await NarLayout.of(node, services.directoryService);
        expect(layout.narSizeBytes).toBe(expected.length);
        const rendered = await collect(renderLayout(layout, services.blobService));
        expect(rendered.equals(expected)).toBe(true);
      }),
    );
  });

  test('any range is the slice of the whole', async () => {
    await fc.assert(
      fc.asyncProperty(
        arbitraryTree,
        fc.array(arbitraryFractions, { minLength: 5, maxLength: 5 }),
        async (tree, ranges) => {
          const services = memoryServices();
          const node = await putTree(services, tree);
          const whole = Buffer.from(encodeNar(tree));
          for (const fractions of ranges) {
            const range = rangeOf(fractions, whole.length);
            const slice = await collect(renderNar(node, { ...services, range }));
            expect(slice.equals(whole.subarray(range.start, range.end))).toBe(true);
          }
        },
      ),
    );
  });

  test('every range of a small tree is the slice of the whole', async () => {
    const tree = directory({ a: file('12345'), b: directory({ c: symlink('d') }), e: file('') });
    const services = memoryServices();
    const layout = await NarLayout.of(await putTree(services, tree), services.directoryService);
    const whole = Buffer.from(encodeNar(tree));
    for (let start = 0; start <= whole.length; start += 3) {
      for (let end = start; end <= whole.length; end += 5) {
        const range = { start, end };
        const slice = await collect(renderLayout(layout, services.blobService, { range }));
        expect(slice.equals(whole.subarray(start, end))).toBe(true);
      }
    }
  });

  test.each([
    ['before the start', -1, 0],
    ['after the end', 0, 113],
    ['backwards', 8, 0],
    ['not a number', Number.NaN, 8],
  ])('a range %s is a mistake of the caller', async (_, start, end) => {
    const services = memoryServices();
    const node = await putTree(services, file(''));
    const rendering = collect(renderNar(node, { ...services, range: { start, end } }));
    await expect(rendering).rejects.toThrow(RangeError);
  });
});

describe('a range reads nothing of what lies outside', () => {
  test('neither contents nor directories', async () => {
    const services = memoryServices();
    const tree = directory({
      a: directory({ large: file('x'.repeat(1000)) }),
      b: file('0123456789'),
      c: directory({ large: file('y'.repeat(1000)) }),
    });
    const node = await putTree(services, tree);
    const whole = encodeNar(tree);
    const layout = await NarLayout.of(node, services.directoryService);
    const start = Buffer.from(whole).indexOf('0123456789') + 3;

    const reads: (readonly [Digest, ReadBlobOptions | undefined])[] = [];
    const blobService = {
      read(digest: Digest, options?: ReadBlobOptions) {
        reads.push([digest, options]);
        return services.blobService.read(digest, options);
      },
    };
    const range = { start, end: start + 4 };
    const slice = await collect(renderLayout(layout, blobService, { range }));
    expect(slice.toString()).toBe('3456');
    expect(reads).toEqual([
      [Digest.of(utf8('0123456789')), { signal: undefined, offset: 3, length: 4 }],
    ]);
    const steps = await Array.fromAsync(layout.steps(range));
    expect(steps.map(({ type }) => type)).toEqual(['directory', 'file']);
  });
});

describe('trees that are too much are refused before anything is rendered', () => {
  test('a DAG of 64 levels that renders to 2^64 files', async () => {
    const services = memoryServices();
    const node = await putDoublingDag(services, 64);
    const rendering = renderNar(node, services).next();
    await expect(rendering).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
  });

  test('a DAG of 1000 levels, whose size has 1000 bits', async () => {
    const services = memoryServices();
    const node = await putDoublingDag(services, 1000);
    const size = narSize(node, services.directoryService, {
      limits: { ...DEFAULT_LIMITS, narBytes: Number.MAX_SAFE_INTEGER, narEntries: Infinity },
    });
    await expect(size).rejects.toMatchObject({
      code: 'LIMIT_EXCEEDED',
      facts: { limit: 'narBytes' },
    });
  });

  // 2^3 files below 2^3 - 1 directories; each node counts, the root too
  test.each([
    ['narEntries', 15, 14],
    ['narDepth', 3, 2],
  ] as const)('%s: %i is let through, %i is not', async (limit, enough, tooFew) => {
    const services = memoryServices();
    const node = await putDoublingDag(services, 3);
    const size = (value: number) =>
      narSize(node, services.directoryService, { limits: { ...DEFAULT_LIMITS, [limit]: value } });
    await expect(size(enough)).resolves.toBeGreaterThan(0);
    await expect(size(tooFew)).rejects.toMatchObject({
      code: 'LIMIT_EXCEEDED',
      facts: { limit, expected: tooFew },
    });
  });

  test('narBytes: the exact size is let through, one byte less is not', async () => {
    const services = memoryServices();
    const tree = directory({ a: file('12345'), b: directory({ c: file('6') }) });
    const node = await putTree(services, tree);
    const narBytes = encodeNar(tree).length;
    const size = (value: number) =>
      narSize(node, services.directoryService, { limits: { ...DEFAULT_LIMITS, narBytes: value } });
    await expect(size(narBytes)).resolves.toBe(narBytes);
    await expect(size(narBytes - 1)).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
  });

  test('a directory measured at a shallow place is too deep at another', async () => {
    const services = memoryServices();
    const chain = directory({ a: directory({ a: directory() }) });
    const tree = directory({ a: chain, b: directory({ b: directory({ c: chain }) }) });
    const node = await putTree(services, tree);
    const size = (narDepth: number) =>
      narSize(node, services.directoryService, { limits: { ...DEFAULT_LIMITS, narDepth } });
    await expect(size(6)).resolves.toBeGreaterThan(0);
    await expect(size(5)).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
  });
});

describe('what is missing or wrong is named by its path', () => {
  const absent = Digest.of(utf8('nobody wrote this'));

  test('a missing blob', async () => {
    const services = memoryServices();
    const share = await putDirectory(services.directoryService, [
      [utf8('gone'), new FileNode(absent, 3, false)],
    ]);
    const node = await putDirectory(services.directoryService, [[utf8('share'), share]]);
    await expect(collect(renderNar(node, services))).rejects.toMatchObject({
      code: 'BLOB_MISSING',
      facts: { path: '/share/gone', digest: String(absent) },
    });
  });

  test('a missing directory', async () => {
    const { blobService, directoryService } = memoryServices();
    const node = new DirectoryNode(absent, 0);
    await expect(collect(renderNar(node, { blobService, directoryService }))).rejects.toMatchObject(
      {
        code: 'DIRECTORY_MISSING',
        facts: { path: '/' },
      },
    );
  });

  test.each([
    ['longer', 4],
    ['shorter', 6],
    ['not empty', 0],
  ])('a blob that is %s than its node says', async (_, size) => {
    const services = memoryServices();
    const digest = await putBlob(services.blobService, utf8('12345'));
    const node = new FileNode(digest, size, false);
    const given: Uint8Array[] = [];
    const rendering = (async () => {
      for await (const bytes of renderNar(node, services)) given.push(bytes);
    })();
    await expect(rendering).rejects.toMatchObject({
      code: 'NODE_INVALID',
      facts: { field: 'size', path: '/', expected: size },
    });
    expect(Buffer.concat(given).length).toBeLessThan(96 + 8);
  });

  test('the empty blob of a file that is not empty', async () => {
    const services = memoryServices();
    const node = new FileNode(Digest.of(EMPTY), 1, false);
    await expect(collect(renderNar(node, services))).rejects.toMatchObject({
      code: 'NODE_INVALID',
    });
  });
});

describe('leaving early', () => {
  test('an abort while rendering is thrown as it is', async () => {
    const services = memoryServices();
    const node = await putTree(services, directory({ a: file('a'.repeat(200_000)), b: file('b') }));
    const controller = new AbortController();
    const rendering = renderNar(node, { ...services, signal: controller.signal });
    await rendering.next();
    const reason = new Error('the client is gone');
    controller.abort(reason);
    await expect(collect(rendering)).rejects.toBe(reason);
  });

  test('an abort before reads nothing', async () => {
    const services = memoryServices();
    const node = await putTree(services, directory());
    const reason = new Error('too late');
    const rendering = renderNar(node, { ...services, signal: AbortSignal.abort(reason) });
    await expect(rendering.next()).rejects.toBe(reason);
  });

  test('the contents being read are given back', async () => {
    const services = memoryServices();
    const node = await putTree(services, file('x'.repeat(300_000)));
    let returned = 0;
    const blobService = {
      async read() {
        return (async function* () {
          try {
            for (;;) yield Buffer.alloc(100_000, 'x');
          } finally {
            returned += 1;
          }
        })();
      },
    };
    for await (const bytes of renderNar(node, { ...services, blobService })) {
      expect(bytes.length).toBeGreaterThan(0);
      if (bytes.length === 100_000) break;
    }
    expect(returned).toBe(1);
  });
});

describe('narParts', () => {
  test('contents are named by place, framing between them is one piece', async () => {
    const services = memoryServices();
    const node = await putTree(
      services,
      directory({ a: file('12'), b: directory({ c: file('345'), d: symlink('e') }) }),
    );
    const layout = await NarLayout.of(node, services.directoryService);
    const parts = await Array.fromAsync(narParts(layout));
    expect(parts.map((part) => (part.type === 'framing' ? part.type : part.length))).toEqual([
      'framing',
      2,
      'framing',
      3,
      'framing',
    ]);
  });
});
