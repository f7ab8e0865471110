import { describe, expect, it } from 'vitest';
import { concatBytes, EMPTY, utf8 } from '../../src/bytes.ts';
import { DEFAULT_LIMITS, type Limits } from '../../src/limits.ts';
import { readNar, writeNar } from '../../src/nar/events.ts';
import { type NarHandler, NarParser } from '../../src/nar/parser.ts';
import {
  directory,
  encodeNar,
  executable,
  file,
  narString,
  nested,
  type SyntheticTree,
  symlink,
} from '../support/syntheticTree.ts';
import { traceNar } from './trace.ts';

/** A bit of everything, in which every kind of token follows every other. */
const SMALL = directory([
  [')', file('paren')],
  ['empty', directory()],
  ['link', symlink('../x')],
  ['node', directory([['type', executable('12345678')]])],
  [Uint8Array.of(0xff), file('')],
]);
const SMALL_NAR = encodeNar(SMALL);
const SMALL_LINES = [
  'directory ""',
  'file ")" 5',
  'data "paren"',
  'fileEnd',
  'directory "empty"',
  'directoryEnd',
  'symlink "link" -> "../x"',
  'directory "node"',
  'file "type" 8 executable',
  'data "12345678"',
  'fileEnd',
  'directoryEnd',
  'file "\\xff" 0',
  'fileEnd',
  'directoryEnd',
];

const SILENT: NarHandler = {
  startDirectory() {},
  endDirectory() {},
  startFile() {},
  fileData() {},
  endFile() {},
  symlink() {},
};

describe('golden traces', () => {
  const cases: readonly (readonly [string, SyntheticTree, readonly string[]])[] = [
    ['a file', file('hi\n'), ['file "" 3', 'data "hi\\x0a"', 'fileEnd']],
    ['an empty file', file(''), ['file "" 0', 'fileEnd']],
    ['an executable', executable('#!'), ['file "" 2 executable', 'data "#!"', 'fileEnd']],
    ['a symlink', symlink('/nowhere'), ['symlink "" -> "/nowhere"']],
    ['an empty directory', directory(), ['directory ""', 'directoryEnd']],
    ['a bit of everything', SMALL, SMALL_LINES],
    [
      'names in byte order, which UTF-16 has otherwise',
      directory([
        ['\ue000', file('')],
        ['\u{1f980}', file('')],
      ]),
      // U+E000 is EE 80 80 and U+1F980 F0 9F A6 80, but D83E DD80 in UTF-16
      ['directory ""', 'file "\ue000" 0', 'fileEnd', 'file "🦀" 0', 'fileEnd', 'directoryEnd'],
    ],
    [
      'the longest name and target',
      directory([['n'.repeat(255), symlink('t'.repeat(4095))]]),
      ['directory ""', `symlink "${'n'.repeat(255)}" -> "${'t'.repeat(4095)}"`, 'directoryEnd'],
    ],
  ];
  it.each(cases)('%s', (_name, tree, lines) => {
    expect(traceNar(encodeNar(tree))).toEqual({ lines, error: undefined });
  });
});

describe('chunks', () => {
  it.each(Array.from({ length: 80 }, (_, i) => i + 1))(
    'gives the same for chunks of %i bytes',
    (chunkBytes) => {
      expect(traceNar(SMALL_NAR, chunkBytes)).toEqual({ lines: SMALL_LINES, error: undefined });
    },
  );

  it('gives the same for two chunks, cut anywhere', () => {
    for (let cut = 0; cut <= SMALL_NAR.length; cut++) {
      const lines: string[] = [];
      const parser = new NarParser({
        ...SILENT,
        startDirectory: (name) => lines.push(`d${name.length}`),
        startFile: (name, sizeBytes) => lines.push(`f${name.length}:${sizeBytes}`),
        symlink: (name, target) => lines.push(`s${name.length}:${target.length}`),
      });
      parser.push(SMALL_NAR.subarray(0, cut));
      parser.push(SMALL_NAR.subarray(cut));
      parser.end();
      expect(lines).toEqual(['d0', 'f1:5', 'd5', 's4:4', 'd4', 'f4:8', 'f1:0']);
    }
  });

  it('takes empty chunks anywhere', () => {
    const parser = new NarParser(SILENT);
    for (const byte of SMALL_NAR) {
      parser.push(EMPTY);
      parser.push(Uint8Array.of(byte));
    }
    parser.push(EMPTY);
    parser.end();
    expect(parser.offset).toBe(SMALL_NAR.length);
  });

  it('hands on views into the chunk, without copying', () => {
    const nar = encodeNar(file('x'.repeat(100)));
    const views: Uint8Array[] = [];
    const parser = new NarParser({ ...SILENT, fileData: (bytes) => views.push(bytes) });
    parser.push(nar);
    expect(views.map((view) => view.buffer === nar.buffer)).toEqual([true]);
    expect(views[0]?.length).toBe(100);
  });

  it('tells in startFile and fileData where the contents are', () => {
    const offsets: number[] = [];
    const nar = Buffer.from(encodeNar(directory({ a: file('aaaaa'), b: file('bbb') })));
    const parser: NarParser = new NarParser({
      ...SILENT,
      startFile: () => offsets.push(parser.offset),
      fileData: () => offsets.push(parser.offset),
    });
    parser.push(nar.subarray(0, nar.indexOf('aaaaa') + 2));
    parser.push(nar.subarray(nar.indexOf('aaaaa') + 2));
    parser.end();
    const [a, b] = [nar.indexOf('aaaaa'), nar.indexOf('bbb')];
    expect(offsets).toEqual([a, a, a + 2, b, b]);
  });
});

describe('damage', () => {
  it('finds truncation at every offset', () => {
    for (let length = 0; length < SMALL_NAR.length; length++) {
      const { error } = traceNar(SMALL_NAR.subarray(0, length));
      expect(error?.code, `cut to ${length}`).toBe('NAR_INVALID');
      expect(error?.facts).toMatchObject({ actual: 'end of input', receivedBytes: length });
      // the token that is cut off begins at or before the cut, less than the longest one before
      expect(error?.facts['offset']).toBeLessThanOrEqual(length);
      expect(error?.facts['offset']).toBeGreaterThan(length - 24);
    }
  });

  it('refuses a changed byte, or yields exactly the changed NAR', async () => {
    let accepted = 0;
    for (let at = 0; at < SMALL_NAR.length; at++) {
      for (const change of [0x01, 0x80]) {
        const changed = Uint8Array.from(SMALL_NAR);
        changed[at] = (changed[at] ?? 0) ^ change;
        const { error } = traceNar(changed);
        // the same fault, whatever the chunks
        expect(traceNar(changed, 1).error?.toJSON()).toEqual(error?.toJSON());
        if (error !== undefined) {
          // a size of terabytes passes a limit, all else is against the grammar
          expect(['NAR_INVALID', 'LIMIT_EXCEEDED']).toContain(error.code);
          continue;
        }
        accepted += 1;
        expect(Buffer.from(await rewrite(changed))).toEqual(Buffer.from(changed));
      }
    }
    // contents, names and the target have 36 bytes; some changes make names bad or unsorted
    expect(accepted).toBeGreaterThan(36);
    expect(accepted).toBeLessThan(36 * 2);
  });

  it('finds what follows the end', () => {
    const { error } = traceNar(concatBytes([SMALL_NAR, Uint8Array.of(0)]));
    expect(error?.code).toBe('NAR_INVALID');
    expect(error?.facts).toMatchObject({ offset: SMALL_NAR.length, expected: 'end of input' });
  });
});

async function rewrite(nar: Uint8Array): Promise<Uint8Array> {
  return concatBytes(await Array.fromAsync(writeNar(readNar(ReadableStream.from([nar])))));
}

describe('limits', () => {
  const limited = (limits: Partial<Limits>) => ({ limits: { ...DEFAULT_LIMITS, ...limits } });
  const cases: readonly (readonly [
    string,
    SyntheticTree,
    Partial<Limits>,
    Readonly<Record<string, unknown>>,
  ])[] = [
    [
      'narDepth',
      nested(3, file('')),
      { narDepth: 2 },
      { limit: 'narDepth', path: '/d/d', actual: 3 },
    ],
    [
      'narEntries',
      directory({ a: file(''), b: file('') }),
      { narEntries: 2 },
      { limit: 'narEntries', path: '/b', actual: 3 },
    ],
    [
      'directoryEntries',
      directory({ a: file(''), b: file('') }),
      { directoryEntries: 1 },
      { limit: 'directoryEntries', path: '/', actual: 2 },
    ],
    [
      'narBytes',
      file('x'.repeat(100)),
      { narBytes: 200 },
      { limit: 'narBytes', path: '/', actual: 216, offset: 88 },
    ],
  ];
  it.each(cases)('%s is refused when passed', (_name, tree, limits, facts) => {
    const { error } = traceNar(encodeNar(tree), 1, limited(limits));
    expect(error?.code).toBe('LIMIT_EXCEEDED');
    expect(error?.facts).toMatchObject(facts);
  });

  it('are not refused when just met', () => {
    const nar = encodeNar(nested(3, directory({ a: file(''), b: file('') })));
    const limits = { narDepth: 4, narEntries: 6, directoryEntries: 2, narBytes: nar.length };
    expect(traceNar(nar, 7, limited(limits)).error).toBeUndefined();
  });

  it('does not recurse', () => {
    const nar = encodeNar(nested(100_000, file('')));
    const options = limited({ narDepth: 200_000 });
    const { error, lines } = traceNar(nar, 64 * 1024, options);
    expect(error).toBeUndefined();
    expect(lines.length).toBe(200_002);
  });
});

describe('the declared size', () => {
  const nar = encodeNar(directory({ a: file('x'.repeat(1000)) }));

  it('is silent when it is right', () => {
    expect(traceNar(nar, 100, { narSizeBytes: nar.length }).error).toBeUndefined();
  });

  it.each([
    ['is one byte more', nar.length + 1],
    ['is double', nar.length * 2],
  ])('throws at the end when it %s', (_name, narSizeBytes) => {
    const { error, lines } = traceNar(nar, 100, { narSizeBytes });
    expect(error?.code).toBe('NAR_SIZE_MISMATCH');
    expect(error?.facts).toMatchObject({ expected: narSizeBytes, actual: nar.length });
    expect(lines.at(-1)).toBe('directoryEnd');
  });

  it('throws as soon as a file cannot fit', () => {
    const { error, lines } = traceNar(nar, 100, { narSizeBytes: nar.length - 8 });
    expect(error?.code).toBe('NAR_SIZE_MISMATCH');
    expect(error?.facts).toMatchObject({
      expected: nar.length - 8,
      actual: nar.length, // nothing follows the file, so what it needs is all there is
      path: '/a',
    });
    expect(lines).toEqual(['directory ""']);
  });

  it('throws when the bytes reach beyond it', () => {
    const links = encodeNar(directory({ a: symlink('b'), c: symlink('d') }));
    const { error } = traceNar(links, 100, { narSizeBytes: links.length - 8 });
    expect(error?.code).toBe('NAR_SIZE_MISMATCH');
  });

  it('does not turn trailing bytes into another error', () => {
    const { error } = traceNar(concatBytes([nar, utf8('more')]), 100, { narSizeBytes: nar.length });
    expect(error?.code).toBe('NAR_INVALID');
    expect(error?.facts).toMatchObject({ offset: nar.length });
  });
});

describe('after the end', () => {
  it('throws when pushed to after end()', () => {
    const parser = new NarParser(SILENT);
    parser.push(SMALL_NAR);
    parser.end();
    parser.end();
    expect(() => parser.push(EMPTY)).toThrow(expect.objectContaining({ code: 'NAR_INVALID' }));
  });

  it('throws the same error again after an error', () => {
    const parser = new NarParser(SILENT);
    let first: unknown;
    try {
      parser.push(narString('nix-archive-2'));
    } catch (error) {
      first = error;
    }
    expect(first).toMatchObject({ code: 'NAR_INVALID', facts: { offset: 0 } });
    expect(() => parser.push(SMALL_NAR)).toThrow(first as Error);
    expect(() => parser.end()).toThrow(first as Error);
  });

  it('passes on what the handler throws, and is of no use then', () => {
    const reason = new Error('no more space');
    const parser = new NarParser({
      ...SILENT,
      startDirectory: () => {
        throw reason;
      },
    });
    expect(() => parser.push(SMALL_NAR)).toThrow(reason);
    expect(() => parser.push(SMALL_NAR)).toThrow(reason);
    expect(() => parser.end()).toThrow(reason);
  });
});
